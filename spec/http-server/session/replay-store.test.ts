// Event streams that outlive their connections.

import { test } from 'tap'
import type { Test } from 'tap'
import { EventStream } from '../../../lib/http-server/event-stream.ts'
import { ReplayStore } from '../../../lib/http-server/session/replay-store.ts'
import type { ResumableStream } from '../../../lib/http-server/session/replay-store.ts'
import { makeFrame } from '../../../lib/message/frame.ts'
import type { Frame } from '../../../lib/message/frame.ts'
import { receiveRequest } from '../helpers.ts'
import type { Text } from '../helpers.ts'

const noop = (): void => {}

/** A store, its warnings, and the error responses for the server. */
function createStore(maxSize = 0) {
  const warnings: string[] = []
  const refused: Frame[] = []
  const log = { debug: noop, info: noop, warn: (text: string) => warnings.push(text), error: noop }
  const store = new ReplayStore({ maxSize, log, onRefused: (response) => refused.push(response) })
  return { store, warnings, refused }
}

const notification = (method: string): Frame => makeFrame({ jsonrpc: '2.0', method })
const request = (id: number): Frame => makeFrame({ jsonrpc: '2.0', id, method: 'ask' })
const response = (id: number, result: unknown = {}): Frame =>
  makeFrame({ jsonrpc: '2.0', id, result })

async function connect(t: Test): Promise<{ stream: EventStream; text: Text }> {
  const { response, text } = await receiveRequest(t)
  return { stream: new EventStream(response, 0), text }
}

/** The events that a client gets when it resumes after the event with this number. */
async function fetch(
  t: Test,
  resumable: ResumableStream,
  after?: number
): Promise<[string, string][]> {
  const { stream, text } = await connect(t)
  resumable.attach(stream, after)
  stream.end()
  await text.until('\r\n0\r\n\r\n')
  return eventsIn(text.all)
}

function eventsIn(text: string): [string, string][] {
  const found = text.matchAll(/id: (\S+)\nevent: message\ndata: (.*)\n\n/g)
  return [...found].map(([, id = '', data = '']) => {
    const { method, id: of, error } = JSON.parse(data)
    return [id, method ?? (error ? `error ${of}` : `result ${of}`)]
  })
}

test('each event has an id that no other stream uses', async (t) => {
  const { store } = createStore()
  const one = store.createStream()
  const two = store.createStream()
  t.notOk(one.connected)
  const to = await connect(t)
  one.attach(to.stream)
  t.ok(one.connected)
  t.equal(one.lastId, '0-0')
  one.send(notification('a'), () => one.send(notification('b')))
  two.send(notification('c'))
  t.equal(one.lastId, '0-2')
  t.equal(two.lastId, '1-0', 'it has no connection')
  one.end()
  t.notOk(one.connected)
  await to.text.until('\r\n0\r\n\r\n')
  t.strictSame(eventsIn(to.text.all), [
    ['0-1', 'a'],
    ['0-2', 'b']
  ])
  t.strictSame(await fetch(t, two), [['1-1', 'c']])
})

test('a client that resumes gets what it missed, from that stream and no other', async (t) => {
  const { store } = createStore()
  const one = store.createStream()
  const two = store.createStream()
  for (const method of ['a', 'b', 'c']) {
    one.send(notification(method))
    two.send(notification(`other ${method}`))
  }
  t.match(store.find('0-1'), { stream: one, number: 1 })
  t.match(store.find('1-0'), { stream: two, number: 0 })
  t.strictSame(await fetch(t, one), [
    ['0-1', 'a'],
    ['0-2', 'b'],
    ['0-3', 'c']
  ])
  t.strictSame(await fetch(t, one), [], 'they have all been written')
  t.strictSame(
    await fetch(t, one, 1),
    [
      ['0-2', 'b'],
      ['0-3', 'c']
    ],
    'unless the client resumes earlier'
  )
  for (const id of ['2-0', '0', '', '-', '0-x', ' 0-1', '0-1-1', '-0-1']) {
    t.equal(store.find(id), undefined, `"${id}" names no stream`)
  }
})

test('a new connection takes the place of the old', async (t) => {
  const { store } = createStore()
  const resumable = store.createStream()
  const old = await connect(t)
  resumable.attach(old.stream)
  resumable.send(notification('a'))
  const next = await connect(t)
  resumable.attach(next.stream)
  t.ok(await old.text.until('\r\n0\r\n\r\n'), 'the old one ends')
  resumable.send(notification('b'))
  await next.text.until('"b"')
  t.strictSame(eventsIn(old.text.all), [['0-1', 'a']])
  t.strictSame(eventsIn(next.text.all), [['0-2', 'b']])
})

test('a stream that has ended sends the rest and ends again', async (t) => {
  const { store } = createStore()
  const resumable = store.createStream()
  resumable.send(response(1))
  resumable.end()
  t.ok(resumable.ended)
  const { stream, text } = await connect(t)
  resumable.attach(stream)
  await text.until('\r\n0\r\n\r\n')
  t.strictSame(eventsIn(text.all), [['0-1', 'result 1']])
})

test('the store keeps the newest events, up to its size', async (t) => {
  const { store, warnings } = createStore(4448)
  const resumable = store.createStream()
  for (const method of ['a', 'b', 'c', 'd', 'e', 'f']) resumable.send(notification(method))
  const kept = [...resumable.events.values()]
  // An event also has objects, for which the store counts 1024 bytes.
  t.ok(kept.reduce((sum, { bytes }) => sum + bytes.length + 1024, 0) <= 4448)
  t.strictSame(
    (await fetch(t, resumable, 0)).map(([, method]) => method),
    ['c', 'd', 'e', 'f']
  )
  t.equal(warnings.length, 2, 'with a warning for each that was not fetched')
  resumable.send(notification('x'.repeat(5000)))
  t.strictSame([...resumable.events.keys()], [7], 'the newest stays, whatever its size')
})

test('an event that was sent before is dropped without a warning', async (t) => {
  const { store, warnings, refused } = createStore(1212)
  const resumable = store.createStream()
  const { stream } = await connect(t)
  resumable.attach(stream)
  for (let id = 1; id < 10; id++) {
    resumable.send(request(id))
    resumable.send(response(id))
  }
  stream.end()
  t.equal(resumable.events.size, 1)
  t.strictSame(warnings, [])
  t.strictSame(refused, [])
})

test('the server gets an error for a request that was dropped', async (t) => {
  const { store, refused } = createStore(100)
  const resumable = store.createStream()
  for (let id = 1; id < 4; id++) resumable.send(request(id))
  t.strictSame(
    refused.map((frame) => frame.id),
    [1, 2]
  )
  t.match(refused[0]?.message(), { error: { code: -32000, message: /not fetched in time/ } })
})

test('a response that is dropped becomes an error, which is kept longer than other events', async (t) => {
  const { store } = createStore(3536)
  const call = store.createStream()
  call.send(notification('before'))
  call.send(response(1, 'x'.repeat(1000)))
  const small = store.createStream()
  small.send(response(2))
  for (const stream of [call, small]) stream.end()
  const other = store.createStream()
  for (let n = 0; n < 100; n++) other.send(notification('x'.repeat(100)))
  t.strictSame(await fetch(t, call, 0), [['0-2', 'error 1']])
  t.strictSame(await fetch(t, small, 0), [['1-1', 'result 2']], 'unless the error would be larger')
})

test('the errors in the place of responses are bounded too', async (t) => {
  const { store } = createStore(5000)
  const streams = []
  for (let id = 0; id < 100; id++) {
    const resumable = store.createStream()
    resumable.send(response(id, 'x'.repeat(500)))
    resumable.end()
    streams.push(resumable)
  }
  const kept = streams.filter(({ events }) => events.size > 0)
  t.ok(kept.length > 1 && kept.length < 10)
  t.equal(kept.at(-1), streams.at(-1), 'the newest are kept')
  t.equal(store.find('0-0'), undefined, 'the streams of the others are forgotten')
  t.ok(store.find('99-0'))
})

test('a large event is dropped as soon as its connection has taken it', async (t) => {
  const { store, warnings } = createStore(1512)
  const resumable = store.createStream()
  const { stream, text } = await connect(t)
  resumable.attach(stream)
  const large = response(1, 'x'.repeat(500_000))
  await new Promise<void>((resolve) => resumable.send(large, resolve))
  t.equal(resumable.events.size, 0)
  resumable.send(notification('small'))
  t.equal(resumable.events.size, 1)
  await text.until('small')
  t.strictSame(warnings, [])
})

test('a large event stays if its connection breaks, or if it is not the newest', async (t) => {
  const { store } = createStore(1512)
  const resumable = store.createStream()
  const { response: http } = await receiveRequest(t)
  resumable.attach(new EventStream(http, 0))
  const sent = new Promise<void>((resolve) =>
    resumable.send(response(1, 'x'.repeat(20_000_000)), resolve)
  )
  http.destroy()
  await sent
  t.strictSame([...resumable.events.keys()], [1])

  const other = store.createStream()
  const second = await connect(t)
  other.attach(second.stream)
  const taken = new Promise<void>((resolve) =>
    other.send(response(2, 'x'.repeat(500_000)), resolve)
  )
  other.send(notification('later'))
  await taken
  t.strictSame([...other.events.keys()], [2], 'the later event')
  t.equal(other.events.get(2)?.bytes.includes('later'), true)
})

test('a small event does not keep the memory of others', async (t) => {
  const { store } = createStore()
  const stream = store.createStream()
  stream.send(notification('a'))
  const { bytes } = stream.events.get(1) as { bytes: Buffer }
  t.equal(bytes.buffer.byteLength, bytes.length)
})

test('the store has room while nothing is lost that no client has received', async (t) => {
  const { store } = createStore(3000)
  const resumable = store.createStream()
  const large = notification('x'.repeat(2000))
  t.ok(store.hasRoomFor(large), 'an empty store takes anything')
  const small = notification('x'.repeat(500))
  resumable.send(small)
  t.notOk(store.hasRoomFor(small))
  t.ok(store.hasRoomFor(notification('a')))
  const { stream } = await connect(t)
  resumable.attach(stream)
  t.ok(store.hasRoomFor(large), 'the client has received what it keeps')
})

test('the client has all of a stream that ended, also if it ended without an event', async (t) => {
  const { store } = createStore()
  const stream = store.createStream()
  stream.send(notification('a'))
  t.notOk(store.hasAll(stream.idOf(1)), 'it goes on')
  stream.end()
  t.notOk(store.hasAll(stream.idOf(0)))
  t.ok(store.hasAll(stream.idOf(1)))
  t.notOk(store.hasAll('x'))
  const empty = Array.from({ length: 1001 }, () => store.createStream())
  for (const each of empty) each.end()
  const [oldest, next] = empty as [ResumableStream, ResumableStream]
  t.ok(store.hasAll(next.lastId))
  t.equal(store.find(next.lastId), undefined, 'it takes no memory')
  t.notOk(store.hasAll(oldest.lastId), 'the newest 1000 are known')
})
