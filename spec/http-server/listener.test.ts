// The listener as a whole: which requests it serves, and how it reports failures.

import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'tap'
import { httpClient, sseClient } from '../../fixtures/clients/raw.js'
import { describe, ProxyError } from '../../lib/errors.ts'
import { listen } from '../../lib/http-server/listener.ts'
import type { ListenerOptions } from '../../lib/http-server/listener.ts'
import { KeptLog } from '../helpers.ts'
import { bodyOf, headersOf } from '../modern.ts'
import {
  farEnds,
  getJson,
  initialize,
  json,
  rawConnection,
  sendRequest,
  serve,
  until
} from './helpers.ts'

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

test('a foreign Origin or Host is refused on every route', async (t) => {
  const { listener, contexts } = await serve(t)
  for (const [method, path] of routes) {
    for (const headers of [
      { origin: 'https://example.com' },
      { origin: 'null' },
      { host: 'example.com' },
      { host: `example.com:${new URL(listener.url).port}` }
    ]) {
      const { statusCode } = await sendRequest(t, listener, method, path, headers)
      t.equal(statusCode, 403, `${method} /${path} ${JSON.stringify(headers)}`)
    }
  }
  t.strictSame(contexts, [])
})

test('the refusal of a foreign origin is a JSON-RPC error that its page cannot read', async (t) => {
  const { client } = await serve(t, { allowOrigins: ['https://app.example.com'] })
  const answer = await client().post(json(initialize), { origin: 'https://example.com' })
  t.equal(answer.status, 403)
  t.match(JSON.parse(answer.text), { jsonrpc: '2.0', id: null, error: { code: -32600 } })
  t.notOk('access-control-allow-origin' in answer.headers)
})

test('a loopback listener serves the loopback names and the allowed ones', async (t) => {
  const { listener } = await serve(t, { allowHosts: ['proxy.example.com'] })
  for (const host of ['localhost', '127.0.0.1', '[::1]', 'proxy.example.com']) {
    for (const value of [host, `${host}:1234`]) {
      t.equal(
        (await sendRequest(t, listener, 'GET', 'healthz', { host: value })).statusCode,
        200,
        value
      )
    }
  }
  const own = { host: 'localhost:1234', origin: 'http://localhost:1234' }
  t.equal(
    (await sendRequest(t, listener, 'GET', 'healthz', own)).statusCode,
    200,
    'a page that came from the listener'
  )
})

test('a listener is loopback by the address of its socket, not by the spelling of its host', async (t) => {
  const hosts = ['LOCALHOST', '127.1', '0:0:0:0:0:0:0:1', '::ffff:127.0.0.1', '::ffff:7f00:1']
  for (const host of hosts) {
    const { listener } = await serve(t, { host })
    const statusFor = async (value: string): Promise<number | undefined> =>
      (await sendRequest(t, listener, 'GET', 'healthz', { host: value })).statusCode
    for (const name of ['localhost', '127.0.0.1:80', '[::1]', new URL(listener.url).host]) {
      t.equal(await statusFor(name), 200, `${host}: ${name}`)
    }
    t.equal(await statusFor('rebound.example.com'), 403, host)
  }
  const { listener } = await serve(t, { host: '0.0.0.0' })
  const { statusCode } = await sendRequest(t, listener, 'GET', 'healthz', { host: 'example.com' })
  t.equal(statusCode, 200, 'a listener on all addresses serves every name')
})

test('pages of allowed origins may send every request and read the responses', async (t) => {
  const origin = 'https://app.example.com'
  for (const [allowOrigins, allowed] of [
    [[origin], origin],
    [['*'], '*']
  ] as const) {
    const { client, listener } = await serve(t, { allowOrigins: [...allowOrigins] })
    const preflight = await sendRequest(t, listener, 'OPTIONS', 'mcp', {
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
    t.match(stream.headers, cors, 'event streams have them too')
    t.match((await page.post('{')).headers, cors, 'and so have errors')
  }
})

test('the headers to expose can be chosen', async (t) => {
  const options = { allowOrigins: ['*'], exposeHeaders: ['X-One', 'X-Two'] }
  const { listener } = await serve(t, options)
  const { headers } = await sendRequest(t, listener, 'GET', 'healthz', {
    origin: 'https://example.com'
  })
  t.equal(headers['access-control-expose-headers'], 'X-One, X-Two')
})

test('without allowed origins no CORS header is sent', async (t) => {
  const { listener } = await serve(t)
  const { statusCode, headers } = await sendRequest(t, listener, 'OPTIONS', 'sse')
  t.equal(statusCode, 204)
  t.notOk('access-control-allow-origin' in headers)
  t.notOk('vary' in headers)
})

test('an unknown path or server is 404', async (t) => {
  const { listener } = await serve(t, { servers: ['one'] })
  for (const path of ['', 'x', 'mcp', 'sse', 'servers/two/mcp', 'servers/one/x', 'servers/%/mcp']) {
    const response = await sendRequest(t, listener, 'GET', path)
    t.equal(response.statusCode, 404, path)
  }
  t.equal(
    (await sendRequest(t, listener, 'GET', 'servers/one/mcp')).statusCode,
    400,
    'a path that exists'
  )
})

test('a request may name the whole URL, as to an HTTP proxy', async (t) => {
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

test('a POST to a whole URL arrives, and so does its query', async (t) => {
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

test('an error on a complete response does no harm', async (t) => {
  const { listener } = await serve(t)
  const failed = new Promise((resolve) => {
    const onStart = (message: unknown): void => {
      const { response } = message as { response: ServerResponse }
      unsubscribe('http.server.request.start', onStart)
      response.once('prefinish', () => response.write('too late')).once('error', resolve)
    }
    subscribe('http.server.request.start', onStart)
  })
  t.match(await getJson(t, listener, 'healthz'), [200, { ok: true }])
  t.match(await failed, { code: 'ERR_STREAM_WRITE_AFTER_END' })
  t.match(await getJson(t, listener, 'healthz'), [200, { ok: true }])
})

test('an exception becomes a 500 that says nothing, and only the log has its text', async (t) => {
  const log = new KeptLog()
  const serverStates = (): never => {
    throw new Error('odd', { cause: 'secret' })
  }
  const { listener } = await serve(t, { log, serverStates })
  const [status, body] = await getJson(t, listener, 'status')
  t.equal(status, 500)
  t.match(body, { id: null, error: { code: -32603, message: /^internal error/ } })
  t.notMatch(JSON.stringify(body), /odd|secret/)
  t.strictSame([...log.lines], ['error: GET /status: internal error: odd: secret'])
})

test('an exception of onClient becomes a 500 with the id of the request', async (t) => {
  for (const stateless of [false, true]) {
    const log = new KeptLog()
    const listener = await listen({ log, stateless }, () => {
      throw new Error('odd', { cause: 'secret' })
    })
    t.teardown(() => listener.close(0))
    const client = httpClient(`${listener.url}mcp`)
    t.teardown(() => client.close())
    const body = json(initialize).replace('"id":0', '"id":9007199254740993')
    const { status, text, headers } = await client.post(body)
    t.equal(status, 500)
    t.match(text, '"id":9007199254740993,')
    t.match(JSON.parse(text), { error: { code: -32603, message: /^internal error/ } })
    t.notMatch(text, /odd|secret/)
    t.notOk('mcp-session-id' in headers)
    await until(() => listener.sessions === 0)
    const modern = await client.post(bodyOf('"m"', 'x'), headersOf('x'))
    t.equal(modern.status, 500)
    t.match(JSON.parse(modern.text), { id: 'm', error: { code: -32603 } })
    const line = 'error: a client of the default server: internal error: odd: secret'
    t.strictSame([...log.lines], [line, line])
  }
})

test('an exception of onClient ends the event stream of an HTTP+SSE client', async (t) => {
  const log = new KeptLog()
  const listener = await listen({ log, servers: ['one'] }, () => {
    throw new Error('odd')
  })
  t.teardown(() => listener.close(0))
  const client = await sseClient(`${listener.url}servers/one/sse`)
  await client.closed
  t.equal(listener.sessions, 0)
  t.strictSame([...log.lines], ['error: a client of one: internal error: odd'])
})

test('refusals are logged without the query of the URL', async (t) => {
  const log = new KeptLog()
  const { client } = await serve(t, { log })
  await client({ path: 'messages/?session_id=secret' }).post(json({ method: 'x' }))
  t.match([...log.lines], [/^debug: POST \/messages\/: there is no such session/])
  t.notMatch(log.lines.join(), 'secret')
})

test('a ProxyError that onClient throws goes to the client', async (t) => {
  const listener = await listen({}, () => {
    const publicMessage = 'no such luck'
    throw new ProxyError('ERR_SERVER_START', 'secret', { publicMessage })
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

test('the listener knows its own URLs and those of its servers', async (t) => {
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
  t.match(await raw.request('ping'), { result: {} }, 'a client without TLS does no harm')
})

test('a client that connects and sends nothing does not keep the listener from closing', async (t) => {
  for (const tls of [undefined, { cert: pem('server'), key: pem('server-key') }]) {
    const { listener } = await serve(t, { tls })
    const { socket, text } = rawConnection(t, listener)
    await once(socket, 'connect')
    await until(() => [...farEnds].some(({ remotePort }) => remotePort === socket.localPort))
    await listener.close()
    await text.ended
  }
})

/** The description of the error if it cannot listen. */
async function failure(options: ListenerOptions): Promise<string> {
  try {
    await listen(options, () => {})
  } catch (error) {
    if (error instanceof ProxyError && error.code === 'ERR_LISTEN') return describe(error)
    throw error
  }
  throw new Error('it did not fail')
}

test('a failure to listen is described in one line', async (t) => {
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
