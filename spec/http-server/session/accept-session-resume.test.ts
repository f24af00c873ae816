// The session's transport: a client loses the connection of a stream, and resumes the stream.

import { test } from 'tap'
import type { ClientStream } from '../../../fixtures/clients/raw.js'
import { KeptLog } from '../../helpers.ts'
import { breakOff, json, serve, settled, until } from '../helpers.ts'

const call = (id: number | string, progressToken?: number): string =>
  json({ id, method: 'tools/call', params: { _meta: { progressToken } } })
const note = (text: string): [string, object] => ['notifications/message', { text }]
const progress = (progressToken: number, progress: number): [string, object] => [
  'notifications/progress',
  { progressToken, progress }
]

const cameOn = (stream: ClientStream): unknown[] =>
  stream.events.flatMap(({ message }) => {
    if (message === undefined) return []
    return [message.id ?? message.params.text ?? message.params.progress]
  })

test('from 2025-11-25 on, a stream begins with an event id and a retry time', async (t) => {
  const { session } = await serve(t, { streamAfter: 1 })
  for (const version of ['2025-11-25', '2025-06-18', '2025-03-26']) {
    const { client, server } = await session(version)
    const post = await client.openPost(call(1))
    const get = await client.openGet()
    await server.notify(...note('a'))
    await server.say({ id: 1, result: {} })
    await post.closed
    const [first] = post.events
    if (version === '2025-11-25') {
      t.match(first, { event: 'message', id: /^\d+-0$/, data: '', retry: 1000 })
      t.match(await get.events.until(() => true), { id: '0-0', data: '', retry: 1000 })
    } else {
      t.match(first?.message, { params: { text: 'a' } })
      t.equal(get.events.length, 0)
    }
  }
})

test('the retry time is that of the options', async (t) => {
  const { session } = await serve(t, { retry: 70 })
  const { client } = await session()
  const get = await client.openGet()
  t.match(await get.events.until(() => true), { retry: 70 })
})

test('the stream with the response to initialize does not begin so: no revision is negotiated yet', async (t) => {
  const { client } = await serve(t)
  const raw = client({ headers: { accept: 'text/event-stream' } })
  await raw.initialize()
  t.strictSame(
    [...raw.messages].map(({ id }) => id),
    [1]
  )
  t.type(raw.sessionId, 'string')
})

test('no two events of a session have the same id', async (t) => {
  const { session } = await serve(t)
  const { client, server } = await session()
  const ids: unknown[] = []
  const get = await client.openGet()
  for (let n = 1; n < 10; n++) {
    const post = client.openPost(call(n, n))
    await server.got('tools/call', n)
    await server.notify(...progress(n, n))
    await server.say({ id: n, result: {} })
    const stream = await post
    await stream.closed
    await server.notify(...note('a'))
    ids.push(...stream.events.map(({ id }) => id))
  }
  await until(() => cameOn(get).length === 9)
  ids.push(...get.events.map(({ id }) => id))
  t.equal(new Set(ids).size, ids.length)
  t.equal(ids.length, 9 * 3 + 10)
})

test('a client resumes the stream of a call in the middle of the call', async (t) => {
  const { session } = await serve(t)
  const { client, server } = await session()
  const get = await client.openGet()
  const post = client.openPost(call(1, 10))
  const request = await server.got('tools/call')
  await server.notify(...progress(10, 1))
  const broken = await post
  await until(() => cameOn(broken).length === 1)
  await breakOff(broken)
  await server.notify(...progress(10, 2))
  const stream = await client.openGet({ lastEventId: broken.lastEventId })
  await server.notify(...progress(10, 3))
  await server.notify(...note('a'))
  await server.say({ id: 'q', method: 'roots/list' })
  t.ok(await server.received.until(({ id }) => id === 'q'))
  await server.respond(request)
  await stream.closed
  t.strictSame(cameOn(stream), [2, 3, 'a', 'q', 1], 'the resumed stream has all the rest')
  t.strictSame(cameOn(get), [])
})

test('a client that resumes before the first message misses nothing', async (t) => {
  const { session } = await serve(t, { streamAfter: 1 })
  const { client, server } = await session()
  const broken = await client.openPost(call(1))
  await broken.events.until(({ id }) => id !== undefined)
  await breakOff(broken)
  await server.say({ id: 1, result: {} })
  const stream = await client.openGet({ lastEventId: broken.lastEventId })
  await stream.closed
  t.strictSame(cameOn(stream), [1])
})

test('messages wait on the stream of their call while the client is disconnected', async (t) => {
  const { session } = await serve(t)
  const { client, server } = await session()
  const post = client.openPost(call(1, 10))
  await server.got('tools/call')
  await server.notify(...progress(10, 1))
  const broken = await post
  await until(() => cameOn(broken).length === 1)
  await breakOff(broken)
  await server.say({ id: 'q', method: 'roots/list' })
  const stream = await client.openGet({ lastEventId: broken.lastEventId })
  t.ok(await server.received.until(({ id }) => id === 'q'), 'the client responds')
  await server.say({ id: 1, result: {} })
  await stream.closed
  t.strictSame(cameOn(stream), ['q', 1])
})

test('a message that belongs to no call goes to a connected stream first', async (t) => {
  const { session } = await serve(t)
  const { client, server } = await session()
  const get = await client.openGet()
  const post = client.openPost(call(1, 10))
  await server.got('tools/call')
  await server.notify(...progress(10, 1))
  const broken = await post
  await breakOff(broken)
  await server.notify(...note('a'))
  await get.events.until(({ message }) => message?.params.text === 'a')
  t.strictSame(cameOn(get), ['a'])
  await server.say({ id: 1, result: {} })
})

test('a complete stream is replayed and ends', async (t) => {
  const { session } = await serve(t)
  const { client, server } = await session()
  const post = client.openPost(call(1, 10))
  await server.got('tools/call')
  await server.notify(...progress(10, 1))
  await server.say({ id: 1, result: {} })
  const stream = await post
  await stream.closed
  const [, first] = stream.events
  const again = await client.openGet({ lastEventId: first?.id })
  await again.closed
  t.strictSame(cameOn(again), [1])
  const all = await client.openGet({ lastEventId: stream.events[0]?.id })
  await all.closed
  t.strictSame(cameOn(all), [1, 1])
  t.strictSame(
    all.events.map(({ id }) => id),
    stream.events.slice(1).map(({ id }) => id),
    'with the same ids'
  )
  const nothing = await client.openGet({ lastEventId: stream.lastEventId })
  await nothing.closed
  t.strictSame([...nothing.events], [])
})

test('a client resumes the stream of a GET, and gets nothing of other streams', async (t) => {
  const { session } = await serve(t)
  const { client, server } = await session()
  const get = await client.openGet()
  await server.notify(...note('a'))
  await get.events.until(({ message }) => message !== undefined)
  const post = client.openPost(call(1, 10))
  await server.got('tools/call')
  await server.notify(...progress(10, 1))
  await server.say({ id: 1, result: {} })
  await (
    await post
  ).closed
  await breakOff(get)
  await server.notify(...note('b'))
  const again = await client.openGet({ lastEventId: get.lastEventId })
  await again.events.until(({ message }) => message?.params.text === 'b')
  t.strictSame(cameOn(again), ['b'])
  const old = await client.openGet({ lastEventId: '0-0' })
  await old.events.until(({ message }) => message?.params.text === 'b')
  t.strictSame(cameOn(old), ['a', 'b'])
})

test('a new GET replaces the old one, even if the client does not read the old one', async (t) => {
  const { session } = await serve(t)
  const { client, server } = await session()
  const first = await client.openGet()
  const second = await client.openGet()
  await first.closed
  await server.notify(...note('a'))
  await second.events.until(({ message }) => message !== undefined)
  t.strictSame(cameOn(first), [])

  second.response.pause()
  const said = server.notify(...note('x'.repeat(16 * 1024 * 1024)))
  const more = Promise.all(Array.from({ length: 40 }, (_, n) => server.notify(...note(`${n}`))))
  await said
  const third = await client.openGet()
  await more
  await third.events.until(({ message }) => message?.params.text === '39')
  t.strictSame(cameOn(third).at(-1), '39')
})

test('a GET without an event id begins after the last event that was sent', async (t) => {
  const { session } = await serve(t)
  const { client, server } = await session()
  const get = await client.openGet()
  await server.notify(...note('a'))
  await get.events.until(({ message }) => message !== undefined)
  await breakOff(get)
  await server.notify(...note('b'))
  const next = await client.openGet()
  await next.events.until(({ message }) => message?.params.text === 'b')
  t.strictSame(cameOn(next), ['b'])
  t.match(next.events[0], { id: '0-1', data: '' }, 'the first event has the id of the last one')
})

test('an unknown event id is refused', async (t) => {
  const { session } = await serve(t)
  const { client, server } = await session()
  const get = await client.openGet()
  for (const id of ['9-0', 'x', '0', '1-1']) {
    const { status } = await client.openGet({ lastEventId: id })
    t.equal(status, 400, id)
  }
  await server.notify(...note('a'))
  await get.events.until(({ message }) => message?.params.text === 'a')
  const empty = await client.openGet({ lastEventId: '' })
  t.equal(empty.status, 200, 'an empty id is no id')
})

test('a server waits while no client is connected, so that no message is dropped', async (t) => {
  const log = new KeptLog()
  const { session } = await serve(t, { maxReplay: 4096, streamAfter: 1, log })
  const { client, server } = await session()
  const broken = await client.openPost(call(1))
  await broken.events.until(({ id }) => id !== undefined)
  await breakOff(broken)
  await server.say({ id: 1, result: 'x'.repeat(3000) })
  let said = 0
  const flooding = (async () => {
    await server.say({ id: 'q', method: 'roots/list' })
    for (; said < 100; said++) await server.notify(...note(`${said}`))
  })()
  t.ok((await settled(() => said)) < 50)
  const stream = await client.openGet({ lastEventId: broken.lastEventId })
  await stream.closed
  t.match(stream.events.at(-1)?.message, { id: 1, result: /^x+$/ })
  const get = await client.openGet()
  await flooding
  await get.events.until(({ message }) => message?.params?.text === '99')
  t.match(get.events.find(({ message }) => message?.id === 'q')?.message, { method: 'roots/list' })
  t.equal(cameOn(get).filter((text) => /^\d+$/.test(String(text))).length, 100)
  t.notMatch(log.lines.join('\n'), 'dropped a message')
})

test('messages that a connected client cannot take are dropped: responses become errors', async (t) => {
  const warnings: string[] = []
  const noop = (): void => {}
  const log = { debug: noop, info: noop, warn: (text: string) => warnings.push(text), error: noop }
  const { session } = await serve(t, { maxReplay: 8192, streamAfter: 1, log })
  const { client, server } = await session()
  const broken = await client.openPost(call(1))
  await broken.events.until(({ id }) => id !== undefined)
  await breakOff(broken)
  const json = client.open('POST', call(2), { accept: 'application/json' })
  await server.got('tools/call', 2)
  await server.say({ id: 1, result: 'x'.repeat(3000) })
  await server.say({ id: 'q', method: 'roots/list' })
  for (let n = 0; n < 100; n++) await server.notify(...note(`${n}`))
  t.match(await server.received.until(({ id }) => id === 'q'), {
    error: { message: 'the message was not fetched in time' }
  })
  const stream = await client.openGet({ lastEventId: broken.lastEventId })
  await stream.closed
  t.match(stream.events.at(-1)?.message, { id: 1, error: { code: -32000 } })
  const get = await client.openGet()
  await get.events.until(({ message }) => message?.params.text === '99')
  const texts = cameOn(get)
  t.ok(texts.length > 5 && texts.length < 50)
  t.ok(warnings.length > 50)
  await server.say({ id: 2, result: {} })
  await json
})
