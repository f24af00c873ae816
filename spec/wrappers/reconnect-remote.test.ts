// The transport that outlives a remote server: one that is away, and one that has lost the session.

import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { Test } from 'tap'
import { answer, startHttpServer } from '../../fixtures/servers/http.js'
import type { HttpServer, Json } from '../../fixtures/servers/http.js'
import { ProxyError } from '../../lib/errors.ts'
import { connectHttp } from '../../lib/http-client/connect-http.ts'
import { connectSse } from '../../lib/http-client/connect-sse.ts'
import { connectUrl } from '../../lib/http-client/connect-url.ts'
import type { HttpOptions } from '../../lib/http-client/http-options.ts'
import { reconnect } from '../../lib/wrappers/reconnect.ts'
import type { ReconnectOptions } from '../../lib/wrappers/reconnect.ts'
import { KeptLog, until } from '../helpers.ts'
import { initializeParams, Peer } from './peer.ts'
import { TextServer } from './text-server.ts'

const connectors: [string, (options: HttpOptions) => Duplex, 'url' | 'sseUrl'][] = [
  ['Streamable HTTP', connectHttp, 'url'],
  ['HTTP+SSE', connectSse, 'sseUrl'],
  ['either of the two', connectUrl, 'url']
]

function open(t: Test, connect: () => Duplex, options: ReconnectOptions = {}): Peer {
  const peer = new Peer(reconnect(connect, { remote: true, restarts: 1, ...options }))
  t.teardown(async () => {
    peer.transport.destroy()
    await peer.closed
  })
  return peer
}

async function serve(t: Test, port = 0): Promise<HttpServer> {
  const server = await startHttpServer({}, { port })
  t.teardown(() => server.close().catch(() => {}))
  return server
}

const count = ({ received }: HttpServer, method: string): number =>
  received.filter(({ message }) => message?.method === method).length

/** Repeats a request until it gets a result. Returns the errors before it. */
async function untilResult(peer: Peer, method: string, params?: Json): Promise<Json[]> {
  const errors: Json[] = []
  for (;;) {
    const response = await peer.request(method, params)
    if (response.error === undefined) return errors
    errors.push(response.error)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

for (const [name, connect, path] of connectors) {
  t.test(`a remote that is not up yet does not end the transport: ${name}`, async (t) => {
    const gone = await serve(t)
    await gone.close()
    const peer = open(t, () => connect({ url: gone[path] }))
    for (let n = 0; n < 4; n++) {
      const { error } = await peer.request('initialize', initializeParams)
      t.match(error, { code: -32000, message: /cannot reach .*ECONNREFUSED/ })
    }
    const server = await serve(t, gone.port)
    await untilResult(peer, 'initialize', initializeParams)
    await peer.notify('notifications/initialized')
    t.match(await peer.request('test/any'), { result: { method: 'test/any' } })
    t.equal(count(server, 'initialize'), 1)
  })

  t.test(`after a remote has been away, the session is opened again: ${name}`, async (t) => {
    const first = await serve(t)
    const peer = open(t, () => connect({ url: first[path] }))
    await peer.initialize()
    await peer.request('test/any')
    await first.close()
    for (let n = 0; n < 4; n++) {
      t.match(
        (await peer.request('test/lost')).error.message,
        /cannot reach|ended its event stream/
      )
    }
    const server = await serve(t, first.port)
    await untilResult(peer, 'test/any')
    t.equal(count(server, 'initialize'), 1)
    t.equal(count(server, 'test/lost'), 0, 'a call that got an error is not sent later')
  })
}

t.test('the reasons are logged at each attempt, and the pauses between them grow', async (t) => {
  const gone = await serve(t)
  await gone.close()
  const log = new KeptLog()
  open(t, () => connectSse({ url: gone.sseUrl }), { log })
  await new Promise((resolve) => setTimeout(resolve, 1000))
  t.equal(log.lines.length, 3, 'after 100, 300 and 700 ms')
  t.match(log.lines[0], /^warn: connecting again: cannot reach .*ECONNREFUSED/)
})

t.test('a client that ends before the remote was there gets the error', async (t) => {
  const gone = await serve(t)
  await gone.close()
  const peer = open(t, () => connectHttp({ url: gone.url }))
  const { error } = await peer.request('initialize', initializeParams)
  t.match(error.message, /ECONNREFUSED/)
  peer.transport.end()
  t.match(await peer.closed, { code: 'ERR_CONNECTION' })
})

t.test('a client that ends during a later attempt gets the error too', async (t) => {
  const servers: TextServer[] = []
  const connect = (): TextServer => {
    servers.push(new TextServer())
    return servers.at(-1) as TextServer
  }
  const peer = open(t, connect)
  servers[0]?.destroy(new ProxyError('ERR_CONNECTION', 'refused'))
  await until(() => servers.length === 2)
  await sleep(20)
  peer.transport.end()
  t.match(await peer.closed, { code: 'ERR_CONNECTION', message: 'refused' })
  t.ok(servers[1]?.destroyed)
})

t.test('a client that has ended gets the error when the remote cannot be reached', async (t) => {
  const gone = await serve(t)
  await gone.close()
  const peer = open(t, () => connectHttp({ url: gone.url }))
  const answered = peer.request('initialize', initializeParams)
  peer.transport.end()
  t.match((await answered).error.message, /ECONNREFUSED/)
  t.match(await peer.closed, { code: 'ERR_CONNECTION' })
})

t.test('a client can end while a remote that has answered is away', async (t) => {
  const server = await serve(t)
  const peer = open(t, () => connectSse({ url: server.sseUrl }))
  await peer.initialize()
  await server.close()
  await untilAway(peer)
  peer.transport.end()
  t.equal(await peer.closed, undefined)
})

async function untilAway(peer: Peer): Promise<void> {
  while (!/initialize.*ECONNREFUSED/.test((await peer.request('test/any')).error?.message)) continue
}

t.test('with `failsAtStart` a remote that is not there is an error', async (t) => {
  const gone = await serve(t)
  await gone.close()
  const peer = open(t, () => connectHttp({ url: gone.url }), { failsAtStart: true })
  t.match((await peer.request('initialize', initializeParams)).error.message, /ECONNREFUSED/)
  t.match(await peer.closed, { code: 'ERR_CONNECTION' })
})

t.test(
  '`initialized` that comes while the remote is away restores the session later',
  async (t) => {
    const first = await serve(t)
    const peer = open(t, () => connectSse({ url: first.sseUrl }))
    await peer.request('initialize', initializeParams)
    await first.close()
    await untilAway(peer)
    await peer.notify('notifications/initialized')
    await peer.notify('test/lost')
    const server = await serve(t, first.port)
    await untilResult(peer, 'test/any')
    t.equal(count(server, 'notifications/initialized'), 1)
    t.equal(count(server, 'test/lost'), 0)
  }
)

t.test('frames that wait for the first attempt get an error if it fails', async (t) => {
  const server = await serve(t)
  const peer = open(t, () => connectHttp({ url: server.url }))
  await peer.initialize()
  await peer.request('test/any')
  server.script.onPost = (message: Json, { status, byDefault }) =>
    message.method === 'initialize' ? status(503, 'busy') : byDefault()
  server.sessions.clear()
  const calls = [peer.request('test/a'), peer.request('test/b')]
  for (const call of calls) t.match((await call).error.message, /answered 503: busy/)
  server.script.onPost = undefined as never
  await untilResult(peer, 'test/any')
  t.equal(count(server, 'test/a') + count(server, 'test/b'), 2, 'none was sent twice')
})

for (const [name, connect, path, handler] of [
  ['Streamable HTTP', connectHttp, 'url', 'onPost'],
  ['HTTP+SSE', connectSse, 'sseUrl', 'onMessage']
] as const) {
  t.test(
    `a call that is always answered with 404 is sent twice and fails alone: ${name}`,
    async (t) => {
      const server = await serve(t)
      const peer = open(t, () => connect({ url: server[path] }))
      await peer.initialize()
      server.script[handler] = (message: Json, { status, byDefault }) =>
        message.method === 'test/never' ? status(404, 'no') : byDefault()
      for (let n = 1; n <= 4; n++) {
        const { error } = await peer.request('test/never')
        t.match(error, { code: -32000, message: /answered 404: no/ })
        t.equal(count(server, 'test/never'), 2 * n)
        t.match(await peer.request('test/any'), { result: {} })
      }
    }
  )
}

const reports: [string, number, Json][] = [
  ['400 and words', 400, 'Bad Request: Server not initialized'],
  ['400 and JSON', 400, failure(-32000, 'Bad Request: No valid session ID provided')],
  ['401', 401, 'Session expired'],
  ['403', 403, 'invalid session'],
  ['410', 410, 'This session no longer exists'],
  ['a code', 400, failure(-32001, 'gone')],
  ['200 and a code', 200, failure(-32001, 'Session not found')]
]

function failure(code: number, message: string): Json {
  return { jsonrpc: '2.0', id: null, error: { code, message } }
}

for (const [name, code, body] of reports) {
  t.test(`a lost session is recognised from ${name}`, async (t) => {
    const server = await serve(t)
    const peer = open(t, () => connectHttp({ url: server.url }))
    await peer.initialize()
    await peer.request('test/any') // The server has the notification, too.
    server.script.onPost = (message: Json, exchange) => {
      if (server.sessions.has(exchange.req.headers['mcp-session-id'] as string))
        exchange.byDefault()
      else if (message.method === 'initialize') exchange.byDefault()
      else if (typeof body === 'string') exchange.status(code, body)
      else exchange.json({ ...body, id: message.id }, {}, code)
    }
    server.sessions.clear()
    const { error } = await peer.request('test/found-out')
    t.match(error.message, /no longer knows the session|Session not found/)
    await untilResult(peer, 'test/any')
    t.equal(count(server, 'test/found-out'), 1)
    t.equal(count(server, 'initialize'), 2)
  })
}

t.test('over HTTP+SSE, a lost session is recognised from the words, too', async (t) => {
  const server = await serve(t)
  const peer = open(t, () => connectSse({ url: server.sseUrl }))
  await peer.initialize()
  await peer.request('test/any')
  server.script.onMessage = (_message, { status }) =>
    status(400, 'No transport found for sessionId')
  t.match((await peer.request('test/found-out')).error.message, /no longer knows the session/)
  server.script.onMessage = undefined as never
  await untilResult(peer, 'test/any')
  t.equal(count(server, 'test/found-out'), 1)
})

t.test('other refusals in a session are errors of their request alone', async (t) => {
  const server = await serve(t)
  const peer = open(t, () => connectHttp({ url: server.url }))
  await peer.initialize()
  server.script.onPost = (message: Json, { status, byDefault }) => {
    if (message.method.startsWith('test/')) status(Number(message.method.slice(5)), 'not today')
    else byDefault()
  }
  for (const code of [400, 401, 403, 410, 500]) {
    const { error } = await peer.request(`test/${code}`)
    t.match(error.message, `answered ${code}: not today`)
  }
  t.equal(count(server, 'initialize'), 1)
})

t.test('only a session that exists can be lost', async (t) => {
  const meta = {
    _meta: {
      'io.modelcontextprotocol/protocolVersion': '2026-07-28',
      'io.modelcontextprotocol/clientCapabilities': {}
    }
  }
  for (const code of [400, 404]) {
    for (const connect of [connectHttp, connectUrl]) {
      const server = await serve(t)
      server.script.onPost = (message: Json, { json, status }) => {
        if (message.method === 'ping') status(code, 'Session not found')
        else json(answer(message))
      }
      let connections = 0
      const peer = open(t, () => {
        connections++
        return connect({ url: server.url })
      })
      t.match(await peer.request('server/discover', meta), { result: {} })
      t.match((await peer.request('ping')).error.message, `answered ${code}`)
      t.match(await peer.request('tools/list', meta), { result: {} })
      t.equal(count(server, 'ping'), 1)
      t.equal(connections, 1)
    }
  }
})

t.test('an error with the code of a lost session that means something else passes', async (t) => {
  const server = await serve(t)
  const peer = open(t, () => connectHttp({ url: server.url }))
  await peer.initialize()
  server.script.onPost = (message: Json, { json }) =>
    json({ ...failure(-32001, 'Request timed out'), id: message.id })
  t.match((await peer.request('test/any')).error, { code: -32001, message: 'Request timed out' })
  t.equal(count(server, 'initialize'), 1)
})
