// The serving side of an event stream, over real sockets.

import { test } from 'tap'
import { EventStream, whenWritable } from '../../lib/http-server/event-stream.ts'
import { makeFrame } from '../../lib/message/frame.ts'
import { countTimers, exchangeOver, until } from './helpers.ts'

const frame = (method: string): ReturnType<typeof makeFrame> =>
  makeFrame({ jsonrpc: '2.0', method })

/** More than any socket takes without being read. */
const large = 'x'.repeat(16 * 1024 * 1024)

test('the headers come at once, and tell all in between to hold nothing back', async (t) => {
  const { response, text } = await exchangeOver(t)
  const stream = new EventStream(response, 0, { 'x-more': 'yes' })
  const head = await text.until('\r\n\r\n')
  t.match(head, /^HTTP\/1\.1 200 OK\r\n/)
  t.match(head, /content-type: text\/event-stream\r\n/)
  t.match(head, /cache-control: no-cache, no-transform\r\n/)
  t.match(head, /x-accel-buffering: no\r\n/)
  t.match(head, /x-more: yes\r\n/)
  stream.end()
})

test('frames go out as events', async (t) => {
  const { response, text } = await exchangeOver(t)
  const stream = new EventStream(response, 0)
  await new Promise<void>((resolve) => stream.send(frame('a'), resolve))
  stream.write(Buffer.from('id: 1\ndata:\n\n'))
  // In one chunk or in two, as Node has it.
  t.match(
    await text.until('data:\n\n'),
    /event: message\ndata: {"jsonrpc":"2.0","method":"a"}\n\n(\r\n.*\r\n)?id: 1\ndata:\n\n/
  )
  t.ok(stream.connected)
  stream.end()
  t.notOk(stream.connected)
  t.ok(await text.until('\r\n0\r\n\r\n'))
})

test('a silent stream is kept alive by comments, until it ends', async (t) => {
  const before = countTimers()
  const { response, text } = await exchangeOver(t)
  const stream = new EventStream(response, 10)
  await text.until(/:\n\n[^]*:\n\n/)
  stream.end()
  t.equal(countTimers(), before)

  const broken = await exchangeOver(t)
  new EventStream(broken.response, 10)
  await broken.text.until(':\n\n')
  broken.socket.destroy()
  await until(() => broken.response.destroyed)
  t.equal(countTimers(), before)
})

test('a client that does not read gets no comments', async (t) => {
  const { response, socket, text } = await exchangeOver(t)
  socket.pause()
  const stream = new EventStream(response, 5)
  let isWritable = false
  stream.write(Buffer.from(`data: ${large}\n\n`), () => (isWritable = true))
  const size = response.writableLength
  await new Promise((resolve) => setTimeout(resolve, 100))
  t.ok(response.writableLength <= size, 'nothing was added')
  t.notOk(isWritable, 'and nothing more is asked for')
  socket.resume()
  await until(() => isWritable)
  await until(() => text.all.endsWith(':\n\n\r\n'))
  stream.end()
})

test('a stream to nobody takes everything and keeps nothing', async (t) => {
  const { response, socket } = await exchangeOver(t)
  const stream = new EventStream(response, 0)
  socket.destroy()
  await new Promise((resolve) => response.once('close', resolve))
  t.notOk(stream.connected)
  await new Promise<void>((resolve) => stream.send(frame('a'), resolve))
  t.equal(response.writableLength, 0)
  stream.end()
})

test('who waits for a client that goes away waits no longer', async (t) => {
  const { response, socket } = await exchangeOver(t)
  socket.pause()
  const stream = new EventStream(response, 0)
  const written = new Promise<void>((resolve) => stream.write(Buffer.from(large), resolve))
  socket.destroy()
  await written
  t.equal(response.listenerCount('drain'), 0)
})

test('a stream that gives way ends, or breaks off when its client does not read', async (t) => {
  const read = await exchangeOver(t)
  new EventStream(read.response, 0).giveWay()
  t.ok(await read.text.until('\r\n0\r\n\r\n'), 'ended')

  const unread = await exchangeOver(t)
  unread.socket.pause()
  const stream = new EventStream(unread.response, 0)
  const written = new Promise<void>((resolve) => stream.write(Buffer.from(large), resolve))
  stream.giveWay()
  await written
  t.ok(unread.response.destroyed)
})

test('a response that has ended is writable again when it has gone out', async (t) => {
  const { response, socket, text } = await exchangeOver(t)
  socket.pause()
  response.end(large)
  let hasGone = false
  whenWritable(response, () => (hasGone = true))
  await new Promise((resolve) => setTimeout(resolve, 50))
  t.notOk(hasGone)
  socket.resume()
  await until(() => hasGone)
  t.ok(response.writableFinished)
  await until(() => text.all.length > large.length)
  whenWritable(response, () => t.pass('at once'))
})
