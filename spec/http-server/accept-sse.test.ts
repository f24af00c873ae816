// The transport to a client of HTTP+SSE.

import { test } from 'tap'
import type { Json } from '../../fixtures/clients/raw.js'
import { ProxyError } from '../../lib/errors.ts'
import { SseConnection } from '../../lib/http-server/accept-sse.ts'
import type { Frame } from '../../lib/message/frame.ts'
import { parseFrame } from '../../lib/message/parse-frame.ts'
import { breakOff, countTimers, json, receiveRequest, serve, settled, until } from './helpers.ts'

const frameOf = (text: string): Frame => parseFrame(Buffer.from(text))

test('the stream names its endpoint first, and carries all messages of the server', async (t) => {
  const { sse } = await serve(t, { keepAlive: 10 })
  const { client, server } = await sse()
  const [first] = client.connection.events
  t.match(first, { event: 'endpoint', data: /^messages\/\?session_id=[0-9a-f]{32}$/ })
  t.match(await client.initialize({ protocolVersion: '2024-11-05' }), {
    result: { protocolVersion: '2024-11-05' }
  })
  const first202 = await client.post(json({ id: 5, method: 'tools/call' }))
  t.match(first202, { status: 202, text: 'Accepted' })
  await server.notify('notifications/message', { text: 'a' })
  await server.say({ id: 'q', method: 'roots/list' })
  t.ok(await server.received.until(({ id, error }) => id === 'q' && error))
  await server.say({ id: 5, result: {} })
  await client.messages.until(({ id }) => id === 5)
  t.strictSame(
    client.messages.map(({ id, params }) => id ?? params.text),
    [1, 'a', 'q', 5]
  )
  t.ok(
    client.connection.events.every(({ id }) => id === undefined),
    'the events of this revision have no ids'
  )
  await client.connection.comments.until(() => true)
})

test('a client that disconnects ends its server', async (t) => {
  const { sse, ended, listener } = await serve(t)
  const { client, server } = await sse()
  await breakOff(client.connection)
  await ended.until(() => true)
  t.ok(server.destroyed)
  t.equal(listener.sessions, 0)
  t.equal((await client.post(json({ id: 1, method: 'ping' }))).status, 404)
})

test('a server that ends leaves an error for each call, and then the stream ends', async (t) => {
  const { sse, listener } = await serve(t)
  const { client, server } = await sse()
  await client.post(json({ id: 1, method: 'tools/call' }))
  await server.got('tools/call')
  server.push(null)
  await client.closed
  t.match(client.messages.at(-1), { id: 1, error: { message: 'the server has ended the session' } })
  await until(() => listener.sessions === 0)
})

test('a server that fails leaves its error for each call, and then the stream ends', async (t) => {
  const { sse } = await serve(t)
  const { client, server } = await sse()
  await client.post(json({ id: 1, method: 'tools/call' }))
  await server.got('tools/call')
  server.destroy(new ProxyError('ERR_SERVER_EXITED', 'it exited with code 3'))
  await client.closed
  t.match(client.messages.at(-1), { id: 1, error: { message: 'the server exited' } })
})

test('a client that does not read stops its own server and no other', async (t) => {
  const { sse } = await serve(t)
  const { client, server } = await sse()
  const other = await sse()
  client.connection.response.pause()
  const text = 'x'.repeat(64 * 1024)
  let said = 0
  const flood = async (): Promise<void> => {
    for (; said < 600; said++) await server.notify('notifications/message', { text })
  }
  const flooded = flood()
  t.ok((await settled(() => said)) < 500)
  t.match(await other.client.request('ping'), { result: {} })
  client.connection.response.resume()
  await flooded
  await client.messages.until(() => client.messages.length === 600)
})

test('a server that does not read stops its client', async (t) => {
  const { sse } = await serve(t)
  const { client, server } = await sse()
  server.stop()
  let accepted = 0
  const posts = Array.from({ length: 100 }, async () => {
    const { status } = await client.notify('notifications/x')
    t.equal(status, 202)
    accepted++
  })
  t.ok((await settled(() => accepted)) < 100)
  server.goOn()
  await Promise.all(posts)
  await server.received.until(
    () => server.received.filter(({ method }) => method === 'notifications/x').length === 100
  )
})

test('POSTs that wait for a server get a response when the connection ends', async (t) => {
  const { sse } = await serve(t)
  const { client, server } = await sse()
  server.stop()
  let settledPosts = 0
  const posts = Array.from({ length: 100 }, async () => {
    const { status } = await client.post(json({ method: 'notifications/x' }))
    t.ok(status === 202 || status === 404, `${status}`)
    settledPosts++
  })
  await settled(() => settledPosts)
  client.connection.close()
  await Promise.all(posts)
})

test('a closing connection takes no new call, and ends when its calls have their responses', async (t) => {
  const timers = countTimers()
  const { response, text } = await receiveRequest(t)
  const connection = new SseConnection({ id: 'x', response, endpoint: 'messages/' }).resume()
  const post = async (message: string) => {
    const { response, text } = await receiveRequest(t)
    connection.post(response, frameOf(message))
    return text
  }
  await post(json({ id: 1, method: 'tools/call' }))
  connection.close()
  await t.rejects(post(json({ id: 2, method: 'ping' })), { code: 'ERR_CLOSED' })
  t.ok(await (await post(json({ id: 'q', result: {} }))).until(' 202 '))
  t.notOk(connection.destroyed)
  connection.write(frameOf(json({ id: 1, result: 'late' })))
  t.ok(connection.destroyed)
  t.ok(await text.until(/"late"[^]*\r\n0\r\n\r\n$/), 'the response was sent before the end')
  await until(() => countTimers() === timers)
})

test('a closing connection does not wait for a cancelled call', async (t) => {
  const { response } = await receiveRequest(t)
  const connection = new SseConnection({ id: 'x', response, endpoint: 'messages/' }).resume()
  for (const message of [
    { id: 1, method: 'tools/call' },
    { method: 'notifications/cancelled', params: { requestId: 1 } }
  ]) {
    connection.post((await receiveRequest(t)).response, frameOf(json(message)))
  }
  connection.close()
  t.ok(connection.destroyed)
})

test('calls in flight with one id get their own responses, and the server sees two ids', async (t) => {
  const { sse } = await serve(t)
  const { client, server } = await sse()
  const body = json({ id: 5, method: 'x', params: { _meta: { progressToken: 5 } } })
  await client.post(body)
  await client.post(body)
  await server.received.until(() => server.received.length === 2)
  const [one, two] = server.received as unknown as [Json, Json]
  t.equal(one.id, 5)
  t.not(two.id, 5)
  const { progressToken } = two.params._meta
  await server.notify('notifications/progress', { progressToken, progress: 2 })
  await server.respond(two, { n: 2 })
  await server.respond(one, { n: 1 })
  await client.messages.until(({ result }) => result?.n === 2)
  t.match(
    [...client.messages],
    [{ params: { progressToken: 5 } }, { id: 5, result: { n: 1 } }, { id: 5, result: { n: 2 } }]
  )
})

test('a cancelled call gets no response, not even the next call with its id', async (t) => {
  const { sse } = await serve(t)
  const { client, server } = await sse()
  const body = json({ id: 5, method: 'x', params: { _meta: { progressToken: 5 } } })
  await client.post(body)
  await client.notify('notifications/cancelled', { requestId: 5 })
  await client.post(body)
  await server.received.until(() => server.received.length === 3)
  const next = server.received[2]
  await server.notify('notifications/progress', { progressToken: 5, progress: 'late' })
  await server.say({ id: 5, result: 'late' })
  await server.say({ id: 5, result: 'twice' })
  await server.respond(next)
  await server.say({ id: 'unknown', result: {} })
  await server.notify('end')
  await client.messages.until(({ method }) => method === 'end')
  t.match([...client.messages], [{ id: 5, result: {} }, { method: 'end' }])
})

test('a connection can be destroyed twice, and has room then', async (t) => {
  const { response, text } = await receiveRequest(t)
  const connection = new SseConnection({ id: 'x', response, endpoint: 'messages/' })
  connection.destroy()
  connection.destroy()
  connection.whenRoom(() => t.pass('there is room'))
  t.ok(await text.until('\r\n0\r\n\r\n'))
})

test('a response waits if the progress before it was written just now', async (t) => {
  const { sse } = await serve(t)
  const { client, server } = await sse()
  await client.post(json({ id: 5, method: 'x', params: { _meta: { progressToken: 7 } } }))
  await client.post(json({ id: 6, method: 'x' }))
  await server.received.until(() => server.received.length === 2)
  const [call, other] = server.received as unknown as [Json, Json]
  await server.notify('notifications/progress', { progressToken: 7, progress: 1 })
  await server.respond(call, {})
  await server.respond(other, {})
  await client.messages.until(({ id }) => id === 6)
  const early = client.messages.map(({ id }) => id)
  t.strictSame(early, [undefined, 6], 'other responses do not wait')
  await client.messages.until(({ id }) => id === 5)
})

test('a response that waits is sent when the session ends', async (t) => {
  const { sse } = await serve(t)
  const { client, server } = await sse()
  await client.post(json({ id: 5, method: 'x', params: { _meta: { progressToken: 7 } } }))
  await server.received.until(() => server.received.length === 1)
  await server.notify('notifications/progress', { progressToken: 7, progress: 1 })
  await server.respond(server.received[0], { n: 1 })
  server.push(null)
  await client.messages.until(({ result }) => result?.n === 1)
})
