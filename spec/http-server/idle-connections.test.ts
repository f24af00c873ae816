// The connections to the listener, and how long each may wait for its client.

import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { Server } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { test } from 'tap'
import { KeptLog } from '../helpers.ts'
import { countTimers, json, rawConnection, serve, settled, until } from './helpers.ts'

const get = 'GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n'

/** The head of a POST with a body of this size. */
const headOf = (size: number, sessionId = ''): string =>
  [
    'POST /mcp HTTP/1.1',
    'Host: localhost',
    'Content-Type: application/json',
    `Content-Length: ${size}`,
    ...(sessionId === '' ? [] : [`Mcp-Session-Id: ${sessionId}`]),
    '',
    ''
  ].join('\r\n')

test('a connection closes when it has had no request for the idle timeout, and not before', async (t) => {
  const { listener } = await serve(t, { idleTimeout: 200 })
  const { socket, text } = rawConnection(t, listener)
  const start = performance.now()
  for (let n = 0; n < 3; n++) {
    socket.write(get)
    await text.until(new RegExp(`(HTTP[^]*){${n + 1}}`))
    await delay(100)
    t.notOk(socket.destroyed, 'each request puts it off')
  }
  await text.ended
  t.ok(performance.now() - start >= 400)
})

test('a connection is not idle while a response is open', async (t) => {
  // Long enough for the client to send its next request on a busy machine.
  const { client } = await serve(t, { idleTimeout: 200 })
  const raw = client()
  await raw.initialize()
  const stream = await raw.open('GET')
  await delay(800)
  t.notOk(stream.destroyed)
  stream.destroy()
})

test('a connection is not idle while one of several responses is open', async (t) => {
  const { listener, session } = await serve(t, { idleTimeout: 40 })
  const { client, server } = await session()
  const { socket, text } = rawConnection(t, listener)
  const body = json({ id: 1, method: 'tools/call' })
  const sent = `${headOf(body.length, client.sessionId)}${body}`
  socket.write(get + sent + sent.replace('"id":1', '"id":2'))
  await server.got('tools/call', 2)
  await server.say({ id: 1, result: 'first' })
  await text.until('"first"')
  await delay(200)
  await server.say({ id: 2, result: 'second' })
  t.ok(await text.until('"second"'))
  await text.ended
})

test('without an idle timeout a connection stays open', async (t) => {
  const before = countTimers()
  const { listener } = await serve(t, { idleTimeout: 0 })
  t.equal(countTimers(), before)
  const { socket, text } = rawConnection(t, listener)
  socket.write(get)
  await text.until('HTTP')
  await delay(100)
  t.notOk(socket.destroyed)
})

test('a client that sends nothing of its body for the idle timeout is cut off', async (t) => {
  const log = new KeptLog()
  const { listener, session } = await serve(t, { idleTimeout: 300, log })
  const { client } = await session()
  const body = json({ id: 1, method: 'ping' })
  const { socket, text } = rawConnection(t, listener)
  const start = performance.now()
  socket.write(headOf(body.length, client.sessionId))
  for (const byte of body.slice(0, 10)) {
    await delay(60)
    socket.write(byte)
  }
  t.notOk(socket.destroyed, 'each byte puts it off')
  await text.ended
  t.ok(performance.now() - start >= 800)
  t.equal(text.all, '')
  t.match(
    await log.lines.until((line) => line.includes('POST')),
    /the rest of the body did not come/
  )
  t.match(await client.request('ping'), { result: {} }, 'the session goes on')
})

test('a body that comes too slowly is cut off, although each byte puts the idle timeout off', async (t) => {
  const log = new KeptLog()
  const { listener, session } = await serve(t, { idleTimeout: 100, log })
  const { client } = await session()
  const drip = (size: number): number => {
    const { socket, text } = rawConnection(t, listener)
    socket.write(headOf(1024 * 1024, client.sessionId))
    const timer = setInterval(() => socket.write(' '.repeat(size)), 20)
    void text.ended.then(() => clearInterval(timer))
    t.teardown(() => clearInterval(timer))
    return connections.push({ socket, text })
  }
  const connections: ReturnType<typeof rawConnection>[] = []
  drip(1)
  drip(2 * 16 * 1024 * 0.02)
  const [slow, fast] = connections as [(typeof connections)[0], (typeof connections)[0]]
  const start = performance.now()
  await slow.text.ended
  t.ok(performance.now() - start >= 1000)
  t.ok(await log.lines.until((line) => line.includes('the body came too slowly')))
  await delay(500)
  t.notOk(fast.socket.destroyed)
})

test('a POST that waits for room in its session is not cut off, however long it waits', async (t) => {
  const { listener, session } = await serve(t, { idleTimeout: 400 })
  const { client, server } = await session()
  server.stop()
  let accepted = 0
  const posts = Array.from({ length: 50 }, async () => {
    await client.notify('notifications/x')
    accepted++
  })
  await settled(() => accepted)
  t.ok(accepted < 50)
  const body = json({ id: 'late', method: 'ping' })
  const whole = rawConnection(t, listener)
  whole.socket.write(`${headOf(body.length, client.sessionId)}${body}`)
  const half = rawConnection(t, listener)
  const other = body.replace('late', 'half')
  half.socket.write(`${headOf(body.length, client.sessionId)}${other.slice(0, 5)}`)
  await delay(1200)
  for (const { socket } of [whole, half]) t.notOk(socket.destroyed)
  server.goOn()
  half.socket.write(other.slice(5))
  t.match(await whole.text.until('"result"'), / 200 [^]*"late"/)
  t.match(await half.text.until('"result"'), / 200 [^]*"half"/)
  await Promise.all(posts)
})

test("Node's own time limit for requests is off, and the one for headers is on", async (t) => {
  let http: Server | undefined
  const onStart = (message: unknown): void => {
    http = (message as { server: Server }).server
  }
  subscribe('http.server.request.start', onStart)
  t.teardown(() => unsubscribe('http.server.request.start', onStart))
  const { listener } = await serve(t)
  rawConnection(t, listener).socket.write(get)
  await until(() => http !== undefined)
  t.equal(http?.requestTimeout, 0)
  t.equal(http?.headersTimeout, 60_000)
})
