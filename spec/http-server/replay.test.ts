// Event streams that outlive their connections.

import { test } from 'tap'
import type { Test } from 'tap'
import { EventStream } from '../../lib/http-server/event-stream.ts'
import { ReplayStore } from '../../lib/http-server/replay.ts'
import type { ResumableStream } from '../../lib/http-server/replay.ts'
import { makeFrame } from '../../lib/message/frame.ts'
import type { Frame } from '../../lib/message/frame.ts'
import { exchangeOver } from './helpers.ts'
import type { Text } from './helpers.ts'

const noop = (): void => {}

/** A store, and what it says. */
function createStore(maxSize = 0) {
  const warnings: string[] = []
  const refused: Frame[] = []
  const log = { debug: noop, info: noop, warn: (text: string) => warnings.push(text), error: noop }
  const store = new ReplayStore({ maxSize, log, onRefused: (answer) => refused.push(answer) })
  return { store, warnings, refused }
}

const notification = (method: string): Frame => makeFrame({ jsonrpc: '2.0', method })
const request = (id: number): Frame => makeFrame({ jsonrpc: '2.0', id, method: 'ask' })
const response = (id: number, result: unknown = {}): Frame =>
  makeFrame({ jsonrpc: '2.0', id, result })

async function connect(t: Test): Promise<{ stream: EventStream; text: Text }> {
  const { response, text } = await exchangeOver(t)
  return { stream: new EventStream(response, 0), text }
}

/** What a client gets that comes back with this id, by the end of the stream or until `last`. */
async function fetch(
  t: Test,
  channel: ResumableStream,
  after?: number
): Promise<[string, string][]> {
  const { stream, text } = await connect(t)
  channel.attach(stream, after)
  stream.end()
  await text.until('\r\n0\r\n\r\n')
  return eventsIn(text.all)
}

function eventsIn(text: string): [string, string][] {
  const found = text.matchAll(/id: (\S+)\nevent: message\ndata: (.*)\n\n/g)
  return [...found].map(([, id = '', data = '']) => {
    const { method, id: answered, error } = JSON.parse(data)
    return [id, method ?? (error ? `error ${answered}` : `result ${answered}`)]
  })
}

test('what is sent goes out with ids, unlike on every channel', async (t) => {
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
  t.equal(two.lastId, '1-0', 'nothing went out')
  one.end()
  t.notOk(one.connected)
  await to.text.until('\r\n0\r\n\r\n')
  t.strictSame(eventsIn(to.text.all), [
    ['0-1', 'a'],
    ['0-2', 'b']
  ])
  t.strictSame(await fetch(t, two), [['1-1', 'c']])
})

test('a client that comes back gets what it has not, from that channel and no other', async (t) => {
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
  t.strictSame(await fetch(t, one), [], 'it has them all')
  t.strictSame(
    await fetch(t, one, 1),
    [
      ['0-2', 'b'],
      ['0-3', 'c']
    ],
    'or says that it has not'
  )
  for (const id of ['2-0', '0', '', '-', '0-x', ' 0-1', '0-1-1', '-0-1']) {
    t.equal(store.find(id), undefined, `"${id}" is of no channel`)
  }
})

test('a new connection takes the place of the old', async (t) => {
  const { store } = createStore()
  const channel = store.createStream()
  const old = await connect(t)
  channel.attach(old.stream)
  channel.send(notification('a'))
  const next = await connect(t)
  channel.attach(next.stream)
  t.ok(await old.text.until('\r\n0\r\n\r\n'), 'the old one ends')
  channel.send(notification('b'))
  await next.text.until('"b"')
  t.strictSame(eventsIn(old.text.all), [['0-1', 'a']])
  t.strictSame(eventsIn(next.text.all), [['0-2', 'b']])
})

test('a channel that has ended gives what is left and ends again', async (t) => {
  const { store } = createStore()
  const channel = store.createStream()
  channel.send(response(1))
  channel.end()
  t.ok(channel.ended)
  const { stream, text } = await connect(t)
  channel.attach(stream)
  await text.until('\r\n0\r\n\r\n')
  t.strictSame(eventsIn(text.all), [['0-1', 'result 1']])
})

test('the store keeps the newest, up to its size', async (t) => {
  const { store, warnings } = createStore(300)
  const channel = store.createStream()
  for (const method of ['a', 'b', 'c', 'd', 'e', 'f']) channel.send(notification(method))
  const kept = [...channel.events.values()]
  t.ok(kept.reduce((sum, { bytes }) => sum + bytes.length, 0) <= 300)
  t.strictSame(
    (await fetch(t, channel, 0)).map(([, method]) => method),
    ['c', 'd', 'e', 'f']
  )
  t.equal(warnings.length, 2, 'and tells of those that nobody has got')
  channel.send(notification('x'.repeat(1000)))
  t.strictSame([...channel.events.keys()], [7], 'the newest of any size')
})

test('what is dropped after it went out is not told of', async (t) => {
  const { store, warnings, refused } = createStore(100)
  const channel = store.createStream()
  const { stream } = await connect(t)
  channel.attach(stream)
  for (let id = 1; id < 10; id++) {
    channel.send(request(id))
    channel.send(response(id))
  }
  stream.end()
  t.equal(channel.events.size, 1)
  t.strictSame(warnings, [])
  t.strictSame(refused, [])
})

test('a request that is dropped is answered with an error', async (t) => {
  const { store, refused } = createStore(100)
  const channel = store.createStream()
  for (let id = 1; id < 4; id++) channel.send(request(id))
  t.strictSame(
    refused.map((frame) => frame.id),
    [1, 2]
  )
  t.match(refused[0]?.message(), { error: { code: -32000, message: /not fetched in time/ } })
})

test('an answer that is dropped becomes an error, which outlives what comes after', async (t) => {
  const { store } = createStore(2000)
  const call = store.createStream()
  call.send(notification('before'))
  call.send(response(1, 'x'.repeat(1000)))
  const small = store.createStream()
  small.send(response(2))
  for (const channel of [call, small]) channel.end()
  const other = store.createStream()
  for (let n = 0; n < 100; n++) other.send(notification('x'.repeat(100)))
  t.strictSame(await fetch(t, call, 0), [['0-2', 'error 1']])
  t.strictSame(await fetch(t, small, 0), [['1-1', 'result 2']], 'unless the error is the larger')
})

test('the errors are bounded too', async (t) => {
  const { store } = createStore(1000)
  const channels = []
  for (let id = 0; id < 100; id++) {
    const channel = store.createStream()
    channel.send(response(id, 'x'.repeat(500)))
    channel.end()
    channels.push(channel)
  }
  const kept = channels.filter((channel) => channel.events.size > 0)
  t.ok(kept.length > 1 && kept.length < 10)
  t.equal(kept.at(-1), channels.at(-1), 'the newest are kept')
  t.equal(store.find('0-0'), undefined, 'and the channels of the others forgotten')
  t.ok(store.find('99-0'))
})
