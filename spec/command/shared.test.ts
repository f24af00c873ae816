// One process for many legacy clients, with sessions (--shared) and without (--stateless), and
// processes started before their clients (--prewarm).

import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { Test } from 'tap'
import { httpClient, sseClient } from '../../fixtures/clients/raw.js'
import type { HttpClient, Json } from '../../fixtures/clients/raw.js'
import { ended, fixture, initializeParams, until } from '../helpers.ts'
import { node, openSession, startProxy } from '../interop/helpers.ts'
import type { Proxy } from '../interop/helpers.ts'
import { parsed } from '../modern.ts'

t.setTimeout(120_000)

const misbehaving = ['--', node, fixture('servers/misbehaving.js')]
const demo = ['--', node, fixture('servers/demo.js')]

const openSessions = (t: Test, proxy: Proxy, count: number): Promise<HttpClient[]> =>
  Promise.all(Array.from({ length: count }, () => openSession(t, httpClient(proxy.mcp()))))

const textOf = (response: Json): string => response.result.content[0].text

const echo = (text: string): object => ({ name: 'echo', arguments: { text } })

t.test('20 sessions that use the same ids get 200 responses, each its own', async (t) => {
  const proxy = await startProxy(t, '--shared', ...misbehaving)
  const sessions = await openSessions(t, proxy, 20)
  const pids = new Set<number>()
  await Promise.all(
    sessions.flatMap((session, index) =>
      Array.from({ length: 10 }, async (_, n) => {
        const params = { of: index, n, text: 'é'.repeat(n) }
        const response = await session.request('test/echo', params, { id: n + 1 })
        t.strictSame(response, { jsonrpc: '2.0', id: n + 1, result: { params } })
        const { result } = await session.request('test/state', {}, { id: `s${n}` })
        pids.add(result.pid)
      })
    )
  )
  t.equal(pids.size, 1)
})

t.test('a message that another parser may read in another way gets an error', async (t) => {
  const proxy = await startProxy(t, '--shared', ...misbehaving)
  const [one, other] = (await openSessions(t, proxy, 2)) as [HttpClient, HttpClient]
  const slow = other.request('test/sleep', { ms: 300, _meta: { progressToken: 'p' } }, { id: 1 })
  const request = '"jsonrpc":"2.0","method":"test/echo"'
  const cancel = '"jsonrpc":"2.0","method":"notifications/cancelled"'
  const refused: [text: string, status: number, id: unknown][] = [
    [`{"id":5,"ID":1,${request}}`, 200, null],
    [`{"id":1,"\\u0069d":5,${request}}`, 200, null],
    [`{"id":5,${request},"METHOD":"test/state"}`, 200, 5],
    [`{"id":5,${request},"params":{"_meta":{"progressToken":["p"]}}}`, 200, 5],
    [`{${cancel},"params":{"requestId":7,"RequestId":1}}`, 400, null],
    [`{${cancel},"params":{"requestId":["1"]}}`, 400, null]
  ]
  for (const [text, status, id] of refused) {
    const response = parsed(await one.post(text))
    t.match(response, { status, message: { id, error: { code: -32600 } } }, text)
  }
  const stream = await sseClient(proxy.sse())
  t.teardown(() => stream.close())
  await stream.initialize()
  await stream.post(`{"id":5,"Id":6,${request}}`)
  t.match(await stream.messages.until(({ error }) => error), { id: null, error: { code: -32600 } })
  t.ok((await slow).result)
})

t.test('progress goes to the session of its request, before the response', async (t) => {
  const proxy = await startProxy(t, '--shared', ...misbehaving)
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

t.test(
  'requests in flight get an error when the process crashes, and sessions continue',
  async (t) => {
    const proxy = await startProxy(t, '--shared', ...misbehaving)
    const sessions = await openSessions(t, proxy, 10)
    const [first] = sessions as [HttpClient]
    const { result } = await first.request('test/state', { set: 'kept' })
    const lost = sessions.flatMap((session) => [1, 2].map(() => session.request('test/silence')))
    await until(async () => {
      const { result } = await first.request('test/received')
      return result.lines.filter((line: string) => line.includes('test/silence')).length === 20
    })
    process.kill(result.pid, 'SIGKILL')
    for (const response of await Promise.all(lost)) {
      t.match(response, { error: { code: -32000, message: /SIGKILL/ } })
    }
    for (const session of sessions) {
      const { result } = await session.request('test/state')
      t.equal(result.state, null, 'in a new process')
    }
  }
)

t.test(
  'the response to initialize is the server’s own, in the revision of the client',
  async (t) => {
    const proxy = await startProxy(t, '--shared', ...demo)
    const unshared = await startProxy(t, ...demo)
    const versions = ['2025-11-25', '2025-03-26', '2024-11-05']
    for (const protocolVersion of versions) {
      const clients = [httpClient(proxy.mcp()), httpClient(unshared.mcp())]
      const responses = clients.map((client) =>
        client.request(
          'initialize',
          { ...initializeParams, protocolVersion },
          { id: protocolVersion }
        )
      )
      const [shared, expected] = await Promise.all(responses)
      t.strictSame(shared, expected)
      t.equal(shared.result.protocolVersion, protocolVersion)
      for (const client of clients) client.close()
    }
  }
)

t.test('a shared server’s requests go to no client', async (t) => {
  const proxy = await startProxy(t, '--shared', ...misbehaving)
  const capabilities = { roots: {}, sampling: {} }
  const session = await openSession(t, httpClient(proxy.mcp()), { capabilities })
  const ask = (method: string): Promise<Json> => session.request('test/ask', { method })
  t.match(await ask('roots/list'), { result: { answer: { error: { code: -32601 } } } })
  t.match(await ask('ping'), { result: { answer: { result: {} } } })
  t.notOk(
    session.messages.some(({ method }) => method !== undefined),
    'the client receives no request'
  )
})

t.test('updates go to their subscribers, and list changes to every session', async (t) => {
  const proxy = await startProxy(t, '--shared', ...demo)
  const [subscribed, other, deleted] = (await openSessions(t, proxy, 3)) as [
    HttpClient,
    HttpClient,
    HttpClient
  ]
  const sse = await openSession(t, await sseClient(proxy.sse()))
  await Promise.all([subscribed, other].map((session) => session.openGet()))
  const uri = 'demo://notes/first'
  for (const session of [subscribed, sse, deleted]) {
    t.match(await session.request('resources/subscribe', { uri }), { result: {} })
  }
  const refused = await other.request('resources/subscribe', { uri: 'demo://nowhere' })
  t.match(refused, { error: { code: -32002 } })
  await deleted.delete()

  const update = (uri: string): Promise<Json> =>
    other.request('tools/call', { name: 'update', arguments: { uri, text: 'new' } })
  await update(uri)
  await update('demo://notes/new')
  const updated = 'notifications/resources/updated'
  const listChanged = 'notifications/resources/list_changed'
  const isListChange = ({ method }: Json): boolean => method === listChanged
  const notificationsOf = async ({ messages }: Pick<HttpClient, 'messages'>): Promise<string[]> => {
    await messages.until(isListChange)
    return messages.flatMap(({ method }) =>
      method === 'notifications/message' ? [] : (method ?? [])
    )
  }
  t.strictSame(await notificationsOf(subscribed), [updated, listChanged])
  t.strictSame(await notificationsOf(sse), [updated, listChanged])
  t.strictSame(await notificationsOf(other), [listChanged])

  await subscribed.request('resources/unsubscribe', { uri })
  await update(uri)
  await sse.messages.until(
    () => sse.messages.filter(({ method }) => method === updated).length === 2
  )
  await update('demo://notes/newer')
  await subscribed.messages.until(() => subscribed.messages.filter(isListChange).length === 2)
  t.equal(subscribed.messages.filter(({ method }) => method === updated).length, 1)
})

t.test('each session gets log messages from its own level on', async (t) => {
  const proxy = await startProxy(t, '--shared', ...misbehaving)
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
    'the server gets the lowest level of all sessions'
  )
  const notify = (method: string, level?: string): Promise<Json> =>
    none.request('test/notify', { method, params: { level, data: 1 } })
  for (const level of ['debug', 'warning', 'alert']) await notify('notifications/message', level)
  await notify('notifications/last')
  const levelsOf = async ({ messages }: HttpClient): Promise<unknown[]> => {
    await messages.until(({ method }) => method === 'notifications/last')
    return messages.flatMap(({ params }) => params?.level ?? [])
  }
  t.strictSame(await levelsOf(debug), ['debug', 'warning', 'alert'])
  t.strictSame(await levelsOf(error), ['alert'])
  t.strictSame(await levelsOf(none), [])
})

t.test('a session that does not read ends, and the others continue', async (t) => {
  const flags = ['--shared', '--max-queue', '1m', '--log-level', 'DEBUG']
  const proxy = await startProxy(t, ...flags, ...misbehaving)
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

t.test('with --stateless, one process answers all requests', async (t) => {
  const proxy = await startProxy(t, '--stateless', ...demo)
  const client = httpClient(proxy.mcp())
  t.teardown(() => client.close())
  const post = async (message: object): Promise<Json> =>
    parsed(await client.post(JSON.stringify({ jsonrpc: '2.0', ...message })))
  const responses = await Promise.all(
    Array.from({ length: 50 }, (_, n) =>
      post({ id: 1, method: 'tools/call', params: echo(`${n}`) })
    )
  )
  for (const [n, { status, message }] of responses.entries()) {
    t.match({ status, id: message.id, text: textOf(message) }, { status: 200, id: 1, text: `${n}` })
  }
  t.match(
    await post({
      id: 'i',
      method: 'initialize',
      params: { ...initializeParams, protocolVersion: '2025-06-18' }
    }),
    {
      status: 200,
      message: { id: 'i', result: { protocolVersion: '2025-06-18', serverInfo: { name: 'demo' } } }
    }
  )
  t.match(await post({ id: 2, method: 'tools/list' }), { message: { result: { tools: [] } } })
  t.match(await post({ id: 2, method: 'no/such' }), { message: { error: { code: -32601 } } })
  const accepted = await client.post('{"jsonrpc":"2.0","method":"notifications/initialized"}')
  t.match(accepted, { status: 202, text: '' })
  for (const method of ['GET', 'DELETE']) {
    const response = await client.open(method)
    t.equal(response.statusCode, 405)
    response.resume()
  }
})

t.test('with --stateless, a client gets its progress, and can cancel a request', async (t) => {
  const proxy = await startProxy(t, '--stateless', ...misbehaving)
  const client = httpClient(proxy.mcp())
  t.teardown(() => client.close())
  const seen: Json[] = []
  await client.request(
    'test/burst',
    { count: 3, _meta: { progressToken: 't' } },
    { onMessage: ({ params }) => seen.push(params.progress) }
  )
  t.strictSame(seen, [1, 2, 3])
  const cancelling = httpClient(proxy.mcp())
  const cancelled = cancelling.request('test/silence')
  const received = async (): Promise<string[]> =>
    (await client.request('test/received')).result.lines
  await until(async () => (await received()).some((line) => line.includes('test/silence')))
  cancelling.close()
  await t.rejects(cancelled)
  await until(async () =>
    (await received()).some((line) => line.includes('notifications/cancelled'))
  )
})

t.test('each client gets an error when the server exits at its start', async (t) => {
  const exiting = ['--', node, '-e', 'console.error("no config"); process.exit(3)']
  for (const flag of ['--shared', '--stateless']) {
    const proxy = await startProxy(t, flag, ...exiting)
    for (let attempt = 0; attempt < 2; attempt++) {
      const client = httpClient(proxy.mcp())
      const response = await client.initialize()
      t.match(response, { error: { code: -32000, message: /exited with code 3$/ } }, flag)
      client.close()
    }
    t.match(proxy.stderr, /exited with code 3.*no config/)
  }
})

t.test('with --prewarm, a session does not wait for the start of its process', async (t) => {
  const slow = `setTimeout(() => {
    console.error('started')
    void import(${JSON.stringify(fixture('servers/demo.js'))})
  }, 1000)`
  const proxy = await startProxy(t, '--prewarm', '1', '--', node, '-e', slow)
  const times: number[] = []
  for (let count = 1; count <= 5; count++) {
    await until(() => proxy.stderr.split('started').length > count)
    // The process writes `started` just before it begins to read.
    await sleep(100)
    const begin = performance.now()
    const session = await openSession(t, httpClient(proxy.mcp()))
    times.push(performance.now() - begin)
    await session.delete()
  }
  const median = times.sort((one, other) => one - other)[2] as number
  t.comment(`opened in ${times.map((time) => time.toFixed(1)).join(', ')} ms`)
  t.ok(median < 500, `${median} ms at the median, while a start takes a second`)
})

t.test('the shared process ends when the proxy stops', async (t) => {
  const proxy = await startProxy(t, '--shared', '--prewarm', '2', ...misbehaving)
  const session = await openSession(t, httpClient(proxy.mcp()))
  const { result } = await session.request('test/pids')
  t.match(await proxy.close(), [0])
  await ended(result.pid)
})
