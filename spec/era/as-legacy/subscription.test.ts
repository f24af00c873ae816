// The subscription at a modern server that serves a legacy client.

import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'tap'
import { overFixture, overText } from './helpers.ts'
import { initializeParams } from '../../helpers.ts'

const tag = 'io.modelcontextprotocol/subscriptionId'

test('changes of lists and resources reach the client, without the tag of the subscription', async (t) => {
  const client = overFixture(t)
  await client.initialize()
  t.strictSame((await client.request('resources/subscribe', { uri: 'test://a' })).result, {})
  t.strictSame((await client.request('resources/subscribe', { uri: 'test://a' })).result, {})
  t.equal(await client.call('change', { name: 'tools', uri: 'test://a' }), '1')
  await client.call('change', { name: 'resources', uri: 'test://b' })
  const { messages } = client
  const notified = messages.filter(({ id }) => id === undefined)
  t.strictSame(notified, [
    { jsonrpc: '2.0', method: 'notifications/tools/list_changed', params: {} },
    { jsonrpc: '2.0', method: 'notifications/resources/updated', params: { uri: 'test://a' } }
  ])
  t.strictSame((await client.request('resources/unsubscribe', { uri: 'test://a' })).result, {})
  await client.request('resources/unsubscribe', { uri: 'test://unknown' })
  await client.call('change', { uri: 'test://a' })
  t.equal(client.notifications('notifications/resources/updated').length, 1)
})

test('many changes at once need few subscriptions', async (t) => {
  const client = overFixture(t)
  await client.initialize()
  const uris = Array.from({ length: 50 }, (_, n) => `test://${n}`)
  const responses = await Promise.all(
    uris.map((uri) => client.request('resources/subscribe', { uri }))
  )
  t.ok(responses.every(({ result }) => result !== undefined))
  t.equal(await client.call('change', { uri: 'test://49' }), '1', 'only one is open')
  t.match(client.notifications('notifications/resources/updated'), [
    { params: { uri: 'test://49' } }
  ])
})

test('a resource that the server does not report is refused', async (t) => {
  const client = overFixture(t)
  await client.initialize()
  t.match(await client.request('resources/subscribe', { uri: 'test://none' }), {
    error: { code: -32602, message: /does not report/ }
  })
  t.strictSame((await client.request('resources/subscribe', { uri: 'test://b' })).result, {})
})

test('a subscription that ends is opened again', async (t) => {
  for (const end of ['response', 'cancelled', 'error']) {
    const client = overFixture(t)
    await client.initialize()
    await client.request('resources/subscribe', { uri: 'test://a' })
    await client.call('endSubscriptions', { with: end })
    for (let tries = 0; tries < 100; tries++) {
      if ((await client.call('change', { uri: 'test://a' })) === '1') break
      await sleep(20)
    }
    t.equal(client.notifications('notifications/resources/updated').length, 1, end)
    client.transport.end()
    await client.closed
  }
})

test('a server without subscriptions is asked once', async (t) => {
  const { client, server } = overText(t, (method) =>
    method === 'server/discover'
      ? '{"capabilities":{"tools":{"listChanged":true},"prompts":{"listChanged":1},"resources":{"listChanged":true}}}'
      : undefined
  )
  await client.ask('initialize', initializeParams)
  await client.send({ method: 'notifications/initialized' })
  const listen = await server.got('subscriptions/listen')
  t.strictSame(listen.message().params?.notifications, {
    toolsListChanged: true,
    resourcesListChanged: true
  })
  const subscribed = client.ask('resources/subscribe', { uri: 'test://a' })
  server.say({ id: listen.id, error: { code: -32601, message: 'unknown method' } })
  t.match(await subscribed, { error: { message: 'the server did not subscribe: unknown method' } })
  t.match(await client.ask('resources/subscribe', { uri: 'test://b' }), { error: { code: -32000 } })
  await client.ask('resources/unsubscribe', { uri: 'test://a' })
  await sleep(150)
  t.equal(server.received.filter(({ method }) => method === 'subscriptions/listen').length, 1)
})

test('a refused subscription without a reason is an error with the code', async (t) => {
  const { client, server } = overText(t)
  const subscribed = client.ask('resources/subscribe', { uri: 'test://a' })
  const other = client.ask('resources/subscribe', { uri: 'test://b' })
  const { id } = await server.got('subscriptions/listen')
  void client.ask('resources/subscribe', { uri: 'test://a' }).catch(() => {})
  void client.ask('resources/subscribe', { uri: 'test://b' }).catch(() => {})
  server.say(`{"jsonrpc":"2.0","id":${id},"error":{"code":-1,"message":"${'x'.repeat(2 ** 20)}"}}`)
  t.match(await subscribed, { error: { message: 'the server did not subscribe: error -1' } })
  client.port.end()
  t.match(await other, { error: {} })
})

test('a server that acknowledges nothing is an error, and is asked again', async (t) => {
  const { client, server } = overText(t, undefined, { connectTimeout: 30 })
  await client.ask('initialize', initializeParams)
  t.match(await client.ask('resources/subscribe', { uri: 'test://a' }), {
    error: { message: /too long to acknowledge/ }
  })
  t.match(await client.ask('resources/subscribe', { uri: 'test://a' }), { error: {} })
  t.equal(
    (await server.got('notifications/cancelled')).message().params?.requestId,
    server.received.find(({ method }) => method === 'subscriptions/listen')?.id
  )
})

test('notifications of another subscription are dropped', async (t) => {
  const { client, server } = overText(t, undefined, { connectTimeout: 0 })
  await client.ask('initialize', initializeParams)
  const subscribed = client.ask('resources/subscribe', { uri: 'test://a' })
  const listen = await server.got('subscriptions/listen')
  const say = (id: unknown, method: string, more: object = {}): void =>
    server.say({ method, params: { _meta: { [tag]: id }, ...more } })
  say(listen.id, 'notifications/resources/updated', { uri: 'too early' })
  say(99, 'notifications/subscriptions/acknowledged')
  say({ toString: 1 }, 'notifications/subscriptions/acknowledged')
  server.say({ method: 'notifications/cancelled', params: { requestId: 99 } })
  say(listen.id, 'notifications/subscriptions/acknowledged', {
    notifications: { resourceSubscriptions: ['test://a'] }
  })
  t.strictSame((await subscribed).result, {})
  say(listen.id, 'notifications/subscriptions/acknowledged')
  say(99, 'notifications/resources/updated', { uri: 'foreign' })
  server.say({
    method: 'notifications/resources/updated',
    params: { _meta: { [tag]: listen.id, a: 1 }, uri: 'mine' }
  })
  const update = await client.frames.until(
    ({ method }) => method === 'notifications/resources/updated'
  )
  t.strictSame(update?.message().params, { _meta: { a: 1 }, uri: 'mine' })
})

test('too many subscriptions are refused', async (t) => {
  const { client } = overText(t, undefined, { connectTimeout: 0 })
  for (const uri of [undefined, '', 5, { toString: 1 }, 'x'.repeat(2 ** 20)]) {
    const { error } = await client.ask('resources/subscribe', { uri })
    t.match(error, { code: -32602, message: 'the request names no resource' })
  }
  const subscribe = (id: string, uri: string): Promise<void> =>
    client.send({ id, method: 'resources/subscribe', params: { uri } })
  await subscribe('a', 'x'.repeat(2 ** 20 - 2))
  await subscribe('b', 'yy')
  await subscribe('c', 'yy')
  t.match(await client.ask('resources/subscribe', { uri: 'z' }), { error: { message: /too many/ } })
})

test('a client that ends gets an error for a subscription under way', async (t) => {
  const { client, server } = overText(t, undefined, { connectTimeout: 0 })
  const first = client.ask('resources/subscribe', { uri: 'a' })
  const second = client.ask('resources/subscribe', { uri: 'b' })
  await server.got('subscriptions/listen')
  client.port.end()
  t.match(await first, { error: { message: 'the client has ended' } })
  t.match(await second, { error: { message: 'the client has ended' } })
  await client.closed
  t.equal(server.received.at(-1)?.method, 'notifications/cancelled')
})
