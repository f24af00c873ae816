// The sending side of an event stream, over real sockets.

import { test } from 'tap'
import { EventStream, whenWritable } from '../../lib/http-server/event-stream.ts'
import { makeFrame } from '../../lib/message/frame.ts'
import { collectGarbage } from '../memory.ts'
import { countTimers, receiveRequest, until } from './helpers.ts'

const frame = (method: string): ReturnType<typeof makeFrame> =>
  makeFrame({ jsonrpc: '2.0', method })

/** More than a socket takes while its far end does not read. */
const large = 'x'.repeat(16 * 1024 * 1024)

test('the headers come at once, and tell reverse proxies to forward each event', async (t) => {
  const { response, text } = await receiveRequest(t)
  const stream = new EventStream(response, 0, { 'x-more': 'yes' })
  const head = await text.until('\r\n\r\n')
  t.match(head, /^HTTP\/1\.1 200 OK\r\n/)
  t.match(head, /content-type: text\/event-stream\r\n/)
  t.match(head, /cache-control: no-cache, no-transform\r\n/)
  t.match(head, /x-accel-buffering: no\r\n/)
  t.match(head, /x-more: yes\r\n/)
  stream.end()
})

test('frames become events', async (t) => {
  const { response, text } = await receiveRequest(t)
  const stream = new EventStream(response, 0)
  await new Promise<void>((resolve) => stream.send(frame('a'), resolve))
  stream.write(Buffer.from('id: 1\ndata:\n\n'))
  // Node sends one chunk or two.
  t.match(
    await text.until('data:\n\n'),
    /event: message\ndata: {"jsonrpc":"2.0","method":"a"}\n\n(\r\n.*\r\n)?id: 1\ndata:\n\n/
  )
  t.ok(stream.connected)
  stream.end()
  t.notOk(stream.connected)
  t.ok(await text.until('\r\n0\r\n\r\n'))
})

test('a silent stream sends comments until it ends', async (t) => {
  const before = countTimers()
  const { response, text } = await receiveRequest(t)
  const stream = new EventStream(response, 10)
  await text.until(/:\n\n[^]*:\n\n/)
  stream.end()
  t.equal(countTimers(), before)

  const broken = await receiveRequest(t)
  new EventStream(broken.response, 10)
  await broken.text.until(':\n\n')
  broken.socket.destroy()
  await until(() => broken.response.destroyed)
  t.equal(countTimers(), before)
})

test('a client that does not read gets no comments', async (t) => {
  const { response, socket, text } = await receiveRequest(t)
  socket.pause()
  const stream = new EventStream(response, 5)
  let isWritable = false
  stream.write(Buffer.from(`data: ${large}\n\n`), () => (isWritable = true))
  const size = response.writableLength
  await new Promise((resolve) => setTimeout(resolve, 100))
  t.ok(response.writableLength <= size, 'no comment was added')
  t.notOk(isWritable, 'the sender still waits')
  socket.resume()
  await until(() => isWritable)
  await until(() => text.all.endsWith(':\n\n\r\n'))
  stream.end()
})

test('a stream without a client takes everything and keeps nothing', async (t) => {
  const { response, socket } = await receiveRequest(t)
  const stream = new EventStream(response, 0)
  socket.destroy()
  await new Promise((resolve) => response.once('close', resolve))
  t.notOk(stream.connected)
  await new Promise<void>((resolve) => stream.send(frame('a'), resolve))
  t.equal(response.writableLength, 0)
  stream.end()
})

test('a stream that outlives its response does not keep it in memory', async (t) => {
  // In a function of its own, because the variables of this test would keep the response.
  const streamOfClosed = async (): Promise<[EventStream, WeakRef<object>]> => {
    const { response, socket, text } = await receiveRequest(t)
    const stream = new EventStream(response, 1000)
    stream.end()
    await text.until('\r\n0\r\n\r\n')
    socket.destroy()
    await until(() => response.destroyed)
    return [stream, new WeakRef(response)]
  }
  const [stream, kept] = await streamOfClosed()
  await until(() => {
    collectGarbage()
    return kept.deref() === undefined
  })
  t.notOk(stream.connected)
  t.notOk(stream.broken, 'the client had received it')
  stream.giveWay()
  await new Promise<void>((resolve) => stream.whenTaken(resolve))
})

test('a response that is cut off is broken at once', async (t) => {
  const { response } = await receiveRequest(t)
  const stream = new EventStream(response, 0)
  t.notOk(stream.broken)
  response.destroy()
  t.ok(stream.broken)
  await until(() => response.closed)
  t.ok(stream.broken)
})

test('a write ends when the client disconnects', async (t) => {
  const { response, socket } = await receiveRequest(t)
  socket.pause()
  const stream = new EventStream(response, 0)
  const written = new Promise<void>((resolve) => stream.write(Buffer.from(large), resolve))
  socket.destroy()
  await written
  t.equal(response.listenerCount('drain'), 0)
})

test('a stream that gives way ends, or is cut off if the client does not read', async (t) => {
  const read = await receiveRequest(t)
  new EventStream(read.response, 0).giveWay()
  t.ok(await read.text.until('\r\n0\r\n\r\n'), 'ended')

  const unread = await receiveRequest(t)
  unread.socket.pause()
  const stream = new EventStream(unread.response, 0)
  const written = new Promise<void>((resolve) => stream.write(Buffer.from(large), resolve))
  stream.giveWay()
  await written
  t.ok(unread.response.destroyed)
})

test('a response that has ended is writable again when all of it has been sent', async (t) => {
  const { response, socket, text } = await receiveRequest(t)
  socket.pause()
  response.end(large)
  let isWritable = false
  whenWritable(response, () => (isWritable = true))
  await new Promise((resolve) => setTimeout(resolve, 50))
  t.notOk(isWritable)
  socket.resume()
  await until(() => isWritable)
  t.ok(response.writableFinished)
  await until(() => text.all.length > large.length)
  whenWritable(response, () => t.pass('at once'))
})
