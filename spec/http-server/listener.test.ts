// The listener as a whole: who may come in, what is told of it, and how it closes.

import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'tap'
import type { Test } from 'tap'
import { httpClient, sseClient } from '../../fixtures/clients/raw.js'
import { describe, ProxyError } from '../../lib/errors.ts'
import { listen } from '../../lib/http-server/listener.ts'
import type { Listener, ListenerOptions, ServerState } from '../../lib/http-server/listener.ts'
import { farEnds, initialize, json, rawConnection, serve, until } from './helpers.ts'

const pem = (name: string): Buffer =>
  readFileSync(new URL(`../../fixtures/tls/${name}.pem`, import.meta.url))

const routes: [string, string][] = [
  ['POST', 'mcp'],
  ['GET', 'mcp'],
  ['DELETE', 'mcp'],
  ['GET', 'sse'],
  ['POST', 'messages/?session_id=x'],
  ['GET', 'status'],
  ['GET', 'healthz'],
  ['GET', 'readyz'],
  ['OPTIONS', 'mcp'],
  ['GET', 'nothing/here']
]

/** A request with just these headers, as far as the headers of its answer. */
async function ask(
  t: Test,
  listener: Listener,
  method: string,
  path: string,
  headers: Record<string, string> = {}
): Promise<IncomingMessage> {
  const client = httpClient(new URL(path, listener.url))
  t.teardown(() => client.close())
  const response = await client.open(method, undefined, headers)
  response.resume()
  return response
}

async function get(t: Test, listener: Listener, path: string): Promise<[number, unknown]> {
  const client = httpClient(new URL(path, listener.url))
  t.teardown(() => client.close())
  const response = await client.open('GET')
  const text = (await response.setEncoding('utf8').toArray()).join('')
  return [response.statusCode ?? 0, JSON.parse(text)]
}

test('a stranger gets nothing, on any route', async (t) => {
  const { listener, arrivals } = await serve(t)
  for (const [method, path] of routes) {
    for (const headers of [
      { origin: 'https://example.com' },
      { origin: 'null' },
      { host: 'example.com' },
      { host: `example.com:${new URL(listener.url).port}` }
    ]) {
      const { statusCode } = await ask(t, listener, method, path, headers)
      t.equal(statusCode, 403, `${method} /${path} ${JSON.stringify(headers)}`)
    }
  }
  t.strictSame(arrivals, [])
})

test('a refusal for a stranger is a JSON-RPC error that its page may not read', async (t) => {
  const { client } = await serve(t, { allowOrigins: ['https://app.example.com'] })
  const answer = await client().post(json(initialize), { origin: 'https://example.com' })
  t.equal(answer.status, 403)
  t.match(JSON.parse(answer.text), { jsonrpc: '2.0', id: null, error: { code: -32600 } })
  t.notOk('access-control-allow-origin' in answer.headers)
})

test('all names of this machine are served, and those that are allowed', async (t) => {
  const { listener } = await serve(t, { allowHosts: ['proxy.example.com'] })
  for (const host of ['localhost', '127.0.0.1', '[::1]', 'proxy.example.com']) {
    for (const value of [host, `${host}:1234`]) {
      t.equal((await ask(t, listener, 'GET', 'healthz', { host: value })).statusCode, 200, value)
    }
  }
  const own = { host: 'localhost:1234', origin: 'http://localhost:1234' }
  t.equal((await ask(t, listener, 'GET', 'healthz', own)).statusCode, 200, 'a page of our own')
})

test('pages that are allowed may ask for everything and read the answers', async (t) => {
  const origin = 'https://app.example.com'
  for (const [allowOrigins, allowed] of [
    [[origin], origin],
    [['*'], '*']
  ] as const) {
    const { client, listener } = await serve(t, { allowOrigins: [...allowOrigins] })
    const preflight = await ask(t, listener, 'OPTIONS', 'mcp', {
      origin,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'content-type, mcp-protocol-version'
    })
    t.equal(preflight.statusCode, 204)
    t.match(preflight.headers, {
      vary: 'Origin',
      'access-control-allow-origin': allowed,
      'access-control-allow-methods': /GET, POST, DELETE/,
      'access-control-allow-headers': 'content-type, mcp-protocol-version'
    })
    const page = client({ headers: { origin } })
    const cors = {
      vary: 'Origin',
      'access-control-allow-origin': allowed,
      'access-control-expose-headers': 'Mcp-Session-Id'
    }
    const opened = await page.post(json(initialize))
    t.match(opened, { status: 200, headers: cors })
    page.sessionId = String(opened.headers['mcp-session-id'])
    const stream = await page.openGet()
    t.match(stream.headers, cors, 'of streams too')
    t.match((await page.post('{')).headers, cors, 'and of errors')
  }
})

test('the headers to expose can be chosen', async (t) => {
  const options = { allowOrigins: ['*'], exposeHeaders: ['X-One', 'X-Two'] }
  const { listener } = await serve(t, options)
  const { headers } = await ask(t, listener, 'GET', 'healthz', { origin: 'https://example.com' })
  t.equal(headers['access-control-expose-headers'], 'X-One, X-Two')
})

test('without CORS there is none of its headers', async (t) => {
  const { listener } = await serve(t)
  const { statusCode, headers } = await ask(t, listener, 'OPTIONS', 'sse')
  t.equal(statusCode, 204)
  t.notOk('access-control-allow-origin' in headers)
  t.notOk('vary' in headers)
})

test('/status tells how things are', async (t) => {
  const states: Record<string, ServerState> = { default: 'configured', fetch: 'failed' }
  const { listener, session } = await serve(t, { serverStates: () => states })
  const started = Date.now()
  await session()
  const [status, body] = await get(t, listener, 'status')
  t.equal(status, 200)
  t.match(body, { server_instances: states, sessions: 1 })
  const { api_last_activity: activity } = body as { api_last_activity: string }
  t.equal(new Date(activity).toISOString(), activity)
  t.ok(Date.parse(activity) >= started)
  t.strictSame((await get(t, listener, 'status/'))[1], body, 'which is no activity itself')

  t.strictSame(await get(t, listener, 'healthz'), [200, { ok: true }])
  t.strictSame(await get(t, listener, 'readyz'), [503, { ready: false, failed: ['fetch'] }])
  states.fetch = 'configured'
  t.strictSame(await get(t, listener, 'readyz'), [200, { ready: true, failed: [] }])
  for (const path of ['status', 'healthz', 'readyz']) {
    const post = await ask(t, listener, 'POST', path)
    t.equal(post.statusCode, 405)
    t.equal(post.headers.allow, 'GET, HEAD')
    t.equal((await ask(t, listener, 'HEAD', path)).statusCode, 200)
  }
})

test('what nobody said anything of is fine', async (t) => {
  const { listener } = await serve(t)
  t.match(await get(t, listener, 'status'), [200, { server_instances: {}, sessions: 0 }])
  t.match(await get(t, listener, 'readyz'), [200, { ready: true }])
})

test('what is nowhere is not found', async (t) => {
  const { listener } = await serve(t, { servers: ['one'] })
  for (const path of ['', 'x', 'mcp', 'sse', 'servers/two/mcp', 'servers/one/x', 'servers/%/mcp']) {
    const response = await ask(t, listener, 'GET', path)
    t.equal(response.statusCode, 404, path)
  }
  t.equal((await ask(t, listener, 'GET', 'servers/one/mcp')).statusCode, 400, 'this is there')
})

test('a URL may be written in full, as to a proxy, and be none', async (t) => {
  for (const [url, status] of [
    ['http://localhost/healthz', 200],
    ['http://localhost/healthz?now', 200],
    ['HTTPS://user@localhost:8080/healthz', 200],
    ['http://[::1]:8080/healthz/', 200],
    ['http://localhost/servers/none/mcp', 404],
    ['http://localhost/?/healthz', 404],
    ['http://localhost?/healthz', 404],
    ['http://localhost', 404],
    ['/healthz?http://localhost/nothing', 200],
    ['/nothing?/healthz', 404],
    ['/http://localhost/healthz', 404],
    ['//localhost/healthz', 404],
    ['//', 404],
    ['*', 404]
  ] as const) {
    const { listener } = await serve(t)
    const { socket, text } = rawConnection(t, listener)
    socket.write(`GET ${url} HTTP/1.1\r\nHost: localhost\r\n\r\n`)
    t.match(await text.until('}'), `HTTP/1.1 ${status} `, url)
  }
})

test('what is posted to a URL written in full arrives, and so does its query', async (t) => {
  const { listener, servers, sse } = await serve(t)
  const { socket, text } = rawConnection(t, listener)
  const post = (url: string, body: string): void => {
    socket.write(`POST ${url} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n`)
    socket.write(`Content-Length: ${body.length}\r\n\r\n${body}`)
  }
  post('http://localhost/mcp?any=1', json(initialize))
  t.match(await text.until('}}'), /^HTTP\/1\.1 200 /)
  const { client } = await sse()
  const { pathname, search } = new URL(client.endpoint)
  post(`http://localhost${pathname}${search}&more=%20`, json({ method: 'notifications/posted' }))
  t.ok(await servers[1]?.received.until(({ method }) => method === 'notifications/posted'))
})

test('a response that fails when it has been given is no matter to anybody', async (t) => {
  const { listener } = await serve(t)
  const failed = new Promise((resolve) => {
    const onStart = (message: unknown): void => {
      const { response } = message as { response: ServerResponse }
      unsubscribe('http.server.request.start', onStart)
      response.once('prefinish', () => response.write('too late')).once('error', resolve)
    }
    subscribe('http.server.request.start', onStart)
  })
  t.match(await get(t, listener, 'healthz'), [200, { ok: true }])
  t.match(await failed, { code: 'ERR_STREAM_WRITE_AFTER_END' })
  t.match(await get(t, listener, 'healthz'), [200, { ok: true }])
})

test('what goes wrong here is told of', async (t) => {
  const logged: string[] = []
  const log = { debug() {}, info() {}, warn() {}, error: (text: string) => logged.push(text) }
  const serverStates = (): never => {
    throw new Error('odd')
  }
  const { listener } = await serve(t, { log, serverStates })
  t.match(await get(t, listener, 'status'), [
    400,
    { error: { message: 'the request failed: odd' } }
  ])
  t.match(logged, ['GET /status: the request failed: odd'])
})

test('refusals are logged, without what the client said in confidence', async (t) => {
  const logged: string[] = []
  const log = { debug: (text: string) => logged.push(text), info() {}, warn() {}, error() {} }
  const { client } = await serve(t, { log })
  await client({ path: 'messages/?session_id=secret' }).post(json({ method: 'x' }))
  t.match(logged, [/^POST \/messages\/: there is no such session/])
  t.notMatch(logged.join(), 'secret')
})

test('a callback may refuse a client, which is told why', async (t) => {
  const listener = await listen({}, () => {
    throw new ProxyError('ERR_SERVER_START', 'no such luck')
  })
  t.teardown(() => listener.close(0))
  const client = httpClient(`${listener.url}mcp`)
  t.teardown(() => client.close())
  const { text, headers } = await client.post(json(initialize))
  t.match(JSON.parse(text), { id: 0, error: { code: -32000, message: 'no such luck' } })
  t.notOk('mcp-session-id' in headers)
  await until(() => listener.sessions === 0)
  const old = await sseClient(`${listener.url}sse`)
  await old.closed
  t.equal(listener.sessions, 0)
})

test('what is listened on is told as URLs', async (t) => {
  const { listener } = await serve(t, { basePath: '/base' })
  t.match(listener.url, /^http:\/\/127\.0\.0\.1:\d+\/$/)
  t.strictSame(listener.urlsOf('two words'), {
    mcp: `${listener.url}base/servers/two%20words/mcp`,
    sse: `${listener.url}base/servers/two%20words/sse`
  })
  t.strictSame(listener.urlsOf(''), {
    mcp: `${listener.url}base/mcp`,
    sse: `${listener.url}base/sse`
  })
})

test('IPv6 is served', async (t) => {
  const { listener, client } = await serve(t, { host: '::1' })
  t.match(listener.url, /^http:\/\/\[::1\]:\d+\/$/)
  const raw = client()
  await raw.initialize()
  t.match(await raw.request('ping'), { result: {} })
})

test('HTTPS is served', async (t) => {
  const tls = { cert: pem('server'), key: pem('server-key') }
  const { listener, client } = await serve(t, { tls })
  t.match(listener.url, /^https:\/\//)
  const raw = client({ request: { ca: pem('ca') } })
  await raw.initialize()
  t.match(await raw.request('ping'), { result: {} })
  await t.rejects(client().initialize(), { code: /CERT|VERIFY/ })
  const { socket, text } = rawConnection(t, listener)
  socket.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n')
  await text.ended
  t.match(await raw.request('ping'), { result: {} }, 'one who speaks no TLS does no harm')
})

test('one who connects and says nothing does not keep it from closing', async (t) => {
  for (const tls of [undefined, { cert: pem('server'), key: pem('server-key') }]) {
    const { listener } = await serve(t, { tls })
    const { socket, text } = rawConnection(t, listener)
    await once(socket, 'connect')
    await until(() => [...farEnds].some(({ remotePort }) => remotePort === socket.localPort))
    await listener.close()
    await text.ended
  }
})

/** What is said when it cannot listen. */
async function failure(options: ListenerOptions): Promise<string> {
  try {
    await listen(options, () => {})
  } catch (error) {
    if (error instanceof ProxyError && error.code === 'ERR_LISTEN') return describe(error)
    throw error
  }
  throw new Error('it listens')
}

test('an address that cannot be had is told of in one line', async (t) => {
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  t.teardown(() => taken.close())
  const { port } = taken.address() as AddressInfo
  t.equal(
    await failure({ port }),
    `cannot listen on 127.0.0.1:${port}: the port is taken; choose another with --port`
  )
  t.match(await failure({ host: '192.0.2.1' }), /^cannot listen on 192\.0\.2\.1:0: .*EADDRNOTAVAIL/)
  const tls = { cert: 'no certificate', key: pem('server-key') }
  t.match(await failure({ tls }), /^the TLS certificate and key cannot be used: [^\n]+$/)
  const other = { cert: pem('server'), key: pem('client-key') }
  t.match(await failure({ tls: other }), /^the TLS certificate and key cannot be used: [^\n]+$/)
})

test('closing lets calls be answered, and all that they need; new ones are refused', async (t) => {
  const { session, sse, client, listener } = await serve(t)
  const { client: busy, server } = await session()
  const { client: idle } = await session()
  const { client: old, server: oldServer } = await sse()
  const late = client()
  const stream = await busy.openGet()
  const call = busy.request('tools/call')
  const oldCall = old.request('tools/call')
  await server.got('tools/call')
  await oldServer.got('tools/call')
  let isClosed = false
  const closed = listener.close().then(() => (isClosed = true))

  const ping = json({ id: 99, method: 'ping' })
  for (const raw of [busy, idle, client(), old]) {
    const { status, headers } = await raw.post(ping)
    t.equal(status, 503)
    t.equal(headers['retry-after'], '10')
  }
  t.equal((await client().post(json(initialize))).status, 503)
  t.equal((await ask(t, listener, 'GET', 'sse')).statusCode, 503)
  t.match(await get(t, listener, 'readyz'), [503, { ready: false }])
  t.equal((await ask(t, listener, 'GET', 'healthz')).statusCode, 200)

  await server.say({ id: 'q', method: 'roots/list' })
  t.ok(await server.received.until(({ id, error }) => id === 'q' && error), 'answers are taken')
  t.notOk(isClosed)
  await server.answer(await server.got('tools/call'), { done: 1 })
  t.match(await call, { result: { done: 1 } })
  await oldServer.answer(await oldServer.got('tools/call'), { done: 2 })
  t.match(await oldCall, { result: { done: 2 } })
  await Promise.all([closed, stream.closed, old.closed])
  t.equal(listener.sessions, 0)
  await t.rejects(late.initialize(), { code: 'ECONNREFUSED' })
})

test('closing waits no longer than it is told to', async (t) => {
  const { session, listener } = await serve(t)
  const { client, server } = await session()
  const call = client.request('tools/call')
  await server.got('tools/call')
  await listener.close(20)
  t.match(await call, { error: { message: 'the session has ended' } })
})

test('closing waits for the POSTs of clients without a session as well', async (t) => {
  const { client, servers, listener } = await serve(t, { stateless: true })
  const calls = [client().request('tools/call'), client().request('tools/call')]
  await servers.until(() => servers.length === 2)
  const [one] = servers
  const closed = listener.close(1000)
  t.equal((await client().post(json({ id: 1, method: 'ping' }))).status, 503)
  await one?.answer(await one.got('tools/call'))
  t.match(await calls[0], { result: {} })
  await closed
  t.match(await calls[1], { error: { code: -32000 } })
})

test('closing does not wait for one who does not read', async (t) => {
  const { session, listener } = await serve(t)
  const { client, server } = await session()
  const get = await client.openGet()
  get.response.pause()
  void server.notify('notifications/message', { text: 'x'.repeat(32 * 1024 * 1024) })
  await listener.close(0)
  t.pass('closed')
})

test('a client that comes while it closes, however late its body, is refused', async (t) => {
  const { session, listener, arrivals } = await serve(t)
  const { server, client } = await session()
  const call = client.request('tools/call')
  await server.got('tools/call')
  const { socket, text } = rawConnection(t, listener)
  const body = json(initialize)
  const lines = [
    'POST /mcp HTTP/1.1',
    'Host: localhost',
    'Content-Type: application/json',
    `Content-Length: ${body.length}`,
    'Expect: 100-continue'
  ]
  socket.write(`${lines.join('\r\n')}\r\n\r\n`)
  await text.until('100 Continue')
  const closed = listener.close()
  socket.write(body)
  t.match(await text.until('"error"'), /about to stop/)
  t.equal(arrivals.length, 1)
  await server.answer(await server.got('tools/call'))
  await call
  await closed
})

test('closing emits close, and can be asked for twice', async (t) => {
  const { listener } = await serve(t)
  let events = 0
  listener.on('close', () => events++)
  await Promise.all([listener.close(), listener.close(0)])
  await listener.close()
  t.ok(events > 0)
})
