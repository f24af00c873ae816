// The session's transport: which message goes to which HTTP response, and how the session ends.

import { test } from 'tap'
import type { ClientStream, HttpClient } from '../../../fixtures/clients/raw.js'
import { FakeServer, json, respondAsUsual, serve } from '../helpers.ts'

const call = (id: number | string, progressToken?: number): string =>
  json({ id, method: 'tools/call', params: { _meta: { progressToken } } })
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
  t.equal(headers['mcp-session-id'], client.sessionId)
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

test('a silent server makes the response to a POST an event stream after a while', async (t) => {
  const { session } = await serve(t, { streamAfter: 20, keepAlive: 10 })
  const { client, server } = await session()
  const stream = await client.openPost(call(1))
  await stream.comments.until(() => true)
  await server.say({ id: 1, result: {} })
  await stream.closed
  t.strictSame(cameOn(stream), [1])
})

test('a request id that is in flight cannot be used again', async (t) => {
  const { session } = await serve(t)
  const { client, server } = await session('2025-03-26')
  const first = client.post(call('x'))
  await server.got('tools/call')
  t.match(await client.post(call('x')), { status: 400, text: /\\"x\\" is in flight/ })
  t.match(await client.post(`[${call('y')},${call('x')}]`), { status: 400 })
  t.match(await client.post(`[${call('y')},${call('y')}]`), { status: 400 }, 'twice in a batch')
  const second = client.post(call(1))
  await server.got('tools/call', 1)
  const third = client.post(call('1'))
  await server.got('tools/call', '1')
  t.strictSame(
    server.received.flatMap(({ method, id }) => (method === 'tools/call' ? [id] : [])),
    ['x', 1, '1'],
    'numbers and strings are different ids'
  )
  for (const id of ['1', 1, 'x']) await server.say({ id, result: typeof id })
  t.match(JSON.parse((await third).text), { id: '1', result: 'string' })
  t.match(JSON.parse((await second).text), { id: 1, result: 'number' })
  t.equal((await first).status, 200)
  const again = client.post(call('x'))
  await server.received.until(() => server.received.filter(({ id }) => id === 'x').length === 2)
  await server.say({ id: 'x', result: {} })
  t.equal((await again).status, 200, 'it can be used again after the response')
})

test('the POST of a cancelled call ends, and a late response is dropped', async (t) => {
  const { session } = await serve(t)
  const { client, server } = await session()
  const first = client.post(call(1))
  const request = await server.got('tools/call')
  const cancelled = await client.notify('notifications/cancelled', { requestId: 1 })
  t.equal(cancelled.status, 202)
  t.match(JSON.parse((await first).text), { id: 1, error: { message: 'the call was cancelled' } })
  t.match(await server.got('notifications/cancelled'), { params: { requestId: 1 } })
  await server.respond(request)
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
