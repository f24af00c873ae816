// The session's transport: what happens while its client is away.

import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'tap'
import type { ClientStream } from '../../../fixtures/clients/raw.js'
import { HttpResponse } from '../../../lib/http-server/request/http-response.ts'
import { SessionTransport } from '../../../lib/http-server/session/accept-session.ts'
import { makeFrame } from '../../../lib/message/frame.ts'
import type { Frame } from '../../../lib/message/frame.ts'
import { collectGarbage } from '../../memory.ts'
import type { FakeServer } from '../helpers.ts'
import { breakOff, json, rawConnection, serve, settled, until } from '../helpers.ts'

const call = (id: number, progressToken?: number): string =>
  json({ id, method: 'tools/call', params: { _meta: { progressToken } } })
const text = 'x'.repeat(1000)
const mebibyte = 1024 * 1024

/** Has the server send `count` numbered messages as fast as they are taken. */
function flood(server: FakeServer, count: number): { said: number; done: Promise<void> } {
  const progress = { said: 0, done: Promise.resolve() }
  const run = async (): Promise<void> => {
    for (let n = 1; n <= count; n++) {
      await server.notify('notifications/message', { n, text })
      progress.said = n
    }
  }
  progress.done = run()
  return progress
}

const numbersOn = (stream: ClientStream): number[] =>
  stream.events.flatMap(({ message }) => message?.params?.n ?? [])

test('a client that sends a body slowly is present', async (t) => {
  const { session, listener } = await serve(t, { sessionTimeout: 300 })
  const { client } = await session()
  const { socket, text } = rawConnection(t, listener)
  const body = json({ method: 'notifications/x' })
  socket.write(
    'POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n' +
      `Mcp-Session-Id: ${client.sessionId}\r\nContent-Length: ${body.length}\r\n\r\n`
  )
  await sleep(600)
  t.equal(listener.sessions, 1)
  socket.write(body)
  t.ok(await text.until(' 202 '))
})

test('a session stays when its client closes the connection after the response to initialize', async (t) => {
  const { client, listener } = await serve(t)
  for (const accept of ['application/json, text/event-stream', 'text/event-stream']) {
    const made = client({ headers: { accept } })
    await made.initialize()
    made.close()
    await sleep(50)
    t.match(await made.request('ping'), { result: {} })
  }
  t.equal(listener.sessions, 2)
})

test('the server of a vanished client is read only until the replay store is full', async (t) => {
  const { session } = await serve(t, { maxReplay: 50_000 })
  const { client, server } = await session()
  await breakOff(await client.openGet())
  const flooding = flood(server, 10_000)
  const said = await settled(() => flooding.said)
  t.ok(said >= 40 && said < 100, `it stopped after ${said} messages`)
  const cpu = process.cpuUsage()
  await sleep(300)
  const { user, system } = process.cpuUsage(cpu)
  t.ok(user + system < 150_000, `it costs no time (${user + system} µs)`)
})

test('a client that comes back gets everything in order, requests and responses too', async (t) => {
  for (const kind of ['GET', 'POST']) {
    const { session } = await serve(t, { maxReplay: 50_000, streamAfter: 1 })
    const { client, server } = await session()
    const stream = kind === 'GET' ? await client.openGet() : await client.openPost(call(1))
    await stream.events.until(({ id }) => id !== undefined)
    await breakOff(stream)
    await server.say({ id: 'q', method: 'roots/list' })
    const flooding = flood(server, 500)
    t.ok((await settled(() => flooding.said)) < 100)
    const ask = flooding.done.then(() => server.say({ id: 'r', method: 'roots/list' }))
    const again = await client.openGet({ lastEventId: stream.lastEventId })
    await ask
    t.match(await server.received.until(({ id }) => id === 'q'), { error: { code: -32601 } })
    t.match(await server.received.until(({ id }) => id === 'r'), { error: { code: -32601 } })
    t.strictSame(
      numbersOn(again),
      Array.from({ length: 500 }, (_, n) => n + 1),
      kind
    )
    if (kind === 'GET') continue
    await server.say({ id: 1, result: {} })
    await again.closed
    t.match(again.events.at(-1)?.message, { id: 1, result: {} })
  }
})

test('a response that a resumed stream has delivered is not kept over the limit', async (t) => {
  const { session } = await serve(t, { maxReplay: 50_000, streamAfter: 1 })
  const { client, server } = await session()
  const stream = await client.openPost(call(1))
  await stream.events.until(({ id }) => id !== undefined)
  await breakOff(stream)
  await server.say({ id: 1, result: 'x'.repeat(mebibyte) })
  const again = await client.openGet({ lastEventId: stream.lastEventId })
  await again.closed
  t.equal(again.events.at(-1)?.message.result.length, mebibyte)
  const third = await client.openGet({ lastEventId: stream.lastEventId })
  t.equal(third.status, 400, 'the stream is not kept')
})

test('a large response waits for its client although the store is full', async (t) => {
  const { session } = await serve(t, { maxReplay: 50_000, streamAfter: 1 })
  const { client, server } = await session()
  const stream = await client.openPost(call(1))
  await stream.events.until(({ id }) => id !== undefined)
  await breakOff(stream)
  await server.say({ id: 'q', method: 'roots/list' })
  await server.say({ id: 1, result: 'x'.repeat(mebibyte) })
  const flooding = flood(server, 100)
  t.ok((await settled(() => flooding.said)) < 50)
  const again = await client.openGet({ lastEventId: stream.lastEventId })
  await again.closed
  t.strictSame(
    again.events.map(({ message }) => message?.id),
    ['q', 1]
  )
  t.equal(again.events.at(-1)?.message.result.length, mebibyte)
  await client.openGet()
  await flooding.done
})

test('responses that nobody waits for are not read while the client is away', async (t) => {
  const { session } = await serve(t)
  const { client, server } = await session()
  let said = 0
  const flooding = (async () => {
    for (; said < 1000; said++) await server.say({ id: 99, result: {} })
  })()
  t.ok((await settled(() => said)) < 100)
  await client.openGet()
  await flooding
  t.equal(said, 1000)
})

test('a session that ends releases a server that waits for the client', async (t) => {
  const { session, listener } = await serve(t, { maxReplay: 1000 })
  const { client, server } = await session()
  flood(server, 1000)
  await sleep(50)
  await client.delete()
  await until(() => listener.sessions === 0)
  await until(() => server.destroyed)
})

test('40 sessions do not keep the 20 MiB that each has delivered', async (t) => {
  t.setTimeout(120_000)
  const { session } = await serve(t, { maxReplay: mebibyte })
  const result = 'x'.repeat(20 * mebibyte)
  collectGarbage()
  const used = (): number => {
    const { rss, external, arrayBuffers, heapUsed } = process.memoryUsage()
    return Math.min(rss, external + arrayBuffers + heapUsed)
  }
  const before = used()
  for (let n = 0; n < 40; n++) {
    const { client, server } = await session()
    const opening = client.open('POST', call(1))
    await server.got('tools/call')
    await server.notify('notifications/message')
    const response = await opening
    response.resume()
    const end = new Promise((resolve) => response.once('end', resolve))
    await server.say({ id: 1, result })
    await end
    client.close()
  }
  await until(() => {
    collectGarbage()
    return used() - before < 100 * mebibyte
  })
  t.ok(used() - before < 100 * mebibyte)
})

/** An HTTP response that is connected to nothing. */
const openResponse = (): HttpResponse => new HttpResponse(new IncomingMessage(new Socket()))

/** How long 3,000 messages take in a session with `count` POSTs of ten calls, in ms of CPU time. */
async function timeOfMessages(count: number): Promise<number> {
  const transport = new SessionTransport({ id: 'x' })
  transport.resume()
  const accept = { json: true, events: true }
  const post = (...messages: object[]): void => {
    const frames = messages.map((message): Frame => makeFrame({ jsonrpc: '2.0', ...message }))
    transport.post(openResponse(), { frames, batch: messages.length > 1 }, accept)
  }
  const callOf = (id: number): object => {
    return { id, method: 'tools/call', params: { _meta: { progressToken: id } } }
  }
  for (let n = 0; n < count; n++) post(...Array.from({ length: 10 }, (_, m) => callOf(10 * n + m)))
  const progress = makeFrame({
    jsonrpc: '2.0',
    method: 'notifications/progress',
    params: { progressToken: 5, progress: 1 }
  })
  const note = makeFrame({ jsonrpc: '2.0', method: 'notifications/x' })
  // A collection of what the calls left would count as time of the messages.
  collectGarbage()
  const before = process.cpuUsage()
  for (let n = 0; n < 1000; n++) {
    post({ method: 'notifications/cancelled', params: { requestId: -1 } })
    transport.write(progress)
    transport.write(note)
  }
  await new Promise(setImmediate)
  const { user, system } = process.cpuUsage(before)
  transport.destroy()
  return (user + system) / 1000
}

test('a message costs no more with 50,000 pending calls than with 10', async (t) => {
  await timeOfMessages(10)
  const few: number[] = []
  const many: number[] = []
  for (let tries = 0; tries < 3; tries++) {
    few.push(await timeOfMessages(1))
    many.push(await timeOfMessages(5000))
  }
  t.ok(Math.min(...many) < 2 * Math.min(...few) + 20, `${few} ms, ${many} ms`)
})
