// The session's transport: which message goes to which HTTP response, and how the session ends.

import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'tap'
import type { ClientStream, HttpClient, Json } from '../../../fixtures/clients/raw.js'
import { FakeServer, json, respondAsUsual, serve } from '../helpers.ts'

const call = (id: number | string, progressToken?: number): string =>
  json({ id, method: 'tools/call', params: { _meta: { progressToken } } })
const callsAt = ({ received }: FakeServer): Json[] =>
  received.filter(({ method }) => method === 'tools/call')
const note = (text: string): [string, object] => ['notifications/message', { text }]

/** The messages of a stream: the texts of notifications, and the ids of requests and responses. */
const cameOn = (stream: ClientStream): unknown[] =>
  stream.events.flatMap(({ message }) => {
    if (message === undefined) return []
    return [message.id ?? message.params.text ?? message.params.progress]
  })

test('a response goes to the POST of its request, as JSON', async (t) => {
  const { session } = await serve(t)
  const { client } = await session()
  const { status, headers, text } = await client.post(json({ id: 'p', method: 'ping' }))
  t.equal(status, 200)
  t.equal(headers['content-type'], 'application/json')
  t.notOk('mcp-session-id' in headers, 'the client knows the id')
  t.strictSame(JSON.parse(text), { jsonrpc: '2.0', id: 'p', result: {} })
})

test('a message that belongs to no call goes to the stream of a GET', async (t) => {
  const { session } = await serve(t)
  const { client, server } = await session()
  const get = await client.openGet()
  t.equal(get.headers['content-type'], 'text/event-stream')
  t.equal(get.headers['mcp-session-id'], client.sessionId)
  await server.notify(...note('a'))
  await get.events.until(({ message }) => message?.params.text === 'a')
})

test('a message that comes before the GET waits for it', async (t) => {
  const { session } = await serve(t)
  const { client, server } = await session()
  await server.notify(...note('a'))
  await server.say({ id: 'q', method: 'roots/list' })
  const get = await client.openGet()
  await get.events.until(({ message }) => message?.id === 'q')
  t.strictSame(cameOn(get), ['a', 'q'])
})

test('during a call all messages go to its POST, whose stream ends with the response', async (t) => {
  const { session } = await serve(t)
  const { client, server } = await session()
  const get = await client.openGet()
  const post = client.openPost(call(5, 1))
  const request = await server.got('tools/call')
  await server.notify('notifications/progress', { progressToken: 1, progress: 0.5 })
  await server.notify(...note('a'))
  await server.say({ id: 'q', method: 'sampling/createMessage' })
  const stream = await post
  t.equal(stream.headers['content-type'], 'text/event-stream')
  t.ok(
    await server.received.until(({ id, error }) => id === 'q' && error),
    'the response of the client arrives'
  )
  await server.respond(request)
  await stream.closed
  t.strictSame(cameOn(stream), [0.5, 'a', 'q', 5])
  t.strictSame(cameOn(get), [])
})

test('each of several calls gets its own progress and its own response', async (t) => {
  const { session } = await serve(t)
  const { client, server } = await session()
  const get = await client.openGet()
  const posts = [client.openPost(call(1, 10)), client.openPost(call(2, 20))]
  const requests = [await server.got('tools/call', 1), await server.got('tools/call', 2)]
  await server.notify('notifications/progress', { progressToken: 20, progress: 2 })
  await server.notify('notifications/progress', { progressToken: 10, progress: 1 })
  await server.notify(...note('whose?'))
  await server.notify('notifications/progress', { progressToken: 30, progress: 3 })
  for (const request of requests.reverse()) await server.respond(request)
  const [one, two] = (await Promise.all(posts)) as [ClientStream, ClientStream]
  await Promise.all([one.closed, two.closed])
  t.strictSame(cameOn(one), [1, 1])
  t.strictSame(cameOn(two), [2, 2])
  await get.events.until(({ message }) => message?.params.progress === 3)
  t.strictSame(cameOn(get), ['whose?', 3])
})

test('without a GET, a message that belongs to no call goes to the latest call', async (t) => {
  const { session } = await serve(t)
  const { client, server } = await session()
  const first = client.post(call(1))
  await server.got('tools/call', 1)
  const second = client.openPost(call(2))
  await server.got('tools/call', 2)
  await server.say({ id: 'q', method: 'roots/list' })
  const stream = await second
  await stream.events.until(({ message }) => message?.id === 'q')
  await server.say({ id: 2, result: {} })
  await server.say({ id: 1, result: {} })
  await stream.closed
  t.strictSame(cameOn(stream), ['q', 2])
  t.match((await first).headers, { 'content-type': 'application/json' })
})

test('a POST that takes no events gets none', async (t) => {
  const { session } = await serve(t)
  const { client, server } = await session()
  const post = client.post(call(1, 10), { accept: 'application/json' })
  await server.got('tools/call')
  await server.notify('notifications/progress', { progressToken: 10, progress: 1 })
  await server.say({ id: 1, result: {} })
  t.match(await post, { status: 200, headers: { 'content-type': 'application/json' } })
  const get = await client.openGet()
  await get.events.until(({ message }) => message !== undefined)
  t.strictSame(cameOn(get), [1], 'the GET stream has it')
})

// With the default of `keepAlive`, the comment comes after ten seconds or more.
const soon = { timeout: 5000 }

test(
  'a silent server makes the response to a POST an event stream after a while',
  soon,
  async (t) => {
    const { session } = await serve(t, { streamAfter: 20, keepAlive: 10 })
    const { client, server } = await session()
    const stream = await client.openPost(call(1))
    await stream.comments.until(() => true)
    await server.say({ id: 1, result: {} })
    await stream.closed
    t.strictSame(cameOn(stream), [1])
  }
)

test('calls in flight with one id and one token get their own progress and responses', async (t) => {
  const { session } = await serve(t)
  const { client, server } = await session()
  const posts = [client.openPost(call('x', 7)), client.openPost(call('x', 7))]
  await server.received.until(() => callsAt(server).length === 2)
  const [one, two] = callsAt(server) as [Json, Json]
  t.match(one, { id: 'x', params: { _meta: { progressToken: 7 } } }, 'the first one is unchanged')
  t.not(two.id, 'x')
  t.not(two.params._meta.progressToken, 7)
  for (const [n, { params }] of [one, two].entries()) {
    const { progressToken } = params._meta
    await server.notify('notifications/progress', { progressToken, progress: n })
  }
  await server.respond(two, { n: 1 })
  await server.respond(one, { n: 0 })
  const streams = (await Promise.all(posts)).sort(
    (a, b) => a.events[0]?.message?.params.progress - b.events[0]?.message?.params.progress
  )
  for (const [n, stream] of streams.entries()) {
    await stream.closed
    const messages = stream.events.flatMap(({ message }) => message ?? [])
    t.match(messages, [{ params: { progressToken: 7, progress: n } }, { id: 'x', result: { n } }])
  }
  const again = client.post(call('x'))
  await server.received.until(() => callsAt(server).length === 3)
  t.equal(callsAt(server)[2]?.id, 'x', 'an id that is free stays as it is')
  await server.say({ id: 'x', result: {} })
  t.match(JSON.parse((await again).text), { id: 'x' })
})

test('a number and a string are different ids, and a batch may use an id twice', async (t) => {
  const { session } = await serve(t)
  const { client, server } = await session('2025-03-26')
  const batch = client.post(`[${call(1)},${call('1')},${call(1)}]`)
  await server.received.until(() => callsAt(server).length === 3)
  const ids = callsAt(server).map(({ id }) => id as unknown)
  t.strictSame(ids.slice(0, 2), [1, '1'])
  for (const [n, id] of ids.entries()) await server.say({ id, result: n })
  t.match(JSON.parse((await batch).text), [
    { id: 1, result: 0 },
    { id: '1', result: 1 },
    { id: 1, result: 2 }
  ])
})

test('a cancelled call gets no response, and a late one is dropped', async (t) => {
  const { session } = await serve(t)
  const { client, server } = await session()
  const first = client.post(call(1, 7))
  const request = await server.got('tools/call')
  const cancelled = await client.notify('notifications/cancelled', { requestId: 1 })
  t.equal(cancelled.status, 202)
  t.match(await first, { status: 202, text: '' })
  t.match(await server.got('notifications/cancelled'), { params: { requestId: 1 } })
  const second = client.openPost(call(1, 7))
  await server.received.until(() => callsAt(server).length === 2)
  const next = callsAt(server)[1]
  t.not(next.id, 1, 'the server may still respond to the first call')
  await server.notify('notifications/progress', { progressToken: 7, progress: 'late' })
  await server.respond(request, { late: true })
  const { progressToken } = next.params._meta
  await server.notify('notifications/progress', { progressToken, progress: 'own' })
  await server.respond(next, { late: false })
  const stream = await second
  await stream.closed
  t.match(
    stream.events.flatMap(({ message }) => message ?? []),
    [{ params: { progressToken: 7, progress: 'own' } }, { id: 1, result: { late: false } }]
  )
  const again = await client.notify('notifications/cancelled', { requestId: 1 })
  t.equal(again.status, 202, 'a second cancellation does nothing')
  t.equal(
    (await client.notify('notifications/cancelled')).status,
    202,
    'nor does one without an id'
  )
  t.match(await client.request('ping'), { result: {} })
})

test('a notification that is refused at once gets 400, and a later error gets none', async (t) => {
  const { client: connect } = await serve(t, {}, () => {
    return new FakeServer((message, server) => {
      respondAsUsual(message, server)
      const say = (): void => void server.say({ error: { code: -32600, message: 'not so' } })
      if (message.method === 'notifications/now') say()
      if (message.method === 'notifications/later') setImmediate(say)
      if (message.method === 'notifications/twice') [1, 2].forEach(say)
    })
  })
  const client = connect()
  await client.initialize()
  const post = (method: string): ReturnType<HttpClient['post']> => client.post(json({ method }))
  for (const method of ['notifications/now', 'notifications/twice']) {
    const { status, text } = await post(method)
    t.equal(status, 400)
    t.match(JSON.parse(text), { error: { code: -32600, message: 'not so' } })
  }
  t.match(await post('notifications/later'), { status: 202, text: '' })
  t.match(JSON.parse((await client.post(json({ id: 1, method: 'ping' }))).text), {
    id: 1,
    result: {}
  })
})

test('of the calls with one id, a cancellation ends the oldest', async (t) => {
  const { session } = await serve(t)
  const { client, server } = await session()
  const posts = [client.post(call(1))]
  await server.got('tools/call')
  posts.push(client.post(call(1)))
  await server.received.until(() => callsAt(server).length === 2)
  const [, { id }] = callsAt(server) as [Json, Json]
  await client.notify('notifications/cancelled', { requestId: 1 })
  t.match(await posts[0], { status: 202, text: '' })
  await client.notify('notifications/cancelled', { requestId: 1 })
  t.match(await posts[1], { status: 202, text: '' })
  t.strictSame(
    server.received.flatMap(({ params }) => params?.requestId ?? []),
    [1, id]
  )
})

test('the stream of a cancelled call ends, and cannot be resumed', async (t) => {
  const { session } = await serve(t, { streamAfter: 20 })
  const { client, server } = await session()
  const silent = await client.openPost(call(1))
  const loud = await client.openPost(call(2, 2))
  await silent.events.until(({ id }) => id)
  await server.notify('notifications/progress', { progressToken: 2, progress: 1 })
  await loud.events.until(({ message }) => message !== undefined)
  for (const [n, stream] of [silent, loud].entries()) {
    await client.notify('notifications/cancelled', { requestId: n + 1 })
    await stream.closed
    t.equal(stream.events.filter(({ message }) => message?.id !== undefined).length, 0)
    const lastEventId = stream.events.at(-1)?.id ?? ''
    const resumed = await client.open('GET', undefined, { 'last-event-id': lastEventId })
    t.equal(resumed.resume().statusCode, 204)
  }
})

test('a cancelled call of a batch has no response in it', async (t) => {
  const { session } = await serve(t)
  const { client, server } = await session('2025-03-26')
  const calls = `${call(1)},${call(2)}`
  for (const [respondedFirst, expected] of [
    [true, [2]],
    [false, [2]]
  ] as const) {
    const batch = client.post(`[${calls}]`)
    await server.got('tools/call', 2)
    if (respondedFirst) await server.say({ id: 2, result: {} })
    await client.notify('notifications/cancelled', { requestId: 1 })
    if (!respondedFirst) await server.say({ id: callsAt(server).at(-1)?.id, result: {} })
    const responses = JSON.parse((await batch).text) as Json[]
    t.strictSame(
      responses.map(({ id }) => id as unknown),
      expected
    )
  }
})

test('after a broken connection, the next call with the id gets its own response', async (t) => {
  const { session, listener } = await serve(t)
  const { client, server } = await session()
  const abort = new AbortController()
  const first = fetch(new URL('mcp', listener.url), {
    method: 'POST',
    body: call(5, 5),
    signal: abort.signal,
    headers: { 'content-type': 'application/json', 'mcp-session-id': client.sessionId ?? '' }
  })
  await server.got('tools/call')
  abort.abort()
  await t.rejects(first)
  await sleep(50)
  const second = client.post(call(5, 5))
  await server.received.until(() => callsAt(server).length === 2)
  const next = callsAt(server)[1]
  t.not(next.id, 5)
  await server.say({ id: 5, result: 'late' })
  await server.respond(next, { late: false })
  t.match(JSON.parse((await second).text), { id: 5, result: { late: false } })
})

test('a broken connection does not cancel the call', async (t) => {
  const { session, listener } = await serve(t)
  const { client, server } = await session()
  const breaking = client.openPost(call(1))
  await server.got('tools/call')
  await server.notify(...note('a'))
  ;(await breaking).close()
  const silent = new AbortController()
  const never = fetch(new URL('mcp', listener.url), {
    method: 'POST',
    body: call(2),
    signal: silent.signal,
    headers: { 'content-type': 'application/json', 'mcp-session-id': client.sessionId ?? '' }
  })
  await server.got('tools/call', 2)
  silent.abort()
  await t.rejects(never)
  t.match(await client.request('ping'), { result: {} })
  t.notOk(server.received.some(({ method }) => method === 'notifications/cancelled'))
})

test('the responses to a batch are JSON, or events if another message comes before them', async (t) => {
  const { session } = await serve(t)
  const { client, server } = await session('2025-03-26')
  const batch = `[${call(1)},${json({ method: 'x' })}, ${call(2)}]`
  const first = client.post(batch)
  await server.got('tools/call', 2)
  for (const id of [2, 1]) await server.say({ id, result: {} })
  const { headers, text } = await first
  t.equal(headers['content-type'], 'application/json')
  t.match(JSON.parse(text), [{ id: 2 }, { id: 1 }])
  t.strictSame(
    server.received.slice(-3).map(({ id, method }) => id ?? method),
    [1, 'x', 2],
    'the server gets them one by one'
  )

  const second = client.openPost(batch)
  await server.received.until(() => server.received.filter(({ id }) => id === 2).length === 2)
  await server.say({ id: 1, result: {} })
  await server.notify(...note('a'))
  await server.say({ id: 2, result: {} })
  const stream = await second
  await stream.closed
  t.strictSame(cameOn(stream), [1, 'a', 2])
})

test('a batch without requests gets 202', async (t) => {
  const { session } = await serve(t)
  const { client, server } = await session('2025-03-26')
  const batch = `[${json({ method: 'a' })},${json({ id: 7, result: {} })}]`
  t.match(await client.post(batch), { status: 202, text: '' })
  await server.received.until(({ id }) => id === 7)
})
