// A modern server asks a legacy client for input during a request.

import { test } from 'tap'
import { everything, overFixture, overText } from './helpers.ts'
import type { LegacyClient } from './helpers.ts'
import type { Json } from '../../../fixtures/clients/raw.js'
import { initializeParams } from '../../helpers.ts'

const accept = { result: { action: 'accept', content: { name: 'é', n: 1 } } }

/** What the user or the model answers to each kind of question. */
function answer({ method, params }: Json): object {
  if (method === 'roots/list') return { result: { roots: [{ uri: 'file:///r' }] } }
  if (method === 'elicitation/create')
    return params?.mode === 'url' ? { result: { action: 'accept' } } : accept
  return { result: { role: 'assistant', content: { type: 'text', text: 'Hi' }, model: 'm' } }
}

async function open(
  client: LegacyClient,
  capabilities: object = everything
): Promise<LegacyClient> {
  await client.initialize({ capabilities })
  return client
}

test('each kind of question becomes a request to the client', async (t) => {
  const client = await open(overFixture(t))
  client.answer(answer)
  for (const kind of ['form', 'url', 'sampling', 'samplingWithTools', 'roots']) {
    const [answers] = JSON.parse(await client.call('ask', { kinds: [kind] }))
    const question = client.questions.at(-1)
    t.strictSame(answers, { [`${kind} 0`]: (answer(question) as { result: object }).result })
  }
  t.match(
    client.questions.map(({ method }) => method),
    [
      'elicitation/create',
      'elicitation/create',
      'sampling/createMessage',
      'sampling/createMessage',
      'roots/list'
    ]
  )
  t.equal(typeof client.questions[0]?.id, 'number')
})

test('all questions of a round are asked at once, and several rounds follow each other', async (t) => {
  const client = await open(overFixture(t))
  const call = client.call('ask', { kinds: ['form', 'roots', 'form'], rounds: 3 })
  for (let round = 0; round < 3; round++) {
    await client.messages.until(() => client.questions.length === 3 * round + 3)
    for (const question of client.questions.slice(-3).reverse()) {
      await client.send({ id: question.id as number, ...answer(question) })
    }
  }
  const rounds = JSON.parse(await call)
  t.equal(rounds.length, 3)
  for (const answers of rounds)
    t.strictSame(Object.keys(answers).sort(), ['form 0', 'form 2', 'roots 1'])
  const ids = client.questions.map(({ id }) => id)
  t.equal(new Set(ids).size, 9, 'each question has its own id')
  t.match(
    client.questions
      .filter(({ params }) => params?.mode === 'form')
      .map(({ params }) => params?.message),
    ['Round 0', 'Round 0', 'Round 1', 'Round 1', 'Round 2', 'Round 2']
  )
})

test('the answers and the state go back byte for byte', async (t) => {
  let calls = 0
  const { client, server } = overText(t, (method) => {
    if (method !== 'tools/call') return undefined
    const asks =
      '"inputRequests":{"\\u0061":{"method":"roots/list","params":{"x":1.0}}},"requestState":"\\u0073 s"'
    return calls++ === 0 ? `{"resultType":"input_required",${asks}}` : '{}'
  })
  await client.ask('initialize', { ...initializeParams, capabilities: everything })
  void client.send(
    '{"jsonrpc":"2.0","id":1.0,"method":"tools/call","params":{"name":"t","requestState":"forged","arguments":{"n":1.0}}}'
  )
  const question = await client.frames.until(({ method }) => method === 'roots/list')
  t.match(question?.toString(), '"params":{"x":1.0}}')
  await client.send(
    `{"jsonrpc":"2.0","id":${question?.id},"result":{"roots":[],"big":9007199254740993}}`
  )
  await server.got('tools/call', 2)
  const [first, second] = server.received.filter(({ method }) => method === 'tools/call')
  t.match(first?.toString(), '{"name":"t","arguments":{"n":1.0},"_meta":')
  t.match(
    second?.toString(),
    '"inputResponses":{"a":{"roots":[],"big":9007199254740993}},"requestState":"\\u0073 s"'
  )
  t.notSame(first?.id, second?.id)
  t.match(client.texts().at(-1), '"id":1.0,')
})

test('a request that only is to be repeated is repeated after a pause', async (t) => {
  const client = await open(overFixture(t))
  const began = performance.now()
  t.equal(await client.call('again', { times: 2 }), '2')
  t.ok(performance.now() - began > 250, 'the pause doubles')
})

test('progress goes on over all rounds, on the token of the client', async (t) => {
  let calls = 0
  const { client, server } = overText(t, (method) => {
    if (method !== 'tools/call') return undefined
    server.say({
      method: 'notifications/progress',
      params: { progressToken: 'p', progress: ++calls }
    })
    const asks = '"inputRequests":{"a":{"method":"roots/list"}}'
    return calls < 3 ? `{"resultType":"input_required",${asks}}` : '{}'
  })
  await client.ask('initialize', { ...initializeParams, capabilities: everything })
  client.port.on('data', (frame) => {
    if (frame.method === 'roots/list') void client.send({ id: frame.id, result: { roots: [] } })
  })
  await client.ask('tools/call', { _meta: { progressToken: 'p' } })
  const progress = client.frames.filter(({ method }) => method === 'notifications/progress')
  t.match(
    progress.map((frame) => frame.message().params?.progress),
    [1, 2, 3]
  )
  t.ok(
    server.received
      .filter(({ method }) => method === 'tools/call')
      .every(({ progressToken }) => progressToken === 'p')
  )
})

test('an elicitation by URL has an id, and its end is reported', async (t) => {
  const client = await open(overFixture(t))
  client.answer(answer)
  await client.call('ask', { kinds: ['url', 'url'] })
  const ids = client.questions.map(({ params }) => params?.elicitationId)
  t.equal(new Set(ids).size, 2)
  const complete = client.notifications('notifications/elicitation/complete')
  t.strictSame(
    complete.map(({ params }) => params?.elicitationId),
    ids
  )
})

test('a question that the client does not support is an error of its call', async (t) => {
  const cases: [kind: string, capabilities: object, missing: string | undefined][] = [
    ['form', {}, 'elicitation'],
    ['form', { elicitation: {} }, undefined],
    ['form', { elicitation: { url: {} } }, 'elicitation of the mode form'],
    ['url', { elicitation: {} }, 'elicitation of the mode url'],
    ['url', {}, 'elicitation'],
    ['sampling', {}, 'sampling'],
    ['sampling', { sampling: {} }, undefined],
    ['samplingWithTools', { sampling: {} }, 'sampling with tools'],
    ['roots', { roots: [] }, 'roots'],
    ['unknown', everything, 'the method client/unknown']
  ]
  for (const [kind, capabilities, missing] of cases) {
    const client = await open(overFixture(t), capabilities)
    client.answer(answer)
    const text = await client.call('ask', { kinds: [kind] })
    const expected = `error: the server asks for ${missing}, which the client does not support`
    if (missing === undefined) t.match(text, `"${kind} 0"`)
    else t.equal(text, expected)
    t.equal(await client.call('echo', { text: 'next' }), 'next')
    client.transport.end()
  }
})

test('a refusal of the client is an error of its call, and cancels the other questions', async (t) => {
  const client = await open(overFixture(t))
  const call = client.call('ask', { kinds: ['form', 'roots'] })
  await client.messages.until(() => client.questions.length === 2)
  const [form, roots] = client.questions as [Json, Json]
  await client.send({ id: roots.id as number, error: { code: -1, message: 'not now' } })
  t.equal(await call, 'error: the client refused roots/list: not now')
  t.match(client.notifications('notifications/cancelled'), [{ params: { requestId: form.id } }])
  await client.send({ id: form.id as number, ...accept })
  const silent = client.call('ask')
  await client.messages.until(() => client.questions.length === 3)
  const id = client.questions.at(-1)?.id as number
  await client.send({ id, error: { code: -1, message: 5 as unknown as string } })
  t.match(await silent, 'no reason')
})

test('input in a wrong form is an error of its call', async (t) => {
  const client = await open(overFixture(t))
  const wrong: [result: object, reason: RegExp][] = [
    [{}, /no question/],
    [{ inputRequests: {} }, /no question/],
    [{ inputRequests: [] }, /not an object/],
    [{ inputRequests: null }, /not an object/],
    [{ inputRequests: { a: 1 } }, /no method/],
    [{ inputRequests: { a: { method: {} } } }, /no method/],
    [{ requestState: 5 }, /not a string/],
    [{ requestState: 's', inputRequests: { a: { method: 'roots/list', params: 1 } } }, /./],
    [
      {
        inputRequests: Object.fromEntries(
          Array.from({ length: 101 }, (_, n) => [n, { method: 'roots/list' }])
        )
      },
      /over 100/
    ],
    [{ requestState: 'x'.repeat(2 ** 20) }, /does not read/]
  ]
  for (const [result, reason] of wrong) {
    t.match(
      await client.call('askWrongly', { result }),
      reason,
      JSON.stringify(result).slice(0, 80)
    )
  }
  t.equal(await client.call('echo', { text: 'next' }), 'next')
})

test('only some methods may ask for input', async (t) => {
  const { client } = overText(t, () => '{"resultType":"input_required","requestState":"s"}')
  t.match((await client.ask('tools/list')).error, { message: /in response to tools\/list/ })
})

test('the number of rounds is limited', async (t) => {
  for (const [maxRounds, rounds, fails] of [
    [2, 2, false],
    [2, 3, true],
    [0, 70, false]
  ] as const) {
    const client = await open(overFixture(t, { maxRounds }))
    client.answer(answer)
    const text = await client.call('ask', { rounds })
    t.equal(text.startsWith('error: the server asked for input more than 2 times'), fails, text)
  }
})

test('a call that waits for the client can be cancelled', async (t) => {
  const client = await open(overFixture(t))
  void client.request('tools/call', { name: 'ask', arguments: { kinds: ['form', 'roots'] } }, 'c')
  await client.messages.until(() => client.questions.length === 2)
  await client.notify('notifications/cancelled', { requestId: 'c' })
  t.equal(await client.call('echo', { text: 'next' }), 'next')
  const cancelled = client
    .notifications('notifications/cancelled')
    .map(({ params }) => params?.requestId)
  t.strictSame(
    cancelled,
    client.questions.map(({ id }) => id)
  )
  for (const question of client.questions)
    await client.send({ id: question.id as number, ...answer(question) })
  t.equal(
    await client.call('echo', { text: 'late answers change nothing' }),
    'late answers change nothing'
  )
  t.notOk(client.messages.find(({ id }) => id === 'c'))
})

test('a call that waits for its next attempt can be cancelled', async (t) => {
  const client = await open(overFixture(t))
  void client.request('tools/call', { name: 'again', arguments: { times: 50 } }, 'c')
  await client.call('echo', { text: 'a', delay: 150 })
  await client.notify('notifications/cancelled', { requestId: 'c' })
  client.transport.end()
  t.equal(await client.closed, undefined)
})

test('a client that ends answers no question', async (t) => {
  const client = await open(overFixture(t))
  const asked = client.call('ask')
  await client.messages.until(() => client.questions.length === 1)
  const later = client.call('ask')
  client.transport.end()
  t.match(await asked, 'the client has ended')
  t.match(await later, 'the client has ended')
  t.equal(await client.closed, undefined)
})

test('a client that is destroyed leaves no timer', async (t) => {
  const client = await open(overFixture(t))
  void client.request('tools/call', { name: 'again', arguments: { times: 50 } })
  await client.call('echo', { text: 'a', delay: 20 })
  client.transport.destroy()
  t.equal(await client.closed, undefined)
})

test('the server can ask for input only during requests that there is room to keep', async (t) => {
  const asks = '{"resultType":"input_required","inputRequests":{"a":{"method":"roots/list"}}}'
  const { client, server } = overText(
    t,
    (_method, text) => (text.includes('"ask"') ? asks : undefined),
    { maxQueue: 10_000 }
  )
  await client.ask('initialize', { ...initializeParams, capabilities: everything })
  const call = (id: number, name: string, size: number): Promise<void> =>
    client.send({ id, method: 'tools/call', params: { name, pad: 'x'.repeat(size) } })
  await call(1, 'large', 20_000)
  await call(2, 'ask', 100)
  t.match(await client.frames.until(({ id }) => id === 2), {
    failure: { message: /too large to be kept beside others \(see --max-queue\)/ }
  })
  await client.send({ method: 'notifications/cancelled', params: { requestId: 1 } })
  await server.got('notifications/cancelled')
  await call(3, 'ask', 20_000)
  t.ok(await client.frames.until(({ method }) => method === 'roots/list'))
})
