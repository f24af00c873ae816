// `subscriptions/listen` of modern clients at a legacy server.

import t from 'tap'
import type { Json } from '../../../fixtures/clients/raw.js'
import { asking, form, prefix, setUp, turn, until } from './helpers.ts'
import type { Handler, LegacyServer, ModernClient } from './helpers.ts'

const method = 'subscriptions/listen'
const updated = 'notifications/resources/updated'
const toolsChanged = 'notifications/tools/list_changed'
const key = `${prefix}subscriptionId`

const agrees: Handler = (frame, server) => {
  if (frame.kind !== 'request') return
  const { uri } = (frame.message().params ?? {}) as { uri?: string }
  if (uri === 'file:///refused') server.say({ id: frame.id, error: { code: -32002, message: '' } })
  else server.respond(frame, {})
}

const messages = (client: ModernClient): Json[] => client.frames.map((frame) => frame.message())

const listen = async (
  client: ModernClient,
  id: string | number,
  notifications: object
): Promise<void> => {
  const count = client.frames.length
  await client.start({ id, method, params: { notifications } })
  await until(() => client.frames.length > count)
}

const uris = (server: LegacyServer | undefined, method: string): unknown[] =>
  (server?.received ?? [])
    .filter((frame) => frame.method === method)
    .map((frame) => frame.message().params?.uri)

t.test('the acknowledgement names what the server agreed to', async (t) => {
  const { servers, connect } = setUp(t, agrees)
  const client = connect()
  await listen(client, 'a', {
    toolsListChanged: true,
    promptsListChanged: true,
    resourcesListChanged: false,
    unknown: true,
    resourceSubscriptions: ['file:///a', 'file:///refused', 'file:///a', '']
  })
  t.strictSame(messages(client), [
    {
      jsonrpc: '2.0',
      method: 'notifications/subscriptions/acknowledged',
      params: {
        notifications: { toolsListChanged: true, resourceSubscriptions: ['file:///a'] },
        _meta: { [key]: 'a' }
      }
    }
  ])
  t.strictSame(uris(servers[0], 'resources/subscribe'), ['file:///a', 'file:///refused'])
})

t.test('a client gets only the notifications that it asked for, with its tag', async (t) => {
  const { servers, connect } = setUp(t, agrees)
  const client = connect()
  await listen(client, 1, { toolsListChanged: true })
  await listen(client, 2, { resourceSubscriptions: ['file:///a'], toolsListChanged: true })
  const [server] = servers as [LegacyServer]
  server.say({ method: toolsChanged })
  server.say(
    `{"jsonrpc":"2.0","method":"${updated}","params":{"uri":"file:///a/b","_meta":{"n":1.0}}}`
  )
  server.say({ method: updated, params: { uri: 'file:///b' } })
  server.say({ method: updated })
  server.say({ method: 'notifications/resources/list_changed' })
  server.say({ method: 'notifications/message', params: { level: 'error', data: 1 } })
  server.say({ method: 'notifications/elicitation/complete', params: { elicitationId: 'e' } })
  await until(() => client.frames.length === 5)
  t.strictSame(client.texts().slice(2), [
    `{"jsonrpc":"2.0","method":"${toolsChanged}","params":{"_meta":{"${key}":1}}}`,
    `{"jsonrpc":"2.0","method":"${toolsChanged}","params":{"_meta":{"${key}":2}}}`,
    `{"jsonrpc":"2.0","method":"${updated}","params":{"uri":"file:///a/b","_meta":{"n":1.0,"${key}":2}}}`
  ])
  t.equal(servers.length, 1)
})

t.test('the server has one subscription for all clients', async (t) => {
  const { servers, connect } = setUp(t, agrees)
  const [one, other] = [connect(), connect()]
  await listen(one, 1, { resourceSubscriptions: ['file:///a', 'file:///b'] })
  await listen(other, 1, { resourceSubscriptions: ['file:///a'] })
  t.strictSame(uris(servers[0], 'resources/subscribe'), ['file:///a', 'file:///b'])
  await one.send({ method: 'notifications/cancelled', params: { requestId: 1 } })
  await until(() => uris(servers[0], 'resources/unsubscribe').length === 1)
  t.strictSame(uris(servers[0], 'resources/unsubscribe'), ['file:///b'])
  servers[0]?.say({ method: updated, params: { uri: 'file:///a' } })
  await until(() => other.frames.length === 2)
  other.port.destroy()
  await until(() => uris(servers[0], 'resources/unsubscribe').length === 2)
  t.strictSame(uris(servers[0], 'resources/unsubscribe'), ['file:///b', 'file:///a'])
  t.equal(one.frames.length, 1, 'a cancelled subscription gets no response')
})

t.test('an update counts for the closest subscription', async (t) => {
  const { servers, connect } = setUp(t, agrees)
  const [one, other] = [connect(), connect()]
  await listen(one, 1, { resourceSubscriptions: ['file:///'] })
  await listen(other, 1, { resourceSubscriptions: ['file:///a'] })
  servers[0]?.say({ method: updated, params: { uri: 'file:///a/b' } })
  servers[0]?.say({ method: updated, params: { uri: 'file:///c' } })
  await until(() => one.frames.length === 2 && other.frames.length === 2)
  t.equal(messages(one)[1].params.uri, 'file:///c')
  t.equal(messages(other)[1].params.uri, 'file:///a/b')
})

t.test('notifications that come before the acknowledgement come after it', async (t) => {
  const { servers, connect } = setUp(t, (frame, server) => {
    if (frame.method !== 'resources/subscribe') return
    server.say({ method: updated, params: { uri: 'file:///a' } })
    setTimeout(() => server.respond(frame, {}), 20)
  })
  const client = connect()
  await client.start({
    method,
    params: { notifications: { resourceSubscriptions: ['file:///a'] } }
  })
  await until(() => client.frames.length === 2)
  t.strictSame(
    client.frames.map(({ method }) => method),
    ['notifications/subscriptions/acknowledged', updated]
  )
  t.equal(servers.length, 1)
})

t.test(
  'a server that sends too much before the acknowledgement ends the subscription',
  async (t) => {
    const { servers, connect } = setUp(t, () => {})
    const client = connect()
    await client.start({
      id: 1,
      method,
      params: { notifications: { toolsListChanged: true, resourceSubscriptions: ['file:///a'] } }
    })
    await until(() => uris(servers[0], 'resources/subscribe').length > 0)
    const params = { text: 'x'.repeat(400_000) }
    for (let count = 0; count < 2; count++) servers[0]?.say({ method: toolsChanged, params })
    await turn()
    t.equal(client.frames.length, 0)
    servers[0]?.say({ method: toolsChanged, params })
    await until(() => client.frames.length > 0)
    t.match(messages(client), [{ id: 1, result: { resultType: 'complete' } }])
  }
)

t.test('a server without subscriptions, or a silent one, agrees to no resource', async (t) => {
  const without = setUp(t, agrees, {}, (server) => {
    server.result = { protocolVersion: '2025-11-25', capabilities: { resources: {} } }
  })
  const silent = setUp(t, () => {}, { connectTimeout: 30 })
  for (const { connect } of [without, silent]) {
    const client = connect()
    await listen(client, 1, { resourceSubscriptions: ['file:///a'] })
    t.strictSame(messages(client)[0].params.notifications, {})
  }
})

t.test('an invalid or too large filter is refused', async (t) => {
  const { servers, connect } = setUp(t, agrees)
  const client = connect()
  const filters = [
    undefined,
    [],
    { resourceSubscriptions: 'file:///a' },
    { resourceSubscriptions: [1] },
    { resourceSubscriptions: Array.from({ length: 1001 }, String) },
    { resourceSubscriptions: ['a'.repeat(1024 * 1024)] }
  ]
  for (const notifications of filters) {
    const { error } = await client.call({ method, params: { notifications } })
    t.match(error, { code: -32602, message: /notifications/ })
  }
  t.equal(servers.length, 0)
})

t.test('the end of the server ends the subscription with a response', async (t) => {
  const { servers, modern, connect } = setUp(t, agrees)
  const ended = (id: unknown): object => ({
    jsonrpc: '2.0',
    id,
    result: { resultType: 'complete', _meta: { [key]: id } }
  })
  const client = connect()
  await listen(client, 'a', { toolsListChanged: true })
  servers[0]?.destroy()
  await until(() => client.frames.length === 2)
  t.strictSame(messages(client)[1], ended('a'), 'the server closed')
  await listen(client, 5, { toolsListChanged: true })
  t.equal(servers.length, 2)
  await modern.destroy()
  t.strictSame(messages(client).at(-1), ended(5), 'the proxy ends')
})

t.test('the end of a client ends its subscriptions', async (t) => {
  const { servers, connect } = setUp(t, agrees)
  const client = connect()
  await listen(client, 1, { resourceSubscriptions: ['file:///a'] })
  client.port.end()
  await client.closed
  await until(() => uris(servers[0], 'resources/unsubscribe').length === 1)
  t.equal(client.frames.length, 1)
})

t.test('a subscription moves when its connection ends for another reason', async (t) => {
  let isOld = true
  const { servers, connect } = setUp(
    t,
    (frame, server) => {
      if (frame.method === 'tools/call') {
        server.say({ id: 'ask', method: 'elicitation/create', params: form })
      } else agrees(frame, server)
    },
    { inputTimeout: 30 },
    (server) => {
      if (!isOld) server.result = { protocolVersion: '2025-11-25', capabilities: { resources: {} } }
      isOld = false
    }
  )
  const client = connect({ capabilities: asking })
  await listen(client, 1, { toolsListChanged: true, resourceSubscriptions: ['file:///a'] })
  await client.call({ id: 2, method: 'tools/call' })
  await until(() => servers.length === 2)
  t.ok(servers[0]?.destroyed, 'the call was not continued')
  await turn()
  t.equal(client.frames.length, 2, 'no second acknowledgement')
})

t.test('a subscription ends when its next connection cannot open', async (t) => {
  const { servers, connect } = setUp(
    t,
    (frame, server) => {
      if (frame.method === 'tools/call') {
        server.say({ id: 'ask', method: 'elicitation/create', params: form })
      } else agrees(frame, server)
    },
    { inputTimeout: 30 },
    (server) => {
      if (servers.length > 0) server.onFrame = () => server.destroy()
    }
  )
  const client = connect({ capabilities: asking })
  await listen(client, 1, { toolsListChanged: true })
  await client.call({ id: 2, method: 'tools/call' })
  const end = await client.frames.until(({ id }) => id === 1)
  t.equal((end?.message() as Json).result.resultType, 'complete')
})

t.test('a client that cancels while the server agrees leaves nothing behind', async (t) => {
  const { servers, connect } = setUp(t, () => {})
  const client = connect()
  void client.start({ id: 1, method, params: { notifications: { resourceSubscriptions: ['a'] } } })
  await until(() => servers.length === 1)
  await servers[0]?.got('resources/subscribe')
  await client.send({ method: 'notifications/cancelled', params: { requestId: 1 } })
  await servers[0]?.got('resources/unsubscribe')
  t.equal(client.frames.length, 0)
})
