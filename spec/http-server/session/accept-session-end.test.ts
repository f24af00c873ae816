// The session's transport: how a session ends.

import { test } from 'tap'
import { ProxyError } from '../../../lib/errors.ts'
import { SessionTransport } from '../../../lib/http-server/session/accept-session.ts'
import { parseFrame } from '../../../lib/message/parse-frame.ts'
import {
  countTimers,
  FakeServer,
  json,
  receiveRequest,
  respondAsUsual,
  serve,
  until
} from '../helpers.ts'

const call = (id: number | string, progressToken?: number): string =>
  json({ id, method: 'tools/call', params: { _meta: { progressToken } } })
const initialize = json({
  id: 1,
  method: 'initialize',
  params: {
    protocolVersion: '1',
    capabilities: {},
    clientInfo: { name: 'test', version: '1' }
  }
})
const note = (text: string): [string, object] => ['notifications/message', { text }]

test('an idle session ends, and so does its server', async (t) => {
  const { session, listener } = await serve(t, { sessionTimeout: 50 })
  const { client, server } = await session()
  await until(() => server.destroyed)
  t.equal(listener.sessions, 0)
  t.equal((await client.post(json({ id: 1, method: 'ping' }))).status, 404)
})

test('a session is not idle while it has a connected call, an open GET or requests', async (t) => {
  const { session, listener } = await serve(t, { sessionTimeout: 1000 })
  const { client, server } = await session()
  const isOpen = async (time: number): Promise<void> => {
    await new Promise((resolve) => setTimeout(resolve, time))
    t.equal(listener.sessions, 1)
  }
  const post = client.post(call(1))
  await isOpen(1500)
  await server.say({ id: 1, result: {} })
  await post
  const get = await client.openGet()
  await isOpen(1500)
  get.close()
  await get.closed
  await isOpen(500)
  await client.request('ping')
  await isOpen(500)
  await client.post(json({ method: 'notifications/roots/list_changed' }))
  await isOpen(500)
  await until(() => listener.sessions === 0)
})

test('the messages of the server do not keep a session whose client has gone', async (t) => {
  const { session, listener } = await serve(t, { sessionTimeout: 100 })
  const { server } = await session()
  const timer = setInterval(() => void server.notify(...note('a')), 10)
  await until(() => listener.sessions === 0)
  clearInterval(timer)
})

test('a call of a client that has gone does not keep the session', async (t) => {
  const { session, listener } = await serve(t, { detachedTimeout: 100, streamAfter: 1 })
  for (const accept of ['application/json', 'text/event-stream']) {
    const { client, server } = await session()
    const call = client.post(json({ id: 1, method: 'tools/call' }), { accept })
    call.catch(() => {})
    await server.got('tools/call')
    client.close()
    await until(() => server.destroyed)
    t.equal(listener.sessions, 0, accept)
  }
})

test('an initialize whose client disconnects leaves no session', async (t) => {
  for (const streamAfter of [1, 60_000]) {
    const { client, servers, listener } = await serve(t, { streamAfter }, () => {
      return new FakeServer(() => {})
    })
    const impatient = client()
    impatient.post(initialize).catch(() => {})
    await until(() => servers.length === 1)
    await servers[0]?.got('initialize')
    await new Promise((resolve) => setTimeout(resolve, 50))
    t.equal(listener.sessions, 1)
    impatient.close()
    await until(() => servers[0]?.destroyed === true)
    t.equal(listener.sessions, 0)
  }
})

test('a session ends soon after its client has closed the event stream', async (t) => {
  const { session, listener } = await serve(t, { detachedTimeout: 100 })
  const { client, server } = await session()
  const get = await client.openGet()
  await new Promise((resolve) => setTimeout(resolve, 300))
  t.equal(listener.sessions, 1, 'not while the stream is open')
  get.close()
  await get.closed
  await until(() => listener.sessions === 0)
  t.ok(server.destroyed)
})

test('a session without a stream is not detached, nor one whose client comes back', async (t) => {
  const { session, listener } = await serve(t, { detachedTimeout: 100 })
  const { client } = await session()
  const { client: other } = await session()
  const get = await other.openGet()
  get.close()
  await get.closed
  await other.request('ping')
  await new Promise((resolve) => setTimeout(resolve, 300))
  t.equal(listener.sessions, 2)
  t.match(await client.request('ping'), { result: {} })
  t.match(await other.request('ping'), { result: {} })
})

test('without a detached timeout only the session timeout counts', async (t) => {
  const { session, listener } = await serve(t, { detachedTimeout: 0, sessionTimeout: 500 })
  const { client } = await session()
  const get = await client.openGet()
  get.close()
  await get.closed
  await new Promise((resolve) => setTimeout(resolve, 250))
  t.equal(listener.sessions, 1)
  await until(() => listener.sessions === 0)
})

test('without a session timeout a session has no timer', async (t) => {
  const before = countTimers()
  const transport = new SessionTransport({ id: 'x', sessionTimeout: 0 })
  t.equal(countTimers(), before)
  transport.destroy()
})

test('a client that ends its session gets an error for each call, and its server ends', async (t) => {
  const { session, ended } = await serve(t)
  const { client, server } = await session()
  const get = await client.openGet()
  const json = client.post(call(1))
  await server.got('tools/call', 1)
  const other = client.openPost(call(2), { accept: 'text/event-stream' })
  await server.got('tools/call', 2)
  t.match(await client.delete(), { status: 204, text: '' })
  t.match(JSON.parse((await json).text), { id: 1, error: { message: 'the session has ended' } })
  const stream = await other
  await stream.closed
  t.match(stream.events.at(-1)?.message, { id: 2, error: { code: -32000 } })
  await get.closed
  await ended.until(() => true)
  t.ok(server.destroyed)
})

test('a server that ends leaves an error for each call, and the session ends', async (t) => {
  const { session, listener } = await serve(t)
  const { client, server } = await session()
  const get = await client.openGet()
  const post = client.post(call(1))
  await server.got('tools/call')
  server.push(null)
  t.match(JSON.parse((await post).text), {
    id: 1,
    error: { message: 'the server has ended the session' }
  })
  await get.closed
  await until(() => listener.sessions === 0)
  t.equal((await client.post(call(2))).status, 404)
})

test('a server that fails leaves its error for each call', async (t) => {
  const { session, listener } = await serve(t)
  const { client, server } = await session()
  const post = client.post(call(1))
  await server.got('tools/call')
  server.destroy(new ProxyError('ERR_SERVER_EXITED', 'it exited with code 3'))
  t.match(JSON.parse((await post).text), { id: 1, error: { message: 'the server exited' } })
  await until(() => listener.sessions === 0)
})

test('an initialize that the server refuses opens no session', async (t) => {
  const { client, listener } = await serve(t, {}, () => {
    return new FakeServer((message, server) => {
      const error = { code: -32602, message: 'no such version', data: { supported: ['x'] } }
      void server.say({ id: message.id, error })
    })
  })
  const { status, headers, text } = await client().post(initialize)
  t.equal(status, 200)
  t.match(JSON.parse(text), { id: 1, error: { data: { supported: ['x'] } } })
  t.notOk('mcp-session-id' in headers)
  await until(() => listener.sessions === 0)
})

test('a closing session takes no new call, but the responses that its calls need', async (t) => {
  const transport = new SessionTransport({ id: 'x' }).resume()
  const post = async (...messages: string[]) => {
    const { response, text } = await receiveRequest(t)
    const frames = messages.map((message) => parseFrame(Buffer.from(message)))
    transport.post(response, { frames, batch: false }, { json: true, events: true })
    return text
  }
  const first = await post(call(1))
  transport.close()
  t.notOk(transport.destroyed)
  await t.rejects(post(call(2)), { code: 'ERR_CLOSED' })
  t.ok(await (await post(json({ id: 'q', result: {} }))).until(' 202 '))
  transport.write(parseFrame(Buffer.from(json({ id: 1, result: {} }))))
  t.ok(await first.until('"id":1'))
  t.ok(transport.destroyed)
})

test('a session can be destroyed twice, and takes and drops what comes after', async (t) => {
  const before = countTimers()
  const transport = new SessionTransport({ id: 'x' })
  const { response, text } = await receiveRequest(t)
  transport.destroy()
  transport.destroy()
  transport.whenRoom(() => t.pass('there is room'))
  transport.post(
    response,
    { frames: [parseFrame(Buffer.from(json({ method: 'x' })))], batch: false },
    { json: true, events: true }
  )
  t.ok(await text.until(' 202 '))
  t.equal(countTimers(), before)
})

test('a client cannot cancel initialize', async (t) => {
  const { client, servers } = await serve(t, { streamAfter: 20 }, () => new FakeServer(() => {}))
  const starting = client()
  const opening = await starting.openPost(initialize)
  const id = opening.headers['mcp-session-id']
  starting.sessionId = typeof id === 'string' ? id : undefined
  await starting.notify('notifications/cancelled', { requestId: 1 })
  const [server] = servers as unknown as [FakeServer]
  await server.got('notifications/cancelled')
  respondAsUsual(await server.got('initialize'), server)
  await opening.closed
  t.match(opening.events.at(-1)?.message, { id: 1, result: {} })
})
