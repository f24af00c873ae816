// The endpoint of Streamable HTTP, as clients use it: which request gets which status.

import { test } from 'tap'
import type { HttpClient, HttpResponse } from '../../fixtures/clients/raw.js'
import { initialize, json, rawConnection, serve, until } from './helpers.ts'

const ping = json({ id: 1, method: 'ping' })

/** The JSON-RPC error in a refusal. */
function errorIn({ headers, text }: HttpResponse): { code: number; message: string } {
  if (headers['content-type'] !== 'application/json') throw new Error(text)
  const { jsonrpc, error } = JSON.parse(text)
  if (jsonrpc !== '2.0') throw new Error(text)
  return error
}

async function refusal(answer: Promise<HttpResponse>): Promise<[number, number]> {
  const { status, ...rest } = await answer
  return [status, errorIn({ status, ...rest }).code]
}

test('initialize opens a session, with an id that is hard to guess', async (t) => {
  const { client, contexts, listener } = await serve(t)
  const ids = new Set<string>()
  for (let n = 0; n < 5; n++) {
    const { status, headers, text } = await client().post(json(initialize))
    t.equal(status, 200)
    t.match(JSON.parse(text), { id: 0, result: { protocolVersion: '2025-11-25' } })
    const id = headers['mcp-session-id']
    t.match(id, /^[\x21-\x7e]{32,}$/)
    ids.add(String(id))
  }
  t.equal(ids.size, 5)
  t.strictSame(
    contexts.map(({ server, session }) => [server, session]),
    [...ids].map((id) => ['', id])
  )
  t.equal(listener.sessions, 5)
})

test('each revision opens a session', async (t) => {
  const { session } = await serve(t)
  for (const version of ['2024-11-05', '2025-03-26', '2025-06-18', '2025-11-25']) {
    const { client } = await session(version)
    t.equal(client.protocolVersion, version)
    t.match(await client.request('ping'), { result: {} })
  }
})

test('an invalid initialize opens no session', async (t) => {
  const { client, listener, contexts } = await serve(t)
  const invalid = { ...initialize, params: { protocolVersion: '2025-11-25', capabilities: {} } }
  const answer = await client().post(json(invalid))
  t.equal(answer.status, 400)
  t.match(errorIn(answer), { code: -32602, message: /^initialize: params/ })
  t.strictSame(await refusal(client().post(`[${json(initialize)}]`)), [400, -32600], 'a batch')
  t.strictSame(await refusal(client().post(json({ method: 'initialize' }))), [400, -32602])
  t.equal(listener.sessions, 0)
  t.strictSame(contexts, [])
})

test('every request but initialize needs a session', async (t) => {
  const { client } = await serve(t)
  for (const method of ['POST', 'GET', 'DELETE']) {
    const raw = client()
    const ask = async (id?: string): Promise<HttpResponse> => {
      const body = method === 'POST' ? ping : undefined
      const response = await raw.open(method, body, { 'mcp-session-id': id })
      const text = (await response.setEncoding('utf8').toArray()).join('')
      return { status: response.statusCode ?? 0, headers: response.headers, text }
    }
    t.strictSame(await refusal(ask()), [400, -32600], `${method} without`)
    t.strictSame(await refusal(ask('x')), [404, -32001], `${method} with one that is unknown`)
  }
})

test('a session cannot be initialized twice', async (t) => {
  const { session } = await serve(t)
  const { client } = await session()
  t.strictSame(await refusal(client.post(json(initialize))), [400, -32600])
})

test('DELETE ends a session, which is then unknown', async (t) => {
  const { session, ended } = await serve(t)
  const { client } = await session()
  t.equal((await client.delete()).status, 204)
  t.strictSame(await refusal(client.delete()), [404, -32001])
  t.strictSame(await refusal(client.post(ping)), [404, -32001])
  const get = await client.openGet()
  t.equal(get.status, 404)
  await ended.until(() => true)
})

test('a session can only be used at the server where it was opened', async (t) => {
  const { client, listener } = await serve(t, { servers: ['', 'one', 'two words'] })
  const one = client({ path: 'servers/one/mcp' })
  await one.initialize()
  const headers = { 'mcp-session-id': one.sessionId ?? '' }
  for (const path of ['mcp', 'servers/two%20words/mcp', 'servers/two%20words/mcp/']) {
    t.strictSame(await refusal(client({ path }).post(ping, headers)), [404, -32001], path)
  }
  t.equal((await client({ path: 'servers/one/mcp/' }).post(ping, headers)).status, 200)
  t.strictSame(await refusal(client({ path: 'servers/three/mcp' }).post(ping)), [404, -32600])
  t.equal(listener.sessions, 1)
})

test('the id of an HTTP+SSE connection does not name a session', async (t) => {
  const { sse, client } = await serve(t)
  const { client: old } = await sse()
  const id = new URL(old.endpoint).searchParams.get('session_id') ?? ''
  t.strictSame(await refusal(client().post(ping, { 'mcp-session-id': id })), [404, -32001])
})

test('notifications and responses get 202 without a body', async (t) => {
  const { session } = await serve(t)
  const { client, server } = await session()
  const messages = [
    { method: 'notifications/x' },
    { id: 'q', result: {} },
    { id: 'q', error: { code: 1, message: 'x' } }
  ]
  for (const message of messages) {
    t.match(await client.post(json(message)), { status: 202, text: '' })
  }
  await until(() => server.received.length === 5)
})

test('Accept may name both content types, one of them, or be absent', async (t) => {
  const { session } = await serve(t)
  const { client } = await session()
  const typeFor = async (accept: string | undefined): Promise<string | number> => {
    const { status, headers } = await client.post(ping, { accept })
    return status === 200 ? (headers['content-type'] ?? '') : status
  }
  for (const accept of [
    'application/json, text/event-stream',
    'application/json,text/event-stream',
    'text/event-stream, application/json',
    'Application/JSON, Text/Event-Stream',
    'application/json;q=0.9 , text/event-stream;q=0.1',
    'text/event-stream;q=0.5,Application/JSON',
    'text/html,\tapplication/json ; charset=utf-8',
    'text/*, application/*',
    'application/json',
    'application/*',
    '*/*',
    'text/html, */*;q=0.8',
    undefined
  ]) {
    t.equal(await typeFor(accept), 'application/json', accept ?? 'no header')
  }
  for (const accept of [
    'text/event-stream',
    'text/*',
    'Text/Event-Stream; q=1',
    'application/jsonp, text/event-stream',
    'application/json-seq,text/*;q=0.1'
  ]) {
    t.equal(await typeFor(accept), 'text/event-stream', accept)
  }
  for (const accept of [
    'text/html',
    'application/jsonp',
    'x/application/json',
    'application/json/x',
    'text/event-streams, *',
    'x;y="application/json"',
    ' , ;',
    ''
  ]) {
    t.strictSame(await refusal(client.post(ping, { accept })), [406, -32600], accept)
    t.strictSame(await refusal(client.post(json(initialize), { accept })), [406, -32600])
  }
  for (const [accept, status] of [
    ['application/json', 406],
    ['application/*', 406],
    ['application/json, text/event-stream', 200],
    ['text/*', 200],
    ['*/*', 200],
    [undefined, 200]
  ] as const) {
    t.equal((await client.openGet({ headers: { accept } })).status, status, accept ?? 'none')
  }
})

test('only a body with the JSON content type is taken', async (t) => {
  const { session } = await serve(t)
  const { client } = await session()
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', undefined]) {
    const answer = client.post(ping, { 'content-type': type })
    t.strictSame(await refusal(answer), [415, -32600], type ?? 'none')
  }
})

test('a body that is not JSON-RPC is refused, with the id if there is one', async (t) => {
  const { session } = await serve(t)
  const { client, server } = await session('2025-03-26')
  const cases: [string | Buffer, number, unknown?][] = [
    ['', -32700],
    ['{', -32700],
    ['{"jsonrpc":"2.0","id":1,"method":"ping"} x', -32700],
    [Buffer.from('{"jsonrpc":"2.0","method":"\xff"}', 'latin1'), -32700],
    ['[', -32700],
    ['[]', -32600],
    ['{}', -32600],
    ['null', -32600],
    ['{"jsonrpc":"1.0","id":1,"method":"ping"}', -32600, 1],
    ['{"jsonrpc":"2.0","id":"x","method":7}', -32600, 'x'],
    [`[${ping},{}]`, -32600]
  ]
  for (const [body, code, id = null] of cases) {
    const answer = await client.post(body)
    t.equal(answer.status, 400, String(body))
    t.match(JSON.parse(answer.text), { jsonrpc: '2.0', id, error: { code } }, String(body))
  }
  t.equal(server.received.length, 2, 'the server got nothing')
})

test('only sessions of 2025-03-26 take batches', async (t) => {
  const { session } = await serve(t)
  for (const version of ['2024-11-05', '2025-06-18', '2025-11-25']) {
    const { client } = await session(version)
    t.strictSame(await refusal(client.post(`[${ping}]`)), [400, -32600], version)
  }
  const { client } = await session('2025-03-26')
  t.match(JSON.parse((await client.post(` \n[${ping}]`)).text), [{ id: 1, result: {} }])
  t.strictSame(await refusal(client.post(`[${json(initialize)}]`)), [400, -32600])
})

test('other methods are refused, and the response names the allowed ones', async (t) => {
  const { client } = await serve(t)
  const { client: stateless } = await serve(t, { stateless: true })
  const allowed = async (raw: HttpClient, method: string): Promise<unknown> => {
    const { statusCode, headers } = await raw.open(method)
    return statusCode === 405 ? headers.allow : statusCode
  }
  for (const method of ['PUT', 'PATCH', 'HEAD']) {
    t.equal(await allowed(client(), method), 'POST, GET, DELETE', method)
  }
  for (const method of ['GET', 'DELETE', 'PUT']) {
    t.equal(await allowed(stateless(), method), 'POST', `${method} without sessions`)
    const modern = client({ headers: { 'mcp-protocol-version': '2026-07-28' } })
    t.equal(await allowed(modern, method), 'POST', `${method} of the modern revision`)
  }
})

test('no more sessions open than the limit allows', async (t) => {
  const { session, client, ended } = await serve(t, { maxSessions: 2 })
  const first = await session()
  const second = await session()
  const answer = await client().post(json(initialize))
  t.equal(answer.status, 503)
  t.equal(answer.headers['retry-after'], '10')
  t.match(errorIn(answer), { code: -32000, message: /--max-sessions/ })
  t.match(await second.client.request('ping'), { result: {} }, 'the other sessions go on')
  await first.client.delete()
  await ended.until(() => true)
  await session()
})

test('a message may be as large as the limit and no larger', async (t) => {
  const { session } = await serve(t, { maxMessage: 1024 })
  const { client } = await session()
  const sized = (size: number): string => json({ id: 1, method: 'ping' }).padEnd(size)
  t.equal((await client.post(sized(1024))).status, 200)
  const answer = await client.post(sized(1025))
  t.equal(answer.status, 413)
  t.match(errorIn(answer), { code: -32600, message: /1025 bytes .* --max-message/ })
  const chunked = { 'transfer-encoding': 'chunked' }
  t.equal((await client.post(sized(1024), chunked)).status, 200)
  t.equal((await client.post(sized(1025), chunked)).status, 413)
  t.match(await client.request('ping'), { result: {} }, 'the session goes on')
})

test('a client that sends far too much can read the error', async (t) => {
  const { session } = await serve(t, { maxMessage: 1024 })
  const { client } = await session()
  const large = ' '.repeat(32 * 1024 * 1024)
  t.equal((await client.post(large)).status, 413)
  t.equal((await client.post(large, { 'transfer-encoding': 'chunked' })).status, 413)
  t.match(await client.request('ping'), { result: {} })
})

test('a client may send byte by byte, or disconnect in the middle', async (t) => {
  const { session, listener } = await serve(t)
  const { client, server } = await session()
  const head = `POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json
Mcp-Session-Id: ${client.sessionId}\r\nContent-Length: ${ping.length}\r\n\r\n`
  const slow = rawConnection(t, listener)
  for (const byte of head.replace(/\r?\n/g, '\r\n') + ping) {
    slow.socket.write(byte)
    await new Promise((resolve) => setImmediate(resolve))
  }
  t.match(await slow.text.until('"result"'), /^HTTP\/1\.1 200 /)

  const gone = rawConnection(t, listener)
  gone.socket.write(head.replace(/\r?\n/g, '\r\n') + ping.slice(0, 10))
  await new Promise((resolve) => setTimeout(resolve, 20))
  gone.socket.destroy()
  t.match(await client.request('ping'), { result: {} })
  t.equal(server.received.filter(({ method }) => method === 'ping').length, 2)
})

test('a POST is refused if its session ends before its body has come', async (t) => {
  const { session, listener } = await serve(t)
  const { client } = await session()
  const { socket, text } = rawConnection(t, listener)
  const lines = [
    'POST /mcp HTTP/1.1',
    'Host: localhost',
    'Content-Type: application/json',
    `Mcp-Session-Id: ${client.sessionId}`,
    `Content-Length: ${ping.length}`,
    'Expect: 100-continue'
  ]
  socket.write(`${lines.join('\r\n')}\r\n\r\n`)
  await text.until('100 Continue')
  await client.delete()
  socket.write(ping)
  t.match(await text.until('"error"'), / 404 /)
})

test('without sessions each POST is a separate client', async (t) => {
  const { client, servers, contexts } = await serve(t, { stateless: true, servers: ['', 'x'] })
  const raw = client()
  await raw.initialize()
  t.equal(raw.sessionId, undefined)
  t.match(await raw.request('ping'), { result: {} })
  t.match(await client({ path: 'servers/x/mcp' }).request('ping'), { result: {} })
  t.equal(servers.length, 3, 'the notification opened none')
  t.strictSame(
    contexts.map(({ server }) => server),
    ['', '', 'x']
  )
  t.equal(new Set(contexts.map(({ session }) => session)).size, 3)
  t.strictSame(await refusal(raw.post(`[${ping}]`)), [400, -32600])
  t.equal((await raw.post(ping, { 'mcp-session-id': 'whatever' })).status, 200)
})
