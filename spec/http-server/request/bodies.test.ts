// The bodies of POSTs as clients see their limits, over real sockets.

import { test } from 'tap'
import type { Test } from 'tap'
import type { ListenerOptions } from '../../../lib/http-server/listener.ts'
import { FakeServer, farEnds, initialize, json, rawConnection, serve, until } from '../helpers.ts'
import type { Served } from '../helpers.ts'

const KiB = 1024
const origin = 'https://app.example.com'

/** Sends the head of a POST to /mcp. */
function open(t: Test, { listener }: Served, ...headers: string[]) {
  const connection = rawConnection(t, listener)
  const lines = ['POST /mcp HTTP/1.1', 'Host: localhost', `Origin: ${origin}`, ...headers]
  if (!headers.some((header) => /^content-type/i.test(header))) {
    lines.push('Content-Type: application/json')
  }
  connection.socket.write(`${lines.join('\r\n')}\r\n\r\n`)
  return connection
}

const serveSmall = (t: Test, options: ListenerOptions = {}): Promise<Served> =>
  serve(t, { maxMessage: 1024, allowOrigins: [origin], ...options })

const refusal = /^HTTP\/1\.1 413 [^]*access-control-allow-origin: https:\/\/app\.example\.com/i

test('a declared size over the limit gets 413 with CORS headers at once', async (t) => {
  const { text } = open(t, await serveSmall(t), 'Content-Length: 1025')
  const began = performance.now()
  t.match(await text.until('--max-message'), refusal)
  t.ok(performance.now() - began < 500)
  await text.ended
  t.ok(performance.now() - began < 3000, 'the connection is closed soon')
})

test('a chunked body gets 413 as soon as it is over the limit, and has no end', async (t) => {
  const { socket, text } = open(t, await serveSmall(t), 'Transfer-Encoding: chunked')
  const began = performance.now()
  const timer = setInterval(() => socket.write(`400\r\n${' '.repeat(KiB)}\r\n`), 5)
  t.teardown(() => clearInterval(timer))
  t.match(await text.until('--max-message'), refusal)
  t.match(text.all, /connection: close/i)
  t.ok(performance.now() - began < 500)
  await text.ended
  t.ok(performance.now() - began < 3000, 'the connection is closed soon')
})

test('a client that has sent a long body in vain does not use its connection again', async (t) => {
  const { session } = await serveSmall(t)
  const { client } = await session()
  for (let count = 0; count < 2; count++) {
    const answer = await client.post(' '.repeat(1024 * KiB))
    t.match(answer, { status: 413, headers: { connection: 'close' } })
    await new Promise((resolve) => setTimeout(resolve, 900))
    const calls = Array.from({ length: 5 }, () => client.request('ping'))
    for (const call of calls) t.match(await call, { result: {} })
  }
})

test('a connection survives a body that is a little over the limit', async (t) => {
  const { socket, text } = open(t, await serveSmall(t), 'Content-Length: 1025')
  await text.until('--max-message')
  socket.write(' '.repeat(1025))
  socket.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n')
  t.match(await text.until('"ok"'), /HTTP\/1\.1 200 /)
})

test('a body that no code reads is not read to its end', async (t) => {
  const { listener } = await serve(t)
  for (const head of ['DELETE /mcp', 'GET /healthz', 'OPTIONS /mcp', 'POST /nothing']) {
    const { socket, text } = rawConnection(t, listener)
    const began = performance.now()
    socket.write(`${head} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n`)
    const timer = setInterval(() => socket.write(`400\r\n${' '.repeat(KiB)}\r\n`), 5)
    await text.ended
    clearInterval(timer)
    t.match(text.all, /^HTTP\/1\.1 /, head)
    t.ok(performance.now() - began < 3000, head)
  }
})

test('a client that waits for 100 Continue gets an error instead, before it sends its body', async (t) => {
  const served = await serveSmall(t)
  const expect = 'Expect: 100-continue'
  const refused: [RegExp, ...string[]][] = [
    [/^HTTP\/1\.1 413 /, 'Content-Length: 1025'],
    [/^HTTP\/1\.1 415 /, 'Content-Length: 9', 'Content-Type: text/plain'],
    [/^HTTP\/1\.1 406 /, 'Content-Length: 9', 'Accept: image/png'],
    [/^HTTP\/1\.1 404 /, 'Content-Length: 9', 'Mcp-Session-Id: unknown']
  ]
  for (const [status, ...headers] of refused) {
    const { text } = open(t, served, ...headers, expect)
    await text.ended
    t.match(text.all, status, headers.join())
    t.match(text.all, /connection: close/i)
  }
  for (const [status, line] of [
    [404, 'POST /nothing HTTP/1.1'],
    [405, 'PUT /mcp HTTP/1.1'],
    [403, 'POST /mcp HTTP/1.1\r\nOrigin: https://example.com'],
    [403, 'POST /mcp HTTP/1.1\r\nSec-Fetch-Site: cross-site']
  ] as const) {
    const { socket, text } = rawConnection(t, served.listener)
    socket.write(`${line}\r\nHost: localhost\r\nContent-Length: 9\r\n${expect}\r\n\r\n`)
    await text.ended
    t.match(text.all, new RegExp(`^HTTP/1\\.1 ${status} `), line)
  }
})

test('a client that waits for 100 Continue gets it if its request is good', async (t) => {
  const body = json(initialize)
  const { socket, text } = open(
    t,
    await serveSmall(t),
    `Content-Length: ${body.length}`,
    'Expect: 100-Continue'
  )
  t.equal(await text.until('\r\n\r\n'), 'HTTP/1.1 100 Continue\r\n\r\n')
  socket.write(body)
  t.match(await text.until('"result"'), /HTTP\/1\.1 200 /)
})

test('an unknown expectation is ignored', async (t) => {
  const body = json(initialize)
  const { socket, text } = open(
    t,
    await serveSmall(t),
    `Content-Length: ${body.length}`,
    'Expect: wonders'
  )
  socket.write(body)
  t.match(await text.until('"result"'), /^HTTP\/1\.1 200 /)
})

test('a body gives its memory back when its frames have been handed on', async (t) => {
  const served = await serve(t, { maxBodyMemory: 200 * KiB })
  const { client, server } = await served.session()
  const padding = 'x'.repeat(150 * KiB)
  // The first call has no response, so its POST stays open.
  const calls = [1, 2, 3].map((id) =>
    client.post(json({ id, method: 'slow', params: { padding } }))
  )
  for (const id of [1, 2, 3]) await server.got('slow', id)
  for (const id of [1, 2, 3]) await server.respond({ id })
  for (const { status } of await Promise.all(calls)) t.equal(status, 200)
})

test('a refused body gives its memory back', async (t) => {
  const served = await serve(t, { maxBodyMemory: 200 * KiB, allowOrigins: [origin] })
  const { client } = await served.session()
  const size = 150 * KiB
  for (let count = 0; count < 3; count++) {
    t.equal((await client.post('x'.repeat(size))).status, 400)
    const { socket, text } = open(t, served, `Content-Length: ${size}`)
    socket.write('x')
    socket.end()
    await text.ended
  }
  const padding = 'x'.repeat(size)
  t.match(await client.request('ping', { padding }), { result: {} })
})

test('unfinished bodies do not take more memory than the budget', async (t) => {
  const served = await serve(t, { maxBodyMemory: 4 * KiB * KiB, allowOrigins: [origin] })
  const size = 2 * KiB * KiB
  const part = Buffer.alloc(size - 1, ' ')
  const connections = Array.from({ length: 8 }, () => {
    const connection = open(t, served, `Content-Length: ${size}`)
    connection.socket.write(part)
    return connection
  })
  await new Promise((resolve) => setTimeout(resolve, 300))
  const ports = new Set(connections.map(({ socket }) => socket.localPort))
  const ends = [...farEnds].filter(({ remotePort }) => ports.has(remotePort))
  const taken = ends.reduce((sum, { bytesRead }) => sum + bytesRead, 0)
  t.equal(ends.length, 8)
  t.ok(taken < 6 * KiB * KiB, `${taken} bytes were read`)
  for (const { socket } of connections) socket.write(' ')
  for (const { text } of connections) await until(() => text.all.startsWith('HTTP/1.1 400'))
})

test('a large body without a session keeps its memory until the server has sent a message', async (t) => {
  const { client, servers } = await serve(t, { stateless: true, maxBodyMemory: 200 * KiB })
  const padding = 'x'.repeat(150 * KiB)
  const call = (id: number) => client().post(json({ id, method: 'slow', params: { padding } }))
  const [one, two] = [call(1), call(2)]
  await until(() => servers.length === 1)
  await servers[0]?.got('slow')
  t.equal((await client().post(json({ id: 3, method: 'ping' }))).status, 200, 'a small body passes')
  t.equal(servers.length, 2, 'but no other large one')
  const first = servers[0]?.received[0] as { id: number }
  await servers[0]?.respond(first)
  await until(() => servers.length === 3)
  const second = await servers[2]?.got('slow')
  t.equal(second?.id, 3 - first.id)
  await servers[2]?.respond(second)
  for (const { status } of await Promise.all([one, two])) t.equal(status, 200)
})

test('small bodies that wait for a server that reads nothing are limited, too', async (t) => {
  const { session } = await serve(t, { maxBodyMemory: 200 * KiB })
  const { client, server } = await session()
  server.stop()
  const statuses: number[] = []
  const posts = Array.from({ length: 100 }, async (_, id) => {
    const { status } = await client.post(json({ id, method: 'ping' }))
    statuses.push(status)
  })
  const refused = (): number => statuses.filter((status) => status === 503).length
  await until(() => refused() >= 10)
  server.goOn()
  await Promise.all(posts)
  t.ok(refused() < 50, `${refused()} were refused`)
  t.equal(statuses.filter((status) => status === 200).length, 100 - refused(), 'the others waited')
  t.match(await client.request('ping'), { result: {} })
})

test('without sessions, small bodies count until the server has sent a message', async (t) => {
  const options = { stateless: true, maxBodyMemory: 100 * KiB }
  const { client, servers } = await serve(t, options, () => new FakeServer(() => {}))
  const raw = client()
  const calls = Array.from({ length: 30 }, (_, id) => raw.post(json({ id, method: 'slow' })))
  const refused = (await Promise.all(calls.slice(-5))).map(({ status }) => status)
  t.strictSame(refused, [503, 503, 503, 503, 503])
  for (const server of servers) {
    await server.got('slow')
    await server.notify('notifications/message', {})
  }
  const next = raw.post(json({ id: 'next', method: 'slow' }))
  const known = servers.length
  await until(() => servers.length > known)
  for (const server of servers) await server.say({ id: server.received[0]?.id, result: {} })
  t.equal((await next).status, 200)
})
