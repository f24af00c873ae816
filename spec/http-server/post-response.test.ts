// One POST with requests, and how it is answered.

import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { test } from 'tap'
import type { Test } from 'tap'
import { EventStream } from '../../lib/http-server/event-stream.ts'
import { PostResponse } from '../../lib/http-server/post-response.ts'
import type { Accept, PostResponseOwner } from '../../lib/http-server/post-response.ts'
import { makeFrame } from '../../lib/message/frame.ts'
import type { Frame } from '../../lib/message/frame.ts'
import { DeadlineQueue } from '../../lib/streams/deadline-queue.ts'
import { countTimers, exchangeOver } from './helpers.ts'
import type { Text } from './helpers.ts'

const request = (id: number | string, progressToken?: number): Frame =>
  makeFrame({ jsonrpc: '2.0', id, method: 'x', params: { _meta: { progressToken } } })
const result = (id: number | string): Frame => makeFrame({ jsonrpc: '2.0', id, result: `r${id}` })
const note = (method = 'note'): Frame => makeFrame({ jsonrpc: '2.0', method })

const eventOf = (frame: Frame): string => `event: message\ndata: ${frame}\n\n`
const opened = /content-type: text\/event-stream\r\n[^]*\r\n\r\n/

interface Opened {
  exchange: PostResponse
  text: Text
  /** How often it has told that it ended. */
  ends: () => number
  /** Breaks the connection; resolves when that has been noticed. */
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
  const { response, socket, text } = await exchangeOver(t)
  let ends = 0
  const { accept = { json: true, events: true }, batch = false, streamAfter = 0 } = options
  const deadlines = new DeadlineQueue(streamAfter)
  t.teardown(() => deadlines.stop())
  const owner: PostResponseOwner = {
    deadlines,
    headOf: () => ({ status: 200, headers: { 'x-more': 'yes' } }),
    openStream: (response) => new EventStream(response, 0),
    postOnEnd: () => ends++
  }
  const exchange = new PostResponse(owner, response, frames, batch, accept)
  const breakOff = async (): Promise<void> => {
    const closed = new Promise((resolve) => response.once('close', resolve))
    socket.destroy()
    await closed
  }
  return {
    exchange,
    text,
    ends: () => ends,
    breakOff,
    stall: () => socket.pause(),
    socket,
    response
  }
}

test('a response that comes first is the answer, as JSON', async (t) => {
  const { exchange, text, ends } = await open(t, [request(1)])
  t.ok(exchange.connected)
  t.notOk(exchange.ended)
  await new Promise<void>((resolve) => exchange.send(result(1), resolve))
  t.ok(exchange.ended)
  t.equal(ends(), 1)
  const all = await text.until(/\}$/)
  t.match(all, /^HTTP\/1\.1 200 [^]*content-type: application\/json\r\n[^]*x-more: yes\r\n/)
  t.ok(all?.endsWith(`\r\n\r\n${result(1)}`))
})

test('an answer as JSON is whole, however large and whatever its bytes', async (t) => {
  const limit = 64 * 1024 // up to here it goes out as one string with its headers
  const letters = '\u0080\u00ff é – 日本 😀 \\"\u2028\u0000\n'
  for (const size of [100, limit - 1, limit, limit + 1, 5 * limit]) {
    for (const batch of [false, true]) {
      const sample = makeFrame({ jsonrpc: '2.0', id: 1, result: letters })
      const left = size - sample.bytes.length - (batch ? 2 : 0)
      const frame = makeFrame({ jsonrpc: '2.0', id: 1, result: letters + 'x'.repeat(left) })
      const body = batch ? `[${frame}]` : String(frame)
      const { exchange, text } = await open(t, [request(1)], { batch })
      await new Promise<void>((resolve) => exchange.send(frame, resolve))
      await text.until(batch ? /\}\]$/ : /\}$/)
      const [head = '', ...rest] = text.all.split('\r\n\r\n')
      t.match(head, new RegExp(`\r\ncontent-length: ${size}(\r|$)`))
      t.notMatch(head, /transfer-encoding/i)
      t.ok(rest.join('') === body, `${size} bytes${batch ? ' of a batch' : ''}`)
    }
  }
})

test('a small answer comes together with its headers', async (t) => {
  const { exchange, socket, text } = await open(t, [request(1)])
  const first = once(socket, 'data')
  exchange.send(result(1))
  await first
  t.ok(text.all.endsWith(`\r\n\r\n${result(1)}`))
})

test('a message that comes first opens a stream, which ends after the response', async (t) => {
  for (const first of [note(), makeFrame({ jsonrpc: '2.0', id: 'q', method: 'ask' })]) {
    const { exchange, text, ends } = await open(t, [request(1)])
    exchange.send(first)
    t.match(await text.until(`${first}\n\n`), opened)
    t.ok(exchange.connected)
    exchange.send(result(1))
    t.equal(ends(), 1)
    t.ok(await text.until(`${eventOf(result(1))}\r\n0\r\n\r\n`))
  }
})

test('silence opens a stream in time, and the wait for it ends with the answer', async (t) => {
  const { exchange, text } = await open(t, [request(1)], { streamAfter: 20 })
  t.ok(exchange.pending)
  t.match(await text.until(opened), opened)
  t.notOk(exchange.pending)
  exchange.send(result(1))
  t.ok(await text.until(`${eventOf(result(1))}\r\n0\r\n\r\n`))

  const quick = await open(t, [request(1)], { streamAfter: 20 })
  quick.exchange.send(result(1))
  t.notOk(quick.exchange.pending)
  t.match(await quick.text.until(/\}$/), 'application/json')

  const noted = await open(t, [request(1)], { streamAfter: 60_000 })
  noted.exchange.send(note())
  t.notOk(noted.exchange.pending)
  const broken = await open(t, [request(1)], { streamAfter: 60_000 })
  await broken.breakOff()
  t.notOk(broken.exchange.pending)
})

test('a client that takes only events gets a stream at once', async (t) => {
  const { exchange, text } = await open(t, [request(1)], { accept: { json: false, events: true } })
  t.match(await text.until('\r\n\r\n'), opened)
  exchange.send(result(1))
  t.ok(await text.until(`${eventOf(result(1))}\r\n0\r\n\r\n`))
})

test('a client that takes only JSON never gets a stream', async (t) => {
  const before = countTimers()
  const accept = { json: true, events: false }
  const { exchange, text } = await open(t, [request(1)], { accept, streamAfter: 1 })
  t.notOk(exchange.streams)
  t.equal(countTimers(), before)
  exchange.send(result(1))
  t.match(await text.until(/\}$/), 'application/json')
})

test('progress belongs to the exchange whose request asked for it', async (t) => {
  const { exchange } = await open(t, [request(1), request(2, 7)])
  t.ok(exchange.expects(7))
  t.notOk(exchange.expects(1))
  for (const id of [1, 2]) exchange.send(result(id))
})

test('a batch is answered as an array when all of it has been, in the order of the answers', async (t) => {
  const { exchange, text, ends } = await open(t, [request(1), request('2'), request(3)], {
    batch: true
  })
  await new Promise<void>((resolve) => exchange.send(result('2'), resolve))
  await new Promise<void>((resolve) => exchange.send(result(3), resolve))
  t.equal(ends(), 0)
  t.notOk(exchange.ended)
  exchange.send(result(1))
  t.equal(ends(), 1)
  const all = await text.until(/\]$/)
  t.ok(all?.endsWith(`\r\n\r\n[${result('2')},${result(3)},${result(1)}]`))
})

test('a batch of one is answered as an array all the same', async (t) => {
  const { exchange, text } = await open(t, [request(1)], { batch: true })
  exchange.send(result(1))
  t.ok((await text.until(/\]$/))?.endsWith(`\r\n\r\n[${result(1)}]`))
})

test('the answers that a batch has got go first on a stream that opens after them', async (t) => {
  const { exchange, text, ends } = await open(t, [request(1), request(2)], { batch: true })
  exchange.send(result(1))
  exchange.send(note())
  t.match(await text.until(eventOf(note())), opened)
  t.ok(text.all.indexOf(eventOf(result(1))) < text.all.indexOf(eventOf(note())))
  t.equal(ends(), 0)
  exchange.send(result(2))
  t.equal(ends(), 1)
  t.ok(await text.until(`${eventOf(result(2))}\r\n0\r\n\r\n`))
})

test('a connection that breaks before there is a stream ends the exchange', async (t) => {
  const { exchange, ends, breakOff } = await open(t, [request(1)])
  await breakOff()
  t.equal(ends(), 1)
  t.notOk(exchange.connected)
  let calls = 0
  exchange.send(note(), () => calls++)
  exchange.send(result(1), () => calls++)
  t.equal(calls, 2, 'what comes too late is taken and goes nowhere')
  t.equal(ends(), 1)
})

test('a connection that breaks after there is one does not: the client can come back', async (t) => {
  const { exchange, ends, breakOff } = await open(t, [request(1)])
  exchange.send(note())
  await breakOff()
  t.equal(ends(), 0)
  t.ok(exchange.streams)
  t.notOk(exchange.connected)
  exchange.send(result(1))
  t.equal(ends(), 1)
})

test('a connection that breaks while an answer goes out is no matter', async (t) => {
  const large = makeFrame({ jsonrpc: '2.0', id: 1, result: 'x'.repeat(16 * 1024 * 1024) })
  for (const batch of [false, true]) {
    const { exchange, ends, breakOff, stall } = await open(t, [request(1)], { batch })
    stall()
    const taken = new Promise<void>((resolve) => exchange.send(large, resolve))
    t.ok(exchange.ended)
    await breakOff()
    await taken
    t.equal(ends(), 1)
  }
})

test('a response that was destroyed a moment ago takes what is said all the same', async (t) => {
  for (const frames of [[result(1)], [note(), result(1)]]) {
    const before = countTimers()
    const { exchange, ends, response } = await open(t, [request(1)])
    const closed = once(response, 'close')
    response.destroy()
    t.notOk(exchange.connected)
    let calls = 0
    for (const frame of frames) exchange.send(frame, () => calls++)
    await closed
    t.equal(calls, frames.length)
    t.equal(ends(), 1)
    t.equal(countTimers(), before)
  }
})

test('who answers pending for the client to read', async (t) => {
  const large = makeFrame({ jsonrpc: '2.0', id: 1, result: 'x'.repeat(16 * 1024 * 1024) })
  for (const events of [true, false]) {
    const { exchange, breakOff, stall } = await open(t, [request(1)])
    stall()
    if (events) exchange.send(note())
    let isTaken = false
    exchange.send(large, () => (isTaken = true))
    await new Promise((resolve) => setTimeout(resolve, 50))
    t.notOk(isTaken)
    await breakOff()
    t.ok(isTaken, 'or to go')
  }
})
