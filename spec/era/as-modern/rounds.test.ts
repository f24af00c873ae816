// The questions of a legacy server, as a modern client gets them.

import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { Json } from '../../../fixtures/clients/raw.js'
import type { Frame } from '../../../lib/message/frame.ts'
import { asking, form, prefix, retry, serverInfo, setUp, turn, until } from './helpers.ts'
import type { Handler, LegacyServer } from './helpers.ts'

const call = { method: 'tools/call', params: { name: 'greet', arguments: { n: 1 } } }
const answer = { action: 'accept', content: { name: 'Ann' } }

/** A server whose tool asks, and returns the response to its question. */
const asks =
  (method: string, params?: object): Handler =>
  (frame, server) => {
    if (frame.method !== 'tools/call') return
    void server.ask('ask', method, params).then((response: Json) => {
      server.respond(frame, { content: [], structuredContent: response ?? {} })
    })
  }

const received = (server: LegacyServer | undefined, method: string): Frame[] =>
  [...(server?.received ?? [])].filter((frame) => frame.method === method)

t.test('a question becomes an input_required result, and the retry completes it', async (t) => {
  const { servers, connect } = setUp(t, asks('elicitation/create', form))
  const client = connect({ capabilities: asking })
  const first = await client.call(call)
  t.match(first.result, {
    resultType: 'input_required',
    inputRequests: { q1: { method: 'elicitation/create', params: form } },
    requestState: /^[\w-]{32}$/,
    _meta: { [`${prefix}serverInfo`]: serverInfo }
  })
  const second = await client.call(retry(call, first, { q1: answer }))
  t.match(second.result, {
    resultType: 'complete',
    structuredContent: { id: 'ask', result: answer },
    _meta: { [`${prefix}serverInfo`]: serverInfo }
  })
  t.equal(servers.length, 1)
  const calls = received(servers[0], 'tools/call')
  t.equal(calls.length, 1, 'the server has one call')
  t.strictSame(calls[0]?.message().params, { ...call.params, _meta: {} })
})

t.test('prompts and resources can carry questions too', async (t) => {
  const { connect } = setUp(t, (frame, server) => {
    if (frame.kind !== 'request') return
    const answered = server.ask(`for ${frame.method}`, 'roots/list')
    void answered.then(({ result }: Json) => server.respond(frame, result))
  })
  const client = connect({ capabilities: asking })
  for (const request of [
    { method: 'prompts/get', params: { name: 'p' } },
    { method: 'resources/read', params: { uri: 'file:///a' } }
  ]) {
    const first = await client.call(request)
    t.strictSame(first.result.inputRequests, { q1: { method: 'roots/list' } })
    const roots = [{ uri: 'file:///r' }]
    const second = await client.call(retry(request, first, { q1: { roots } }))
    t.match(second.result, { resultType: 'complete', roots })
  }
})

t.test('each kind of question arrives with the params of the modern revision', async (t) => {
  const questions: [string, object, object?][] = [
    ['elicitation/create', { mode: 'url', url: 'https://a/', message: 'm', elicitationId: 'e' }],
    ['elicitation/create', { message: 'm', requestedSchema: {} }],
    ['sampling/createMessage', { messages: [], maxTokens: 5, task: { ttl: 5 } }],
    ['sampling/createMessage', { messages: [], maxTokens: 5, tools: [], toolChoice: {} }],
    ['roots/list', { _meta: { a: 1 } }]
  ]
  for (const [method, params] of questions) {
    const { connect } = setUp(t, asks(method, params))
    const client = connect({ capabilities: asking })
    const first = await client.call(call)
    const { elicitationId: _1, task: _2, ...rest } = params as Record<string, unknown>
    t.strictSame(first.result.inputRequests, { q1: { method, params: rest } })
  }
})

t.test('questions that come together go to the client together', async (t) => {
  const { connect } = setUp(t, (frame, server) => {
    if (frame.method !== 'tools/call') return
    const all = [1, 2, 3].map((id) => server.ask(id, 'elicitation/create', form))
    void Promise.all(all).then((responses: Json[]) => {
      const answers = responses.map(({ id, result }) => [id, result.content.n])
      server.respond(frame, { structuredContent: { answers } })
    })
  })
  const client = connect({ capabilities: asking })
  const first = await client.call(call)
  t.strictSame(Object.keys(first.result.inputRequests), ['q1', 'q2', 'q3'])
  const answers = Object.fromEntries(
    [3, 1, 2].map((n) => [`q${n}`, { action: 'accept', content: { n } }])
  )
  const second = await client.call(retry(call, first, { ...answers, q9: 'unknown' }))
  t.strictSame(second.result.structuredContent.answers, [
    [1, 1],
    [2, 2],
    [3, 3]
  ])
})

t.test('a retry that lacks answers is asked again for the rest', async (t) => {
  const { servers, connect } = setUp(t, (frame, server) => {
    if (frame.method !== 'tools/call') return
    const all = [1, 2].map((id) => server.ask(id, 'elicitation/create', { ...form, id }))
    void Promise.all(all).then(() => server.respond(frame, {}))
  })
  const client = connect({ capabilities: asking })
  const first = await client.call(call)
  const second = await client.call(retry(call, first, { q2: answer }))
  t.strictSame(Object.keys(second.result.inputRequests), ['q1'])
  t.not(second.result.requestState, first.result.requestState)
  const third = await client.call({
    ...call,
    params: { ...call.params, requestState: second.result.requestState }
  })
  t.strictSame(Object.keys(third.result.inputRequests), ['q1'], 'none at all')
  const last = await client.call(retry(call, third))
  t.equal(last.result.resultType, 'complete')
  t.equal(servers.length, 1)
})

t.test('invalid answers are refused, and the call can go on', async (t) => {
  const { connect } = setUp(t, asks('elicitation/create', form))
  const client = connect({ capabilities: asking })
  const first = await client.call(call)
  for (const answers of ['text', [answer], { q1: 'text' }, { q1: [] }]) {
    const refused = await client.call(retry(call, first, answers as object))
    t.match(refused.error, { code: -32602, message: /inputResponses/ })
  }
  const second = await client.call(retry(call, first))
  t.equal(second.result.resultType, 'complete')
})

t.test('a call may have many rounds, with progress and log messages in each', async (t) => {
  const { servers, connect } = setUp(t, (frame, server) => {
    if (frame.method === 'logging/setLevel') server.respond(frame, {})
    if (frame.method !== 'tools/call') return
    const round = async (): Promise<void> => {
      const { progressToken } = frame
      for (let progress = 1; progress <= 3; progress++) {
        server.say({ method: 'notifications/progress', params: { progressToken, progress } })
        server.say({ method: 'notifications/message', params: { level: 'info', data: progress } })
        server.say({ method: 'notifications/message', params: { level: 'debug', data: 0 } })
        await server.ask(progress, 'elicitation/create', form)
      }
      server.respond(frame, {})
    }
    void round()
  })
  const client = connect({ capabilities: asking })
  const meta = (progressToken?: unknown, level?: string): Record<string, unknown> => ({
    ...(progressToken !== undefined && { progressToken }),
    ...(level && { [`${prefix}logLevel`]: level })
  })
  let response = await client.call({ ...call, meta: meta('first', 'info') })
  response = await client.call({ ...retry(call, response), meta: meta(2, 'debug') })
  response = await client.call({ ...retry(call, response), meta: meta() })
  response = await client.call({ ...retry(call, response), meta: meta('last') })
  t.equal(response.result.resultType, 'complete')
  const notes = client.frames.filter(({ kind }) => kind === 'notification')
  t.strictSame(
    notes.map((frame) => frame.message().params),
    [
      { progressToken: 'first', progress: 1 },
      { level: 'info', data: 1 },
      { progressToken: 2, progress: 2 },
      { level: 'info', data: 2 },
      { level: 'debug', data: 0 }
    ],
    'the third round asked for none of them'
  )
  const levels = received(servers[0], 'logging/setLevel')
  t.strictSame(
    levels.map((frame) => frame.message().params?.level),
    ['info', 'debug']
  )
})

t.test('a result that comes while the client is away waits for it', async (t) => {
  const { servers, connect } = setUp(t, (frame, server) => {
    if (frame.method !== 'tools/call') return
    server.say({ id: 'ask', method: 'elicitation/create', params: form })
    setTimeout(() => {
      server.say({ method: 'notifications/message', params: { level: 'error', data: 1 } })
      server.say({ method: 'notifications/cancelled', params: { requestId: 'ask' } })
      server.respond(frame, { content: ['too late'] })
    }, 60)
  })
  const client = connect({ capabilities: asking })
  const first = await client.call(call)
  await sleep(100)
  const second = await client.call(retry(call, first))
  t.match(second.result, { resultType: 'complete', content: ['too late'] })
  t.notOk(servers[0]?.received.some(({ kind }) => kind === 'response'))
})

t.test('a question that the server takes back is not asked, or needs no answer', async (t) => {
  const { connect } = setUp(t, (frame, server) => {
    if (frame.method !== 'tools/call') return
    const ask = (id: number): void => server.say({ id, method: 'roots/list' })
    const take = (requestId: number): void =>
      server.say({ method: 'notifications/cancelled', params: { requestId } })
    ask(1)
    take(1)
    server.say({ method: 'notifications/cancelled', params: {} })
    setTimeout(() => {
      ask(2)
      ask(3)
    }, 50)
    setTimeout(() => {
      take(3)
      take(2)
      ask(4)
    }, 120)
    void server.received.until(({ id }) => id === 4).then(() => server.respond(frame, {}))
  })
  const client = connect({ capabilities: asking })
  const first = await client.call(call)
  t.strictSame(Object.keys(first.result.inputRequests), ['q2', 'q3'])
  await sleep(150)
  const second = await client.call(retry(call, first, { q2: {}, q3: {} }))
  t.strictSame(Object.keys(second.result.inputRequests), ['q4'], 'a new one has come meanwhile')
  const last = await client.call(retry(call, second, { q4: { roots: [] } }))
  t.equal(last.result.resultType, 'complete')
})

t.test('a question that needs another capability fails the call with -32021', async (t) => {
  const url = { mode: 'url', url: 'https://a/', message: 'm' }
  const cases: [object, string, object | undefined, object][] = [
    [{}, 'roots/list', undefined, { roots: {} }],
    [{}, 'elicitation/create', form, { elicitation: { form: {} } }],
    [{ elicitation: {} }, 'elicitation/create', url, { elicitation: { url: {} } }],
    [{ elicitation: { url: {} } }, 'elicitation/create', form, { elicitation: { form: {} } }],
    [{ roots: {} }, 'sampling/createMessage', {}, { sampling: {} }],
    [{ sampling: {} }, 'sampling/createMessage', { tools: [] }, { sampling: { tools: {} } }]
  ]
  for (const [capabilities, method, params, requiredCapabilities] of cases) {
    const { servers, connect } = setUp(t, asks(method, params))
    const { error } = await connect({ capabilities }).call(call)
    t.match(error, { code: -32021, message: new RegExp(method) })
    t.strictSame(error.data, { requiredCapabilities })
    const [server] = servers as [LegacyServer]
    const refusal = await server.received.until(({ kind }) => kind === 'response')
    t.match(refusal?.message(), { id: 'ask', error: { code: -32601 } })
    t.ok(await server.got('notifications/cancelled'))
  }
})

t.test('such a question fails a call whose client is away when it calls again', async (t) => {
  const { servers, connect } = setUp(t, (frame, server) => {
    if (frame.method !== 'tools/call') return
    server.say({ id: 1, method: 'roots/list' })
    setTimeout(() => server.say({ id: 2, method: 'sampling/createMessage', params: {} }), 50)
  })
  const client = connect({ capabilities: { roots: {} } })
  for (const closes of [false, true]) {
    const first = await client.call(call)
    await sleep(60)
    if (closes) servers.at(-1)?.destroy()
    await turn()
    const second = await client.call(retry(call, first))
    t.equal(second.error.code, -32021)
  }
  t.equal(servers.length, 2)
})

t.test('such a question does not disturb other requests', async (t) => {
  const { servers, connect } = setUp(t, () => {})
  const client = connect()
  void client.start({ ...call, id: 'a' })
  void client.start({ ...call, id: 'b' })
  await until(() => servers.length === 1)
  const [server] = servers as [LegacyServer]
  await until(() => received(server, 'tools/call').length === 2)
  const { error } = await server.ask('ask', 'roots/list')
  t.match(error, { code: -32600, message: /at a time/ })
  for (const frame of received(server, 'tools/call')) server.respond(frame, {})
  await until(() => client.frames.length === 2)
  t.notOk(client.frames.some(({ errorCode }) => errorCode !== undefined))
})

t.test('a call that fails in the proxy gets an error', async (t) => {
  const { connect } = setUp(t, (frame, server) => {
    const { progressToken } = frame
    server.say({ method: 'notifications/progress', params: { progressToken, progress: 1 } })
  })
  const client = connect()
  const port = client.port as Duplex & { deliver: (frame: Frame) => void }
  const deliver = port.deliver.bind(port)
  port.deliver = (frame) => {
    if (frame.kind === 'notification') throw new Error('broken')
    deliver(frame)
  }
  t.equal((await client.call({ ...call, meta: { progressToken: 1 } })).error.code, -32603)
  port.deliver = (frame) => {
    port.deliver = deliver
    throw new Error(`broken ${frame.kind}`)
  }
  void client.start({ method: 'server/discover' })
  t.equal((await client.call({ method: 'server/discover' })).result.resultType, 'complete')
})

t.test('a question that no response can carry is refused at once', async (t) => {
  const { servers, connect } = setUp(t, (frame, server) => {
    if (frame.method !== 'tools/list') return
    void server.ask('ask', 'elicitation/create', form).then(() => server.respond(frame, {}))
  })
  const client = connect({ capabilities: asking })
  const { result } = await client.call({ method: 'tools/list' })
  t.equal(result.resultType, 'complete')
  const [server] = servers as [LegacyServer]
  const refusal = { code: -32600, message: /only .* tools\/call, prompts\/get or resources\/read/ }
  t.match((await server.received.until(({ id }) => id === 'ask'))?.message().error, refusal)
  t.match((await server.ask(5, 'roots/list')).error, refusal, 'outside any request')
  t.match((await server.ask(6, 'tasks/get', {})).error, { code: -32601 })
  t.strictSame((await server.ask(7, 'ping')).result, {})
})

t.test('too many questions, or too large ones, are refused', async (t) => {
  const { servers, connect } = setUp(
    t,
    (frame, server) => {
      if (frame.method !== 'tools/call') return
      const { big } = frame.message().params as { big?: boolean }
      for (let id = 0; id < (big ? 2 : 65); id++) {
        const message = 'a'.repeat(big ? 1000 : 1)
        server.say({ id, method: 'elicitation/create', params: { message } })
      }
    },
    { maxQueue: 10_000 }
  )
  const client = connect({ capabilities: asking })
  const { result } = await client.call({ method: 'tools/call', params: {} })
  t.equal(Object.keys(result.inputRequests).length, 64)
  const refused = servers[0]?.received.filter(({ kind }) => kind === 'response')
  t.match(refused?.[0]?.message(), { id: 64, error: { code: -32600, message: /too many/ } })
  const other = setUp(
    t,
    (frame, server) => {
      if (frame.method !== 'tools/call') return
      for (const id of [1, 2]) {
        server.say({ id, method: 'elicitation/create', params: { message: 'a'.repeat(900) } })
      }
    },
    { maxQueue: 1000 }
  )
  const big = await other.connect({ capabilities: asking }).call(call)
  t.strictSame(Object.keys(big.result.inputRequests), ['q1'])
})

t.test('an error that lists URLs asks the client to open them, and is then retried', async (t) => {
  let needed = true
  const elicitations = [{ mode: 'url', elicitationId: 'e', url: 'https://a/', message: 'Log in' }]
  const fail = (id: unknown, data: object): object => ({
    id,
    error: { code: -32042, message: 'URL', data }
  })
  const { servers, connect } = setUp(t, (frame, server) => {
    if (frame.method !== 'tools/call') return
    if (needed) server.say(fail(frame.id, { elicitations }))
    else server.respond(frame, { content: [] })
  })
  const client = connect({ capabilities: asking })
  const first = await client.call(call)
  t.strictSame(first.result.inputRequests, {
    q1: {
      method: 'elicitation/create',
      params: { mode: 'url', url: 'https://a/', message: 'Log in' }
    }
  })
  const again = await client.call(retry(call, first, {}))
  needed = false
  const second = await client.call(retry(call, again))
  t.equal(second.result.resultType, 'complete')
  t.equal(received(servers[0], 'tools/call').length, 2)

  needed = true
  const declined = await client.call(
    retry(call, await client.call(call), { q1: { action: 'decline' } })
  )
  t.match(declined.error, { code: -32000, message: /did not open the URL/ })

  const simple = await connect({ capabilities: { elicitation: {} } }).call(call)
  t.match(simple.error, {
    code: -32021,
    data: { requiredCapabilities: { elicitation: { url: {} } } }
  })
})

t.test('a held call whose client does not return is cancelled', async (t) => {
  const { servers, connect } = setUp(t, asks('elicitation/create', form), { inputTimeout: 50 })
  const client = connect({ capabilities: asking })
  const first = await client.call(call)
  const [server] = servers as [LegacyServer]
  const refusal = await server.received.until(({ id }) => id === 'ask')
  t.match(refusal?.message().error, { message: /cancelled/ })
  t.ok(await server.got('notifications/cancelled'))
  const late = await client.call(retry(call, first))
  t.match(late.error, { code: -32602, message: /expired/ })
  await until(() => server.destroyed)
  t.pass('the server is not used again, because it may still ask for the old call')
})

t.test('a client that cancels or disconnects cancels the call', async (t) => {
  const { servers, connect } = setUp(t, asks('elicitation/create', form))
  const client = connect({ capabilities: asking })
  void client.start({ ...call, id: 'a' })
  await until(() => servers.length === 1)
  await servers[0]?.got('tools/call')
  await client.send({ method: 'notifications/cancelled', params: { requestId: 'a' } })
  t.ok(await servers[0]?.got('notifications/cancelled'))

  const first = await client.call(call)
  await client.start(retry(call, first, {}))
  client.port.destroy()
  await until(() => servers.length === 2)
  t.ok(await servers[1]?.got('notifications/cancelled'))
})

t.test('a cancelled request that could not ask leaves its connection open', async (t) => {
  const { servers, connect } = setUp(t, (frame, server) => {
    if (frame.method === 'tools/list') server.respond(frame, {})
  })
  const client = connect({ capabilities: asking })
  void client.start({ id: 'a', method: 'completion/complete' })
  await until(() => servers.length === 1)
  await servers[0]?.got('completion/complete')
  await client.send({ method: 'notifications/cancelled', params: { requestId: 'a' } })
  await servers[0]?.got('notifications/cancelled')
  await client.call({ method: 'tools/list' })
  t.equal(servers.length, 1)
})

t.test('two clients in rounds, with equal ids and tokens, share nothing', async (t) => {
  const { servers, connect } = setUp(t, (frame, server) => {
    if (frame.method !== 'tools/call') return
    const { name } = frame.message().params as { name: string }
    const { progressToken } = frame
    const run = async (): Promise<void> => {
      for (const round of [1, 2]) {
        const params = { progressToken, progress: round, message: name }
        server.say({ method: 'notifications/progress', params })
        const { result } = await server.ask(round, 'elicitation/create', { message: name })
        if (result.content.name !== name) throw new Error('crossed')
      }
      server.respond(frame, { content: [name] })
    }
    void run()
  })
  const clients = ['a', 'b', 'c'].map((name) => ({
    name,
    client: connect({ capabilities: asking })
  }))
  const work = clients.map(async ({ name, client }) => {
    const request = { method: 'tools/call', params: { name }, meta: { progressToken: 1 } }
    let response = await client.call({ ...request, id: 1 })
    for (const id of [2, 3]) {
      t.match(response.result.inputRequests, {
        [`q${id - 1}`]: { params: { message: name } }
      })
      const answers = { [`q${id - 1}`]: { action: 'accept', content: { name } } }
      response = await client.call({ ...retry(request, response, answers), id })
    }
    t.strictSame(response.result.content, [name])
    const progress = client.frames.filter(({ kind }) => kind === 'notification')
    t.strictSame(
      progress.map((frame) => frame.message().params),
      [1, 2].map((round) => ({ progressToken: 1, progress: round, message: name }))
    )
  })
  await Promise.all(work)
  t.equal(servers.length, 3)
})

t.test(
  'a server that asks more than the client can answer, and does not read, has to wait',
  async (t) => {
    const { servers, connect } = setUp(t, () => {})
    const client = connect({ capabilities: asking })
    await client.start({ method: 'tools/call', params: { name: 'greet' } })
    await until(() => servers.length === 1)
    const [server] = servers as [LegacyServer]
    await server.got('tools/call')
    server.stop()
    let isFull = false
    for (let id = 0; id < 10_000 && !isFull; id++) {
      server.say({ id, method: 'elicitation/create', params: form })
      isFull = server.readableLength > 20
      await turn()
    }
    t.ok(isFull, 'the proxy stops to read')
  }
)
