// One process for many legacy clients, with sessions and without; and processes that are there before
// their clients.

import t from 'tap'
import type { Test } from 'tap'
import { httpClient, sseClient } from '../../fixtures/clients/raw.js'
import type { HttpClient, Json } from '../../fixtures/clients/raw.js'
import { ended, fixture } from '../helpers.ts'
import { node, startProxy, until } from '../interop/helpers.ts'
import type { Proxy } from '../interop/helpers.ts'
import { parsed } from '../modern.ts'

t.setTimeout(120_000)

const rascal = [node, fixture('servers/rascal.js')]
const demo = [node, fixture('servers/demo.js')]

async function serve(t: Test, server: string[], ...flags: string[]): Promise<Proxy> {
  const proxy = await startProxy(...flags, '--', ...server)
  t.teardown(proxy.close)
  return proxy
}

async function openSession(t: Test, proxy: Proxy, params?: object): Promise<HttpClient> {
  const session = httpClient(proxy.mcp())
  t.teardown(() => session.close())
  await session.initialize(params)
  return session
}

const openSessions = (t: Test, proxy: Proxy, count: number): Promise<HttpClient[]> =>
  Promise.all(Array.from({ length: count }, () => openSession(t, proxy)))

const text = (answer: Json): string => answer.result.content[0].text

const echo = (text: string): object => ({ name: 'echo', arguments: { text } })

t.test('200 calls at once from 20 sessions, with the same ids in each', async (t) => {
  const proxy = await serve(t, rascal, '--shared')
  const sessions = await openSessions(t, proxy, 20)
  const pids = new Set<number>()
  await Promise.all(
    sessions.flatMap((session, index) =>
      Array.from({ length: 10 }, async (_, n) => {
        const params = { of: index, n, text: 'é'.repeat(n) }
        const answer = await session.request('test/echo', params, { id: n + 1 })
        t.strictSame(answer, { jsonrpc: '2.0', id: n + 1, result: { params } })
        const { result } = await session.request('test/state', {}, { id: `s${n}` })
        pids.add(result.pid)
      })
    )
  )
  t.equal(pids.size, 1)
})

t.test('progress goes to the session that asked, before its answer', async (t) => {
  const proxy = await serve(t, rascal, '--shared')
  const sessions = await openSessions(t, proxy, 5)
  await Promise.all(
    sessions.map(async (session, index) => {
      const count = 10 + index
      const seen: Json[] = []
      const { result } = await session.request(
        'test/burst',
        { count, _meta: { progressToken: 'same' } },
        { id: 1, onMessage: (message) => seen.push(message.params) }
      )
      t.strictSame(result, { count })
      t.strictSame(
        seen,
        Array.from({ length: count }, (_, n) => {
          return { progressToken: 'same', progress: n + 1, total: count }
        })
      )
    })
  )
})

t.test('a crash loses what is under way, each with an error, and the sessions go on', async (t) => {
  const proxy = await serve(t, rascal, '--shared')
  const sessions = await openSessions(t, proxy, 10)
  const [first] = sessions as [HttpClient]
  const { result } = await first.request('test/state', { set: 'kept' })
  const lost = sessions.flatMap((session) => [1, 2].map(() => session.request('test/silence')))
  await until(async () => {
    const { result } = await first.request('test/received')
    return result.lines.filter((line: string) => line.includes('test/silence')).length === 20
  })
  process.kill(result.pid, 'SIGKILL')
  for (const answer of await Promise.all(lost)) {
    t.match(answer, { error: { code: -32000, message: /SIGKILL/ } })
  }
  for (const session of sessions) {
    const { result } = await session.request('test/state')
    t.equal(result.state, null, 'in a new process')
  }
})

t.test(
  'initialize is answered as the server answers it, in the revision of the client',
  async (t) => {
    const proxy = await serve(t, demo, '--shared')
    const direct = await serve(t, demo)
    const expected = (await (await openSession(t, direct)).request('ping')).jsonrpc
    t.equal(expected, '2.0')
    const versions = ['2025-11-25', '2025-03-26', '2024-11-05']
    for (const protocolVersion of versions) {
      const [one, other] = [httpClient(proxy.mcp()), httpClient(direct.mcp())]
      const answers = [one, other].map((client) =>
        client.request(
          'initialize',
          { protocolVersion, capabilities: {}, clientInfo: { name: 'x', version: '1' } },
          { id: protocolVersion }
        )
      )
      const [shared, own] = await Promise.all(answers)
      t.strictSame(shared, own)
      t.equal(shared.result.protocolVersion, protocolVersion)
      one.close()
      other.close()
    }
  }
)

t.test('the server has nobody to ask', async (t) => {
  const proxy = await serve(t, rascal, '--shared')
  const session = await openSession(t, proxy, { capabilities: { roots: {}, sampling: {} } })
  const ask = (method: string): Promise<Json> => session.request('test/ask', { method })
  t.match(await ask('roots/list'), { result: { answer: { error: { code: -32601 } } } })
  t.match(await ask('ping'), { result: { answer: { result: {} } } })
  t.notOk(
    session.messages.some(({ method }) => method !== undefined),
    'the client is not asked'
  )
})

t.test('changes are told to those whom they concern', async (t) => {
  const proxy = await serve(t, demo, '--shared')
  const [subscribed, other, leaves] = (await openSessions(t, proxy, 3)) as [
    HttpClient,
    HttpClient,
    HttpClient
  ]
  const sse = await sseClient(proxy.sse())
  t.teardown(() => sse.close())
  await sse.initialize()
  await Promise.all([subscribed, other].map((session) => session.openGet()))
  const uri = 'demo://notes/first'
  for (const session of [subscribed, sse, leaves]) {
    t.match(await session.request('resources/subscribe', { uri }), { result: {} })
  }
  const refused = await other.request('resources/subscribe', { uri: 'demo://nowhere' })
  t.match(refused, { error: { code: -32002 } })
  await leaves.delete()

  const update = (uri: string): Promise<Json> =>
    other.request('tools/call', { name: 'update', arguments: { uri, text: 'new' } })
  await update(uri)
  await update('demo://notes/new')
  const isListChange = ({ method }: Json): boolean =>
    method === 'notifications/resources/list_changed'
  const heard = async ({ messages }: { messages: HttpClient['messages'] }): Promise<string[]> => {
    await messages.until(isListChange)
    return messages.flatMap(({ method }) =>
      method === 'notifications/message' ? [] : (method ?? [])
    )
  }
  const [updated, changed] = [
    'notifications/resources/updated',
    'notifications/resources/list_changed'
  ]
  t.strictSame(await heard(subscribed), [updated, changed])
  t.strictSame(await heard(sse), [updated, changed])
  t.strictSame(await heard(other), [changed])

  await subscribed.request('resources/unsubscribe', { uri })
  await update(uri)
  await sse.messages.until(
    () => sse.messages.filter(({ method }) => method === updated).length === 2
  )
  await update('demo://notes/newer')
  await subscribed.messages.until(() => subscribed.messages.filter(isListChange).length === 2)
  t.equal(subscribed.messages.filter(({ method }) => method === updated).length, 1)
})

t.test('each session hears the log from the level that it asked for', async (t) => {
  const proxy = await serve(t, rascal, '--shared')
  const [debug, error, none] = (await openSessions(t, proxy, 3)) as [
    HttpClient,
    HttpClient,
    HttpClient
  ]
  await Promise.all([debug, error, none].map((session) => session.openGet()))
  await debug.request('logging/setLevel', { level: 'debug' })
  await error.request('logging/setLevel', { level: 'error' })
  const { result } = await none.request('test/received')
  t.match(
    result.lines.filter((line: string) => line.includes('setLevel')),
    [/"debug"/, /"debug"/],
    'the server is never told to say less than somebody wants'
  )
  const say = (method: string, level?: string): Promise<Json> =>
    none.request('test/notify', { method, params: { level, data: 1 } })
  for (const level of ['debug', 'warning', 'alert']) await say('notifications/message', level)
  await say('notifications/last')
  const heard = async ({ messages }: HttpClient): Promise<unknown[]> => {
    await messages.until(({ method }) => method === 'notifications/last')
    return messages.flatMap(({ params }) => params?.level ?? [])
  }
  t.strictSame(await heard(debug), ['debug', 'warning', 'alert'])
  t.strictSame(await heard(error), ['alert'])
  t.strictSame(await heard(none), [])
})

t.test('a session that does not read is cut off, and hurts no other', async (t) => {
  const proxy = await serve(t, rascal, '--shared', '--max-queue', '1m', '--log-level', 'DEBUG')
  const [slow, other] = (await openSessions(t, proxy, 2)) as [HttpClient, HttpClient]
  const stream = await slow.openGet()
  stream.response.pause()
  await slow.request('logging/setLevel', { level: 'debug' })
  const big = { bytes: 500_000, where: 'notification' }
  for (let count = 0; count < 200 && !proxy.stderr.includes('--max-queue'); count++) {
    t.match(await other.request('test/big', big), { result: {} })
  }
  await until(() => proxy.stderr.includes('--max-queue'))
  t.match(await other.request('test/echo', { n: 1 }), { result: { params: { n: 1 } } })
  t.equal((await slow.post('{"jsonrpc":"2.0","id":9,"method":"ping"}')).status, 404)
})

t.test('without sessions, any request is answered by the one process', async (t) => {
  const proxy = await serve(t, demo, '--stateless')
  const client = httpClient(proxy.mcp())
  t.teardown(() => client.close())
  const post = async (message: object): Promise<Json> =>
    parsed(await client.post(JSON.stringify({ jsonrpc: '2.0', ...message })))
  const answers = await Promise.all(
    Array.from({ length: 50 }, (_, n) =>
      post({ id: 1, method: 'tools/call', params: echo(`${n}`) })
    )
  )
  for (const [n, { status, message }] of answers.entries()) {
    t.match({ status, id: message.id, text: text(message) }, { status: 200, id: 1, text: `${n}` })
  }
  t.match(
    await post({ id: 'i', method: 'initialize', params: { protocolVersion: '2025-06-18' } }),
    {
      status: 200,
      message: { id: 'i', result: { protocolVersion: '2025-06-18', serverInfo: { name: 'demo' } } }
    }
  )
  t.match(await post({ id: 2, method: 'tools/list' }), { message: { result: { tools: [] } } })
  t.match(await post({ id: 2, method: 'no/such' }), { message: { error: { code: -32601 } } })
  const told = await client.post('{"jsonrpc":"2.0","method":"notifications/initialized"}')
  t.match(told, { status: 202, text: '' })
  for (const method of ['GET', 'DELETE']) {
    const response = await client.open(method)
    t.equal(response.statusCode, 405)
    response.resume()
  }
})

t.test('a client without a session gets its progress, and takes its request back', async (t) => {
  const proxy = await serve(t, rascal, '--stateless')
  const client = httpClient(proxy.mcp())
  t.teardown(() => client.close())
  const seen: Json[] = []
  await client.request(
    'test/burst',
    { count: 3, _meta: { progressToken: 't' } },
    { onMessage: ({ params }) => seen.push(params.progress) }
  )
  t.strictSame(seen, [1, 2, 3])
  const leaving = httpClient(proxy.mcp())
  const lost = leaving.request('test/silence')
  const received = async (): Promise<string[]> =>
    (await client.request('test/received')).result.lines
  await until(async () => (await received()).some((line) => line.includes('test/silence')))
  leaving.close()
  await t.rejects(lost)
  await until(async () =>
    (await received()).some((line) => line.includes('notifications/cancelled'))
  )
})

t.test('a server that dies at once is an answer, and no end', async (t) => {
  const dead = [node, '-e', 'console.error("no config"); process.exit(3)']
  for (const flag of ['--shared', '--stateless']) {
    const proxy = await serve(t, dead, flag)
    for (let attempt = 0; attempt < 2; attempt++) {
      const client = httpClient(proxy.mcp())
      const answer = await client.initialize()
      t.match(answer, { error: { code: -32000, message: /exited with code 3.*no config/ } }, flag)
      client.close()
    }
  }
})

t.test('with a process ahead, a session does not wait for its start', async (t) => {
  const slow = `setTimeout(() => {
    console.error('started')
    void import(${JSON.stringify(fixture('servers/demo.js'))})
  }, 1000)`
  const proxy = await serve(t, [node, '-e', slow], '--prewarm', '1')
  const times: number[] = []
  for (let count = 1; count <= 5; count++) {
    await until(() => proxy.stderr.split('started').length > count)
    // It has said so just before it is there.
    await new Promise((resolve) => setTimeout(resolve, 100))
    const begin = performance.now()
    const session = await openSession(t, proxy)
    times.push(performance.now() - begin)
    await session.delete()
  }
  const median = times.sort((one, other) => one - other)[2] as number
  t.comment(`opened in ${times.map((time) => time.toFixed(1)).join(', ')} ms`)
  t.ok(median < 500, `${median} ms at the median: not the second that a start takes`)
})

t.test('when the proxy stops, the shared process goes too', async (t) => {
  const proxy = await startProxy('--shared', '--prewarm', '2', '--', ...rascal)
  const session = await openSession(t, proxy)
  const { result } = await session.request('test/pids')
  t.match(await proxy.close(), [0])
  await ended(result.pid)
})
