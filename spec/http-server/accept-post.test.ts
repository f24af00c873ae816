// The transport to a client without a session: one POST.

import { test } from 'tap'
import { ProxyError } from '../../lib/errors.ts'
import { PostExchange } from '../../lib/http-server/accept-post.ts'
import { KeptLog } from '../helpers.ts'
import { countTimers, json, serve, settled } from './helpers.ts'
import type { FakeServer } from './helpers.ts'

const call = (id: number | string): string =>
  json({ id, method: 'tools/call', params: { _meta: { progressToken: 7 } } })
const stateless = { stateless: true }

test('the request goes to a server, whose response is the response to the POST', async (t) => {
  const { client, servers, ended } = await serve(t, stateless)
  const { status, headers, text } = await client().post(json({ id: 'x', method: 'ping' }))
  t.equal(status, 200)
  t.equal(headers['content-type'], 'application/json')
  t.notOk('mcp-session-id' in headers)
  t.strictSame(JSON.parse(text), { jsonrpc: '2.0', id: 'x', result: {} })
  await ended.until(() => true)
  t.ok(servers[0]?.destroyed, 'the server has ended too')
})

test('notifications open an event stream, and come before the response', async (t) => {
  const { client, servers } = await serve(t, stateless)
  const opening = client().openPost(call(1))
  const server = (await servers.until(() => true)) as FakeServer
  await server.notify('notifications/progress', { progressToken: 7, progress: 1 })
  await server.notify('notifications/message', { text: 'a' })
  await server.say({ id: 'q', method: 'roots/list' })
  await server.say({ id: 2, result: {} })
  await server.say({ id: 1, result: {} })
  const stream = await opening
  await stream.closed
  t.strictSame(
    stream.events.map(({ id, message }) => [id, message.id ?? message.method]),
    [
      [undefined, 'notifications/progress'],
      [undefined, 'notifications/message'],
      [undefined, 1]
    ],
    'events have no ids, and a request of the server is dropped'
  )
})

test('a client that takes no events gets only the response', async (t) => {
  const { client, servers } = await serve(t, stateless)
  const post = client().post(call(1), { accept: 'application/json' })
  const server = (await servers.until(() => true)) as FakeServer
  await server.notify('notifications/message', { text: 'a' })
  await server.say({ id: 1, result: {} })
  t.match(JSON.parse((await post).text), { id: 1, result: {} })
})

test('a silent server makes the response an event stream after a while', async (t) => {
  const { client, servers } = await serve(t, { ...stateless, streamAfter: 10, keepAlive: 10 })
  const stream = await client().openPost(call(1))
  await stream.comments.until(() => true)
  await servers[0]?.say({ id: 1, result: {} })
  await stream.closed
  t.match(stream.events[0]?.message, { id: 1, result: {} })
})

test('an event stream that cannot open ends its client alone', async (t) => {
  t.intercept(PostExchange.prototype, 'openStream', {
    value: () => {
      throw new TypeError('secret text')
    }
  })
  const log = new KeptLog()
  const { client, servers, ended } = await serve(t, { ...stateless, streamAfter: 10, log })
  await t.rejects(client().post(call(1)), /hang up|ECONNRESET/)
  await ended.until(() => true)
  t.ok(servers[0]?.destroyed)
  t.ok(log.lines.some((line) => /^error: .*secret text/.test(line)))
  t.equal((await client().post(json({ id: 2, method: 'ping' }))).status, 200)
})

test('two clients with the same request id each get their own response', async (t) => {
  const { client, servers } = await serve(t, stateless)
  const posts = [client().post(call(1)), client().post(call(1))]
  await servers.until(() => servers.length === 2)
  for (const [n, server] of servers.entries()) {
    const request = await server.got('tools/call')
    await server.respond(request, { n })
  }
  const results = await Promise.all(posts)
  t.strictSame(results.map(({ text }) => JSON.parse(text).result.n).sort(), [0, 1])
})

test('a client that disconnects ends its server', async (t) => {
  const timers = countTimers()
  const { client, servers, ended } = await serve(t, { ...stateless, streamAfter: 0 })
  const opening = client().openPost(call(1))
  const server = (await servers.until(() => true)) as FakeServer
  await server.notify('notifications/message', { text: 'a' })
  const stream = await opening
  stream.close()
  await ended.until(() => true)
  t.ok(server.destroyed)

  const silent = client()
  silent.post(call(2)).catch(() => {})
  await servers.until(() => servers.length === 2)
  silent.close()
  await ended.until(() => ended.length === 2)
  t.ok(servers[1]?.destroyed)
  t.equal(countTimers(), timers)
})

test('the client gets an error if the server ends or fails without a response', async (t) => {
  const { client, servers } = await serve(t, stateless)
  const first = client().post(call(1))
  const server = (await servers.until(() => true)) as FakeServer
  server.push(null)
  t.match(JSON.parse((await first).text), {
    id: 1,
    error: { code: -32000, message: 'the server ended without a response' }
  })

  const second = client().post(call('2'))
  await servers.until(() => servers.length === 2)
  servers[1]?.destroy(new ProxyError('ERR_SERVER_EXITED', 'it exited with code 3'))
  t.match(JSON.parse((await second).text), { id: '2', error: { message: 'the server exited' } })

  const third = client().post(call(3))
  await servers.until(() => servers.length === 3)
  servers[2]?.destroy(new Error('secret'))
  t.match(JSON.parse((await third).text), {
    error: { message: 'internal error (see the log of the proxy)' }
  })
})

test('a client that does not read slows its server down', async (t) => {
  const { client, servers } = await serve(t, stateless)
  const opening = client().openPost(call(1))
  const server = (await servers.until(() => true)) as FakeServer
  const text = 'x'.repeat(64 * 1024)
  let said = 0
  const flood = async (): Promise<void> => {
    for (; said < 600; said++) await server.notify('notifications/message', { text })
  }
  const flooded = flood()
  const stream = await opening
  stream.response.pause()
  t.ok((await settled(() => said)) < 500)
  stream.response.resume()
  await flooded
  await server.say({ id: 1, result: {} })
  await stream.closed
  t.equal(stream.events.length, 601)
})

test('a subscription that the server cancels ends with a response, and any other call goes on', async (t) => {
  const { client, servers } = await serve(t, stateless)
  const subscription = client().openPost(json({ id: 's', method: 'subscriptions/listen' }))
  const first = (await servers.until(() => true)) as FakeServer
  await first.notify('notifications/cancelled', { requestId: 's' })
  const stream = await subscription
  await stream.closed
  t.match(stream.events.at(-1)?.message, {
    id: 's',
    result: {
      resultType: 'complete',
      _meta: { 'io.modelcontextprotocol/subscriptionId': 's' }
    }
  })

  const twice = client().openPost(json({ id: 't', method: 'subscriptions/listen' }))
  await servers.until(() => servers.length === 2)
  void servers[1]?.notify('notifications/cancelled', { requestId: 't' })
  void servers[1]?.notify('notifications/cancelled', { requestId: 't' })
  const ended = await twice
  await ended.closed
  t.strictSame(
    ended.events.map(({ message }) => message.method ?? message.id),
    ['notifications/cancelled', 't'],
    'there is only one response'
  )

  const ordinary = client().openPost(call(1))
  await servers.until(() => servers.length === 3)
  await servers[2]?.notify('notifications/cancelled', { requestId: 1 })
  await servers[2]?.say({ id: 1, result: 'done' })
  const other = await ordinary
  await other.closed
  t.match(other.events.at(-1)?.message, { id: 1, result: 'done' })
})
