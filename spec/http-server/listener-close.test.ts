// How the listener closes.

import { test } from 'tap'
import { getJson, initialize, json, rawConnection, sendRequest, serve } from './helpers.ts'

test('a closing listener waits for calls, takes what they need and refuses new ones', async (t) => {
  const { session, sse, client, listener } = await serve(t)
  const { client: busy, server } = await session()
  const { client: idle } = await session()
  const { client: old, server: oldServer } = await sse()
  const late = client()
  const stream = await busy.openGet()
  const call = busy.request('tools/call')
  const oldCall = old.request('tools/call')
  await server.got('tools/call')
  await oldServer.got('tools/call')
  let isClosed = false
  const closed = listener.close().then(() => (isClosed = true))

  const ping = json({ id: 99, method: 'ping' })
  for (const raw of [busy, idle, client(), old]) {
    const { status, headers } = await raw.post(ping)
    t.equal(status, 503)
    t.equal(headers['retry-after'], '10')
  }
  t.equal((await client().post(json(initialize))).status, 503)
  t.equal((await sendRequest(t, listener, 'GET', 'sse')).statusCode, 503)
  t.match(await getJson(t, listener, 'readyz'), [503, { ready: false }])
  t.equal((await sendRequest(t, listener, 'GET', 'healthz')).statusCode, 200)

  await server.say({ id: 'q', method: 'roots/list' })
  t.ok(await server.received.until(({ id, error }) => id === 'q' && error), 'responses are taken')
  t.notOk(isClosed)
  await server.respond(await server.got('tools/call'), { done: 1 })
  t.match(await call, { result: { done: 1 } })
  await oldServer.respond(await oldServer.got('tools/call'), { done: 2 })
  t.match(await oldCall, { result: { done: 2 } })
  await Promise.all([closed, stream.closed, old.closed])
  t.equal(listener.sessions, 0)
  await t.rejects(late.initialize(), { code: 'ECONNREFUSED' })
})

test('a closing listener waits no longer than the drain timeout', async (t) => {
  const { session, listener } = await serve(t)
  const { client, server } = await session()
  const call = client.request('tools/call')
  await server.got('tools/call')
  await listener.close(20)
  t.match(await call, { error: { message: 'the session has ended' } })
})

test('a closing listener waits for POSTs without a session too', async (t) => {
  const { client, servers, listener } = await serve(t, { stateless: true })
  const calls = [client().request('tools/call'), client().request('tools/call')]
  await servers.until(() => servers.length === 2)
  const [one] = servers
  const closed = listener.close(1000)
  t.equal((await client().post(json({ id: 1, method: 'ping' }))).status, 503)
  await one?.respond(await one.got('tools/call'))
  t.match(await calls[0], { result: {} })
  await closed
  t.match(await calls[1], { error: { code: -32000 } })
})

test('a closing listener does not wait for a client that does not read', async (t) => {
  const { session, listener } = await serve(t)
  const { client, server } = await session()
  const get = await client.openGet()
  get.response.pause()
  void server.notify('notifications/message', { text: 'x'.repeat(32 * 1024 * 1024) })
  await listener.close(0)
  t.pass('closed')
})

test('a closing listener refuses a new client, even if its body comes late', async (t) => {
  const { session, listener, contexts } = await serve(t)
  const { server, client } = await session()
  const call = client.request('tools/call')
  await server.got('tools/call')
  const { socket, text } = rawConnection(t, listener)
  const body = json(initialize)
  const lines = [
    'POST /mcp HTTP/1.1',
    'Host: localhost',
    'Content-Type: application/json',
    `Content-Length: ${body.length}`,
    'Expect: 100-continue'
  ]
  socket.write(`${lines.join('\r\n')}\r\n\r\n`)
  await text.until('100 Continue')
  const closed = listener.close()
  socket.write(body)
  t.match(await text.until('"error"'), /about to stop/)
  t.equal(contexts.length, 1)
  await server.respond(await server.got('tools/call'))
  await call
  await closed
})

test('close() emits close and may be called twice', async (t) => {
  const { listener } = await serve(t)
  let events = 0
  listener.on('close', () => events++)
  await Promise.all([listener.close(), listener.close(0)])
  await listener.close()
  t.ok(events > 0)
})
