// The HTTP response to one POST with requests.

import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { test } from 'tap'
import type { Test } from 'tap'
import { internalError, ProxyError } from '../../lib/errors.ts'
import { EventStream } from '../../lib/http-server/event-stream.ts'
import { silent } from '../../lib/log.ts'
import { PostResponse } from '../../lib/http-server/post-response.ts'
import type { PostResponseOwner } from '../../lib/http-server/post-response.ts'
import type { Accept } from '../../lib/http-server/request-context.ts'
import { makeFrame } from '../../lib/message/frame.ts'
import type { Frame } from '../../lib/message/frame.ts'
import { errorFrame } from '../../lib/message/refusal.ts'
import { DeadlineQueue } from '../../lib/streams/deadline-queue.ts'
import { countTimers, receiveRequest } from './helpers.ts'
import type { Text } from './helpers.ts'

const request = (id: number | string, progressToken?: number): Frame =>
  makeFrame({ jsonrpc: '2.0', id, method: 'x', params: { _meta: { progressToken } } })
const result = (id: number | string): Frame => makeFrame({ jsonrpc: '2.0', id, result: `r${id}` })
const note = (method = 'note'): Frame => makeFrame({ jsonrpc: '2.0', method })

const eventOf = (frame: Frame): string => `event: message\ndata: ${frame}\n\n`
const opened = /content-type: text\/event-stream\r\n[^]*\r\n\r\n/

interface Opened {
  post: PostResponse
  text: Text
  /** How often `postOnEnd` was called. */
  ends: () => number
  /** Breaks the connection. Resolves when the response has closed. */
  breakOff(): Promise<void>
  stall(): void
  socket: Socket
  response: ServerResponse
}

async function open(
  t: Test,
  frames: Frame[],
  options: { accept?: Accept; batch?: boolean; streamAfter?: number } = {}
): Promise<Opened> {
  const { response, socket, text } = await receiveRequest(t)
  let ends = 0
  const { accept = { json: true, events: true }, batch = false, streamAfter = 0 } = options
  const deadlines = new DeadlineQueue(streamAfter)
  t.teardown(() => deadlines.stop())
  const owner: PostResponseOwner = {
    log: silent,
    deadlines,
    headFor: () => ({ status: 200, headers: { 'x-more': 'yes' } }),
    openStream: (response) => new EventStream(response, 0),
    postOnEnd: () => ends++,
    fault: (cause) => t.fail(String(cause))
  }
  const post = new PostResponse(owner, response, frames, batch, accept)
  post.start()
  const breakOff = async (): Promise<void> => {
    const closed = new Promise((resolve) => response.once('close', resolve))
    socket.destroy()
    await closed
  }
  return {
    post,
    text,
    ends: () => ends,
    breakOff,
    stall: () => socket.pause(),
    socket,
    response
  }
}

test('a response that comes first makes the HTTP response JSON', async (t) => {
  const { post, text, ends } = await open(t, [request(1)])
  t.ok(post.connected)
  t.notOk(post.ended)
  await new Promise<void>((resolve) => post.send(result(1), resolve))
  t.ok(post.ended)
  t.equal(ends(), 1)
  const all = await text.until(/\}$/)
  t.match(all, /^HTTP\/1\.1 200 [^]*content-type: application\/json\r\n[^]*x-more: yes\r\n/)
  t.ok(all?.endsWith(`\r\n\r\n${result(1)}`))
})

test('a JSON body is complete, whatever its size and its bytes', async (t) => {
  const limit = 64 * 1024 // up to this size it is sent as one string with its headers
  const letters = '\u0080\u00ff é – 日本 😀 \\"\u2028\u0000\n'
  for (const size of [100, limit - 1, limit, limit + 1, 5 * limit]) {
    for (const batch of [false, true]) {
      const sample = makeFrame({ jsonrpc: '2.0', id: 1, result: letters })
      const left = size - sample.bytes.length - (batch ? 2 : 0)
      const frame = makeFrame({ jsonrpc: '2.0', id: 1, result: letters + 'x'.repeat(left) })
      const body = batch ? `[${frame}]` : String(frame)
      const { post, text } = await open(t, [request(1)], { batch })
      await new Promise<void>((resolve) => post.send(frame, resolve))
      await text.until(batch ? /\}\]$/ : /\}$/)
      const [head = '', ...rest] = text.all.split('\r\n\r\n')
      t.match(head, new RegExp(`\r\ncontent-length: ${size}(\r|$)`))
      t.notMatch(head, /transfer-encoding/i)
      t.ok(rest.join('') === body, `${size} bytes${batch ? ' of a batch' : ''}`)
    }
  }
})

test('a small JSON body comes together with its headers', async (t) => {
  const { post, socket, text } = await open(t, [request(1)])
  const first = once(socket, 'data')
  post.send(result(1))
  await first
  t.ok(text.all.endsWith(`\r\n\r\n${result(1)}`))
})

test('a message that comes first opens a stream, which ends after the response', async (t) => {
  for (const first of [note(), makeFrame({ jsonrpc: '2.0', id: 'q', method: 'ask' })]) {
    const { post, text, ends } = await open(t, [request(1)])
    post.send(first)
    t.match(await text.until(`${first}\n\n`), opened)
    t.ok(post.connected)
    post.send(result(1))
    t.equal(ends(), 1)
    t.ok(await text.until(`${eventOf(result(1))}\r\n0\r\n\r\n`))
  }
})

test('a stream opens at the deadline if nothing has come', async (t) => {
  const { post, text } = await open(t, [request(1)], { streamAfter: 20 })
  t.ok(post.pending)
  t.match(await text.until(opened), opened)
  t.notOk(post.pending)
  post.send(result(1))
  t.ok(await text.until(`${eventOf(result(1))}\r\n0\r\n\r\n`))

  const quick = await open(t, [request(1)], { streamAfter: 20 })
  quick.post.send(result(1))
  t.notOk(quick.post.pending)
  t.match(await quick.text.until(/\}$/), 'application/json')

  const noted = await open(t, [request(1)], { streamAfter: 60_000 })
  noted.post.send(note())
  t.notOk(noted.post.pending)
  const broken = await open(t, [request(1)], { streamAfter: 60_000 })
  await broken.breakOff()
  t.notOk(broken.post.pending)
})

test('the error response for an internal failure has the status 500', async (t) => {
  const { post, text } = await open(t, [request(1)])
  post.send(errorFrame(1, internalError()))
  t.match(await text.until(/\}$/), /^HTTP\/1\.1 500 [^]*"id":1,"error":\{"code":-32603/)

  const other = await open(t, [request(1)])
  other.post.send(errorFrame(1, new ProxyError('ERR_SERVER_EXITED', 'it exited')))
  t.match(await other.text.until(/\}$/), /^HTTP\/1\.1 200 /, 'the owner decides on other errors')
})

test('a client that takes only events gets a stream at once', async (t) => {
  const { post, text } = await open(t, [request(1)], { accept: { json: false, events: true } })
  t.match(await text.until('\r\n\r\n'), opened)
  post.send(result(1))
  t.ok(await text.until(`${eventOf(result(1))}\r\n0\r\n\r\n`))
})

test('a client that takes only JSON never gets a stream', async (t) => {
  const before = countTimers()
  const accept = { json: true, events: false }
  const { post, text } = await open(t, [request(1)], { accept, streamAfter: 1 })
  t.notOk(post.streams)
  t.equal(countTimers(), before)
  post.send(result(1))
  t.match(await text.until(/\}$/), 'application/json')
})

test('the responses to a batch form an array, in the order in which they came', async (t) => {
  const { post, text, ends } = await open(t, [request(1), request('2'), request(3)], {
    batch: true
  })
  await new Promise<void>((resolve) => post.send(result('2'), resolve))
  await new Promise<void>((resolve) => post.send(result(3), resolve))
  t.equal(ends(), 0)
  t.notOk(post.ended)
  post.send(result(1))
  t.equal(ends(), 1)
  const all = await text.until(/\]$/)
  t.ok(all?.endsWith(`\r\n\r\n[${result('2')},${result(3)},${result(1)}]`))
})

test('the response to a batch of one is an array too', async (t) => {
  const { post, text } = await open(t, [request(1)], { batch: true })
  post.send(result(1))
  t.ok((await text.until(/\]$/))?.endsWith(`\r\n\r\n[${result(1)}]`))
})

test('a stream that opens late begins with the responses that came before', async (t) => {
  const { post, text, ends } = await open(t, [request(1), request(2)], { batch: true })
  post.send(result(1))
  post.send(note())
  t.match(await text.until(eventOf(note())), opened)
  t.ok(text.all.indexOf(eventOf(result(1))) < text.all.indexOf(eventOf(note())))
  t.equal(ends(), 0)
  post.send(result(2))
  t.equal(ends(), 1)
  t.ok(await text.until(`${eventOf(result(2))}\r\n0\r\n\r\n`))
})

test('a connection that breaks before a stream opens ends the POST', async (t) => {
  const { post, ends, breakOff } = await open(t, [request(1)])
  await breakOff()
  t.equal(ends(), 1)
  t.notOk(post.connected)
  let calls = 0
  post.send(note(), () => calls++)
  post.send(result(1), () => calls++)
  t.equal(calls, 2, 'a late message is taken and dropped')
  t.equal(ends(), 1)
})

test('a connection that breaks after a stream has opened does not: the client can resume', async (t) => {
  const { post, ends, breakOff } = await open(t, [request(1)])
  post.send(note())
  await breakOff()
  t.equal(ends(), 0)
  t.ok(post.streams)
  t.notOk(post.connected)
  post.send(result(1))
  t.equal(ends(), 1)
})

test('a connection that breaks while a response is sent does no harm', async (t) => {
  const large = makeFrame({ jsonrpc: '2.0', id: 1, result: 'x'.repeat(16 * 1024 * 1024) })
  for (const batch of [false, true]) {
    const { post, ends, breakOff, stall } = await open(t, [request(1)], { batch })
    stall()
    const taken = new Promise<void>((resolve) => post.send(large, resolve))
    t.ok(post.ended)
    await breakOff()
    await taken
    t.equal(ends(), 1)
  }
})

test('a response that has just been destroyed takes and drops what is sent', async (t) => {
  for (const frames of [[result(1)], [note(), result(1)]]) {
    const before = countTimers()
    const { post, ends, response } = await open(t, [request(1)])
    const closed = once(response, 'close')
    response.destroy()
    t.notOk(post.connected)
    let calls = 0
    for (const frame of frames) post.send(frame, () => calls++)
    await closed
    t.equal(calls, frames.length)
    t.equal(ends(), 1)
    t.equal(countTimers(), before)
  }
})

test('a sender waits until the client reads or disconnects', async (t) => {
  const large = makeFrame({ jsonrpc: '2.0', id: 1, result: 'x'.repeat(16 * 1024 * 1024) })
  for (const events of [true, false]) {
    const { post, breakOff, stall } = await open(t, [request(1)])
    stall()
    if (events) post.send(note())
    let isTaken = false
    post.send(large, () => (isTaken = true))
    await new Promise((resolve) => setTimeout(resolve, 50))
    t.notOk(isTaken)
    await breakOff()
    t.ok(isTaken, 'or has disconnected')
  }
})

test('a client that has disconnected before is noticed', async (t) => {
  const { response, socket } = await receiveRequest(t)
  const closed = once(response, 'close')
  socket.destroy()
  await closed
  const calls: unknown[] = []
  const owner: PostResponseOwner = {
    log: silent,
    deadlines: new DeadlineQueue(0),
    headFor: () => ({ status: 200 }),
    openStream: (response) => new EventStream(response, 0),
    postOnEnd: () => calls.push('end'),
    postOnClose: (_post, complete) => calls.push(complete),
    fault: (cause) => calls.push(cause)
  }
  const post = new PostResponse(owner, response, [request(1)], false, { json: true, events: true })
  t.notOk(post.connected)
  await new Promise((resolve) => setImmediate(resolve))
  t.strictSame(calls, ['end', false])
})

test('a response that has ended before it starts stays as it is', async (t) => {
  const { post, text } = await open(t, [request(1)])
  post.send(result(1))
  await text.until('r1')
  post.start()
  t.equal(post.stream, undefined)
})
