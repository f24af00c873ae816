// The responses to bytes that are not an HTTP request.

import { test } from 'tap'
import type { Test } from 'tap'
import { refuseBroken } from '../../../lib/http-server/request/refuse-broken.ts'
import { json, rawConnection, receiveRequest, sendRequest, serve } from '../helpers.ts'
import { KeptLog } from '../../helpers.ts'

const start = 'POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n'

async function send(t: Test, bytes: string): Promise<string> {
  const { socket, text } = rawConnection(t, (await serve(t)).listener)
  socket.write(bytes)
  await text.ended
  return text.all
}

test('a broken request gets its status, and the connection closes', async (t) => {
  const broken: [string, number][] = [
    ['nonsense\r\n\r\n', 400],
    ['GET / HTTP/9.9\r\n\r\n', 400],
    [`GET / HTTP/1.1\r\nx: ${'x'.repeat(20_000)}\r\n\r\n`, 431],
    [`${start}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n`, 400],
    [`${start}Transfer-Encoding: chunked\r\n\r\nnonsense\r\n`, 400],
    [`${start}Transfer-Encoding: chunked\r\n\r\n1;${'x'.repeat(20_000)}`, 413]
  ]
  for (const [bytes, status] of broken) {
    const text = await send(t, bytes)
    t.match(text, new RegExp(`^HTTP/1\\.1 ${status} `), bytes.slice(0, 100))
    t.match(text, /x-content-type-options: nosniff/i)
    t.match(text, /content-length: 0\r\n/i)
  }
})

test('a request that does not come in time gets 408', async (t) => {
  const { request, text } = await receiveRequest(t)
  const { socket } = request
  refuseBroken(Object.assign(new Error(), { code: 'ERR_HTTP_REQUEST_TIMEOUT' }), socket)
  await text.ended
  t.match(text.all, /^HTTP\/1\.1 408 Request Timeout\r\n/)
})

test('a client that has gone gets no response', async (t) => {
  const { request } = await receiveRequest(t)
  request.socket.destroy()
  refuseBroken(new Error(), request.socket)
  t.ok(request.socket.destroyed)
})

test('a response that has begun is not mixed with the response to a broken request', async (t) => {
  const log = new KeptLog()
  const { session, listener } = await serve(t, { log, streamAfter: 1 })
  const { client, server } = await session()
  const body = json({ id: 1, method: 'slow' })
  const { socket, text } = rawConnection(t, listener)
  const more = `Mcp-Session-Id: ${client.sessionId}\r\nContent-Length: ${body.length}\r\n\r\n`
  socket.write(`${start}${more}${body}`)
  await server.got('slow')
  await text.until('text/event-stream')
  socket.write('nonsense\r\n\r\n')
  await text.ended
  t.notMatch(text.all, 'HTTP/1.1 400')
  t.match(log.lines.join('\n'), /a client sent a broken request/)
})

test('every response forbids browsers to guess its content type', async (t) => {
  const { listener, sse, session } = await serve(t)
  const origin = 'https://example.com'
  const requests: [string, string, Record<string, string>?][] = [
    ['GET', 'healthz'],
    ['GET', 'nothing'],
    ['OPTIONS', 'mcp'],
    ['PUT', 'mcp'],
    ['GET', 'status', { origin }],
    ['POST', 'mcp', { 'content-length': '999999999', 'content-type': 'application/json' }]
  ]
  for (const [method, path, headers] of requests.slice(0, 5)) {
    const response = await sendRequest(t, listener, method, path, headers)
    t.equal(response.headers['x-content-type-options'], 'nosniff', `${method} ${path}`)
  }
  const large = `${start}Content-Length: 999999999\r\n\r\n`
  for (const bytes of [large, 'GET /status HTTP/1.1\r\n\r\n']) {
    const { socket, text } = rawConnection(t, listener)
    socket.write(bytes)
    t.match(
      await text.until('\r\n\r\n'),
      /HTTP\/1\.1 4(13|00) [^]*x-content-type-options: nosniff/i
    )
  }
  const { client } = await session()
  const stream = await client.open('GET')
  t.equal(stream.headers['x-content-type-options'], 'nosniff')
  stream.destroy()
  const events = await sse()
  events.client.close()
  const { socket, text } = rawConnection(t, listener)
  socket.write('GET /sse HTTP/1.1\r\nHost: localhost\r\n\r\n')
  t.match(await text.until('endpoint'), /x-content-type-options: nosniff/i)
})

test('HTTP/1.0 needs no Host where every host is served', async (t) => {
  const { listener } = await serve(t, { host: '0.0.0.0' })
  for (const [version, status] of [
    ['1.0', 200],
    ['1.1', 400]
  ] as const) {
    const { socket, text } = rawConnection(t, listener)
    socket.write(`GET /healthz HTTP/${version}\r\n\r\n`)
    t.match(await text.until('\r\n\r\n'), new RegExp(`^HTTP/1\\.1 ${status} `))
  }
})
