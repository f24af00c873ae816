// The limits of each caller at work: over HTTP, at their edges, in both eras and over both transports.

import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { connect } from 'node:net'
import { test } from 'tap'
import type { Test } from 'tap'
import { httpClient, sseClient } from '../../fixtures/clients/raw.js'
import type { Auth } from '../../lib/http-server/auth/auth.ts'
import type { Listener } from '../../lib/http-server/listener.ts'
import { limits } from '../../lib/limits.ts'
import type { RefusalFact } from '../../lib/streams/facts.ts'
import { bodyOf, headersOf } from '../modern.ts'
import { initialize, json, rawConnection, serve, sendRequest, until } from './helpers.ts'
import type { FakeServer } from './helpers.ts'

const full = (flag: string): object => ({
  status: 429,
  headers: { 'retry-after': '10' },
  text: new RegExp(`"code":-32000,"message":".*${flag}`)
})

const open = json(initialize)
/** The header of a client behind a reverse proxy on this machine. */
const from = (address: string): Record<string, string> => ({ 'x-forwarded-for': address })
const trustProxy = ['127.0.0.1']

test('a caller over its share of the sessions gets 429, and others open theirs', async (t) => {
  const { client, listener } = await serve(t, { trustProxy, maxSessions: 40 })
  const raw = client()
  const statusFor = async (address: string): Promise<number | undefined> =>
    (await raw.post(open, from(address))).status
  for (let n = 0; n < 6; n++) t.equal(await statusFor('192.0.2.1'), 200, 'it is alone')
  for (let n = 0; n < 4; n++) t.equal(await statusFor('192.0.2.2'), 200)
  t.match(await raw.post(open, from('192.0.2.2')), full('--max-caller-sessions'))
  t.equal(await statusFor('192.0.2.1'), 429)
  const stream = await raw.open('GET', undefined, from('192.0.2.2'), new URL('sse', listener.url))
  t.equal(stream.statusCode, 429, 'HTTP+SSE counts too')
  stream.resume()
  t.equal(await statusFor('192.0.2.3'), 200)
})

test('a session that has ended makes room for the next', async (t) => {
  const { client, listener } = await serve(t, { maxCallerSessions: 1 })
  const raw = client()
  await raw.initialize()
  t.match(await client().post(open), full('--max-caller-sessions'))
  await raw.delete()
  const sse = await sseClient(new URL('sse', listener.url))
  t.match(await client().post(open), full('--max-caller-sessions'))
  sse.close()
  await until(async () => (await client().post(open)).status === 200)
})

test('a caller that sends too fast gets 429 with Retry-After, and others are served', async (t) => {
  const { client } = await serve(t, { trustProxy, maxCallerRate: 1, maxCallerBurst: 3 })
  const raw = client()
  for (let n = 0; n < 3; n++) t.equal((await raw.post(open, from('192.0.2.1'))).status, 200)
  const refused = await raw.post(open, from('192.0.2.1'))
  t.match(refused, { ...full('--max-caller-rate'), headers: { 'retry-after': '1' } })
  t.equal((await raw.post(open, from('192.0.2.2'))).status, 200)
})

/** A POST of the modern revision. */
const modernRequest = (
  method: string,
  params = {}
): { body: string; headers: Record<string, string> } => ({
  body: bodyOf('1', method, params),
  headers: headersOf(method, params)
})

const auth: Auth = {
  check: (token) => (token.startsWith('good') ? { principal: token } : undefined)
}

test('a request without a valid token counts for its address', async (t) => {
  const { client } = await serve(t, { auth, maxCallerRate: 1, maxCallerBurst: 2 })
  const raw = client()
  const statusWith = async (token: string): Promise<number | undefined> =>
    (await raw.post(open, { authorization: `Bearer ${token}` })).status
  t.equal(await statusWith('guess-1'), 401)
  t.equal(await statusWith('guess-2'), 401)
  t.equal(await statusWith('guess-3'), 429)
  t.equal(await statusWith('good'), 200, 'the principal has its own limit')
  t.equal(await statusWith('good'), 200)
  t.equal(await statusWith('good'), 429)
})

test('requests of a session in flight count until they have a response or are cancelled', async (t) => {
  const { session } = await serve(t, { maxCallerCalls: 2 })
  const { client, server } = await session()
  const call = (id: number): string => json({ id, method: 'tools/call' })
  const first = client.post(call(1))
  const second = client.post(call(2))
  await server.got('tools/call', 2)
  const refused = await client.post(call(3))
  t.match(refused, full('--max-caller-calls'))
  t.match(JSON.parse(refused.text), { id: 3 })
  await server.respond({ id: 1 })
  t.equal((await first).status, 200)
  const third = client.post(call(3))
  await server.got('tools/call', 3)
  t.match(await client.post(call(4)), full('--max-caller-calls'))
  const params = { requestId: 2 }
  await client.post(json({ method: 'notifications/cancelled', params }))
  await second
  void client.post(call(5)).catch(() => {})
  await server.got('tools/call', 5)
  await client.delete()
  t.match(JSON.parse((await third).text), { error: {} })
})

test('requests in flight end with their session', async (t) => {
  const { session } = await serve(t, { maxCallerCalls: 1 })
  const { client, server } = await session()
  void client.post(json({ id: 1, method: 'tools/call' })).catch(() => {})
  await server.got('tools/call')
  await client.delete()
  const next = await session()
  t.match(await next.client.request('ping'), { result: {} })
})

test('requests over HTTP+SSE count too', async (t) => {
  const { sse } = await serve(t, { maxCallerCalls: 1 })
  const { client, server } = await sse()
  await client.initialize()
  void client.request('tools/call', {}, { id: 7 }).catch(() => {})
  await server.got('tools/call')
  t.match(await client.post(json({ id: 8, method: 'ping' })), full('--max-caller-calls'))
  const told = await client.messages.until(({ id }) => id === 8)
  t.match(told, { error: { code: -32000 } }, 'the stream has the error as well')
  client.close()
  await until(async () => {
    const { client } = await sse()
    const answer = await client.post(json(initialize))
    client.close()
    return answer.status === 202
  })
})

test('requests without a session count too', async (t) => {
  const { client, servers } = await serve(t, { maxCallerCalls: 1 })
  const raw = client()
  const call = modernRequest('tools/list')
  const pending = raw.post(call.body, call.headers)
  const answer = async (index: number): Promise<void> => {
    await until(() => servers.length > index)
    const server = servers[index] as FakeServer
    await server.respond(await server.got('tools/list'))
  }
  await until(() => servers.length === 1)
  t.match(await raw.post(call.body, call.headers), full('--max-caller-calls'))
  await answer(0)
  t.equal((await pending).status, 200)
  const next = raw.post(call.body, call.headers)
  await answer(1)
  t.equal((await next).status, 200)
})

/** Resolves to whether the listener keeps a new connection open. */
async function connects(t: Test, listener: Listener): Promise<boolean> {
  const { socket, text } = rawConnection(t, listener)
  socket.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n')
  return (await text.until('HTTP/1.1 200')) !== undefined
}

test('a connection over the limit of its address is closed at once', async (t) => {
  const { listener } = await serve(t, { maxCallerConnections: 2 })
  const refusals: RefusalFact[] = []
  const note = (fact: unknown): number => refusals.push(fact as RefusalFact)
  subscribe('mcp-duplex:refusal', note)
  t.teardown(() => unsubscribe('mcp-duplex:refusal', note))
  const { socket } = rawConnection(t, listener)
  socket.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n')
  t.ok(await connects(t, listener))
  t.notOk(await connects(t, listener))
  const message = 'too many connections from 127.0.0.1 (see --max-caller-connections)'
  t.match(refusals, [{ address: '127.0.0.1', error: { code: 'ERR_CALLER_LIMIT', message } }])
  socket.destroy()
  await until(() => connects(t, listener))
})

test('without a limit of connections, each is served', async (t) => {
  const { listener } = await serve(t, { maxCallerConnections: 0 })
  for (let n = 0; n < 5; n++) t.ok(await connects(t, listener))
})

test('another address, and a trusted proxy, may connect', async (t) => {
  const { listener } = await serve(t, { maxCallerConnections: 1, trustProxy: ['127.0.0.3'] })
  t.ok(await connects(t, listener))
  const { port } = new URL(listener.url)
  for (const localAddress of ['127.0.0.2', '127.0.0.3', '127.0.0.3']) {
    const socket = connect({ port: Number(port), host: '127.0.0.1', localAddress })
    t.teardown(() => socket.destroy())
    socket.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n')
    const [chunk] = await socket.setEncoding('utf8').take(1).toArray()
    t.match(chunk, 'HTTP/1.1 200', localAddress)
  }
})

test('a large body waits while the caller uses its part, and others send theirs', async (t) => {
  const size = 100 * 1024
  const options = { trustProxy, maxCallerBodies: size, maxMessage: size }
  const { listener, client } = await serve(t, options)
  const body = open.replace('{', `{${' '.repeat(size - open.length)}`)
  const head = (address: string): string =>
    [
      'POST /mcp HTTP/1.1',
      'Host: localhost',
      'Content-Type: application/json',
      `Content-Length: ${size}`,
      `X-Forwarded-For: ${address}`,
      '',
      ''
    ].join('\r\n')
  const slow = rawConnection(t, listener)
  slow.socket.write(head('192.0.2.1') + body.slice(0, 10))
  const next = rawConnection(t, listener)
  next.socket.write(head('192.0.2.1') + body)
  const other = rawConnection(t, listener)
  other.socket.write(head('192.0.2.2') + body)
  t.ok(await other.text.until('HTTP/1.1 200'))
  t.equal((await client().post(open, from('192.0.2.1'))).status, 200, 'a small body does not wait')
  t.equal(next.text.all, '')
  slow.socket.write(body.slice(10))
  t.ok(await slow.text.until('HTTP/1.1 200'))
  t.ok(await next.text.until('HTTP/1.1 200'))
})

test('small bodies that wait for a server are limited for each caller', async (t) => {
  const options = { trustProxy, maxCallerBodies: 40 * 1024 }
  const { client, servers } = await serve(t, options)
  const raw = client()
  const call = modernRequest('tools/list', { pad: 'x'.repeat(30 * 1024) })
  void raw.post(call.body, { ...call.headers, ...from('192.0.2.1') }).catch(() => {})
  await until(() => servers.length === 1)
  const refused = await raw.post(call.body, { ...call.headers, ...from('192.0.2.1') })
  t.match(refused, { status: 503, text: /--max-caller-bodies/ })
  void raw.post(call.body, { ...call.headers, ...from('192.0.2.2') }).catch(() => {})
  await until(() => servers.length === 2)
})

test('a header of an address that is not trusted changes nothing', async (t) => {
  const { contexts, client, listener } = await serve(t, { trustProxy: ['192.0.2.1'] })
  await client().post(open, from('203.0.113.9'))
  t.match(contexts, [{ address: '127.0.0.1' }])
  const trusting = await serve(t, { trustProxy })
  // Each of these tries to choose an address. The first is what a trusted proxy may send.
  const heads = [
    ['X-Forwarded-For: 203.0.113.9', '203.0.113.9'],
    ['X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-For: 203.0.113.9', '203.0.113.9'],
    ['x-forwarded-for:1.2.3.4 , 203.0.113.9', '203.0.113.9'],
    ['X_Forwarded_For: 1.2.3.4', '127.0.0.1'],
    ['X-Forwarded-For:', '127.0.0.1'],
    ['Forwarded: for=1.2.3.4', '127.0.0.1'],
    ['X-Real-IP: 1.2.3.4', '127.0.0.1'],
    ['X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-For: ', '127.0.0.1']
  ] as const
  for (const [head, address] of heads) {
    const { socket, text } = rawConnection(t, trusting.listener)
    const lines = `Host: localhost\r\nContent-Type: application/json\r\nContent-Length: ${open.length}`
    socket.write(`POST /mcp HTTP/1.1\r\n${lines}\r\n${head}\r\n\r\n${open}`)
    t.ok(await text.until('HTTP/1.1 200'), head)
    t.equal(trusting.contexts.at(-1)?.address, address, head)
  }
  await sendRequest(t, listener, 'GET', 'healthz')
})

test('a page of the origin that a trusted proxy names may call, if its host is allowed', async (t) => {
  const options = { trustProxy, allowHosts: ['mcp.example.com'] }
  const { client } = await serve(t, options)
  const raw = client()
  const statusOf = async (headers: Record<string, string>): Promise<number | undefined> =>
    (await raw.post(open, headers)).status
  const origin = 'https://mcp.example.com'
  const forwarded = { 'x-forwarded-proto': 'https', 'x-forwarded-host': 'mcp.example.com' }
  t.equal(await statusOf({ origin, ...forwarded }), 200)
  t.equal(await statusOf({ origin }), 403)
  t.equal(await statusOf({ origin, ...forwarded, 'x-forwarded-proto': 'http' }), 403)
  const evil = { origin: 'https://evil.example', ...forwarded }
  t.equal(await statusOf(evil), 403)
  t.equal(await statusOf({ ...evil, 'x-forwarded-host': 'evil.example' }), 403)
  const rebound = { host: 'evil.example', origin, ...forwarded }
  t.equal(await statusOf(rebound), 403, 'Host must be right all the same')
  const careless = await serve(t, { allowHosts: options.allowHosts })
  t.equal((await careless.client().post(open, { origin, ...forwarded })).status, 403)
  const anyHost = await serve(t, { trustProxy, host: '0.0.0.0' })
  const url = new URL('mcp', anyHost.listener.url.replace('0.0.0.0', '127.0.0.1'))
  const other = httpClient(url)
  t.teardown(() => other.close())
  t.equal(
    (await other.post(open, { origin, ...forwarded })).status,
    403,
    'no host is allowed by name'
  )
})

test('the defaults stop no honest client', async (t) => {
  t.match(limits, { maxCallerRate: 0, maxCallerCalls: 20_000, maxCallerConnections: 4000 })
})
