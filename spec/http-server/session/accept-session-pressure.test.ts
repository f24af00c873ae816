// The session's transport: backpressure in both directions, and what it leaves behind.

import { test } from 'tap'
import type { Frame } from '../../../lib/message/frame.ts'
import { collectGarbage } from '../../memory.ts'
import { countTimers, FakeServer, json, respondAsUsual, serve, settled, until } from '../helpers.ts'

const call = (id: number): string => json({ id, method: 'tools/call' })
const text = 'x'.repeat(64 * 1024)
const mebibyte = 1024 * 1024

/** Has the server send messages as fast as they are taken, up to `count`. */
function flood(server: FakeServer, count: number): { said: number; done: Promise<void> } {
  const progress = { said: 0, done: Promise.resolve() }
  const run = async (): Promise<void> => {
    for (let n = 1; n <= count; n++) {
      await server.notify('notifications/message', { text })
      progress.said = n
    }
  }
  progress.done = run()
  return progress
}

// The first test, because it would count what other tests have open.
test('a closed listener leaves no timer, no connection and no event listener behind', async (t) => {
  const openHandles = (): number =>
    process.getActiveResourcesInfo().filter((name) => /Timeout|TCP|TLS|HTTP/.test(name)).length
  const before = openHandles()
  const { session, sse, listener, ended } = await serve(t, { streamAfter: 60_000 })
  const { client, server } = await session()
  const { client: old } = await sse()
  await client.openGet()
  const post = client.post(call(1))
  await server.got('tools/call')
  await listener.close(10)
  await post
  client.close()
  old.close()
  await ended.until(() => ended.length === 2)
  // `until` uses a timer itself.
  await until(() => openHandles() <= before)
  t.equal(server.listenerCount('drain'), 0)
  t.equal(listener.sessions, 0)
})

test('a client that does not read its stream stops its own server and no other', async (t) => {
  const { session } = await serve(t)
  for (const kind of ['GET', 'POST']) {
    const { client, server } = await session()
    const other = await session()
    const opening = kind === 'GET' ? client.openGet() : client.openPost(call(1))
    if (kind === 'POST') {
      await server.got('tools/call')
      await server.notify('notifications/message', { text: 'first' })
    }
    const stream = await opening
    stream.response.pause()
    const flooding = flood(server, 600)
    const before = process.memoryUsage.rss()
    const said = await settled(() => flooding.said)
    t.ok(said < 500, `${kind}: it stopped after ${said} messages`)
    t.ok(process.memoryUsage.rss() - before < 100 * mebibyte, 'memory is bounded')
    t.match(await other.client.request('ping'), { result: {} })
    stream.response.resume()
    await flooding.done
    if (kind === 'POST') await server.say({ id: 1, result: {} })
    const last = kind === 'GET' ? 601 : 603
    await stream.events.until(() => stream.events.length === last)
    t.match(await client.request('ping'), { result: {} }, 'the session goes on')
  }
})

test('a client that does not read its responses stops its own server', async (t) => {
  const { session } = await serve(t)
  const { client, server } = await session()
  const opening = client.open('POST', call(1))
  await server.got('tools/call')
  await server.say({ id: 1, result: 'x'.repeat(32 * mebibyte) })
  const flooding = flood(server, 100)
  const response = await opening
  response.pause()
  t.ok((await settled(() => flooding.said)) < 100)
  response.resume()
  const stream = await client.openGet()
  await flooding.done
  await stream.events.until(() => stream.events.length === 101)
})

test('a server that does not read stops its client: POSTs wait for their 202', async (t) => {
  const { session } = await serve(t)
  const { client, server } = await session()
  server.stop()
  let accepted = 0
  const posts = Array.from({ length: 100 }, async (_, n) => {
    const { status } = await client.notify('notifications/x', { n })
    t.equal(status, 202)
    accepted++
  })
  t.ok((await settled(() => accepted)) < 100)
  const call = client.request('ping')
  server.goOn()
  await Promise.all(posts)
  t.match(await call, { result: {} })
  t.equal(server.received.filter(({ method }) => method === 'notifications/x').length, 100)
})

test('POSTs that wait for a server get a response when the session ends', async (t) => {
  const { session } = await serve(t)
  const { client, server } = await session()
  server.stop()
  let settledPosts = 0
  const posts = Array.from({ length: 100 }, async (_, n) => {
    const { status } = await client.post(json({ method: 'notifications/x', params: { n } }))
    t.ok(status === 202 || status === 404, `${status}`)
    settledPosts++
  })
  await settled(() => settledPosts)
  await client.delete()
  await Promise.all(posts)
})

/** Keeps weak references to its frames, so that they can be collected. */
class ForgetfulServer extends FakeServer {
  readonly frames: WeakRef<Frame>[] = []

  override _write(frame: Frame, encoding: BufferEncoding, callback: () => void): void {
    this.frames.push(new WeakRef(frame))
    super._write(frame, encoding, callback)
    this.received.length = 0
  }
}

test('thousands of requests leave no timer and no frame in memory', async (t) => {
  const { session } = await serve(t, { maxReplay: 64 * 1024 }, () => {
    return new ForgetfulServer((message, server) => {
      respondAsUsual(message, server)
      const { id, method } = message
      if (method !== 'tools/call') return
      // Every other response goes out on an event stream.
      if (id % 2 === 0) void server.notify('notifications/message', { text: 'a' })
      void server.respond(message)
    })
  })
  const { client, server } = await session()
  const timers = countTimers()
  for (let n = 0; n < 2000; n += 10) {
    await Promise.all(Array.from({ length: 10 }, (_, m) => client.post(call(n + m))))
  }
  t.equal(countTimers(), timers)
  const { frames } = server as ForgetfulServer
  t.ok(frames.length > 2000)
  await until(() => {
    collectGarbage()
    return frames.filter((ref) => ref.deref() !== undefined).length < 20
  })
})
