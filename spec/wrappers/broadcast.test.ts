// Notifications of a shared server that name no request and no subscription.

import t from 'tap'
import type { Test } from 'tap'
import { share } from '../../lib/wrappers/share.ts'
import { shareSessions } from '../../lib/wrappers/share-sessions.ts'
import { clientOn, TextServer } from './text-server.ts'
import type { Client } from './text-server.ts'

const subscriptionKey = 'io.modelcontextprotocol/subscriptionId'
const versionKey = 'io.modelcontextprotocol/protocolVersion'
const logKey = 'io.modelcontextprotocol/logLevel'
const _meta = { [versionKey]: '2026-07-28' }
const toolsChanged = 'notifications/tools/list_changed'
const promptsChanged = 'notifications/prompts/list_changed'
const resourcesChanged = 'notifications/resources/list_changed'
const updated = 'notifications/resources/updated'

function shareOne(t: Test): { server: TextServer; connect: () => Client } {
  const server = new TextServer()
  const shared = share(() => server)
  t.teardown(() => shared.destroy())
  return { server, connect: () => clientOn(shared.port()) }
}

/** Subscribes a client, and returns it. */
async function listen(client: Client, id: unknown, notifications?: unknown): Promise<Client> {
  await client.send({ id, method: 'subscriptions/listen', params: { _meta, notifications } })
  return client
}

/** Sends a last message to each client, and returns the texts of those before it. */
async function textsOf({ port, texts }: Client): Promise<string[]> {
  await new Promise((resolve) => setImmediate(resolve))
  port.destroy()
  return texts()
}

const changes = [toolsChanged, promptsChanged, resourcesChanged]

t.test('a change without a tag goes to each subscription that asks for it', async (t) => {
  const { server, connect } = shareOne(t)
  const asked: Record<string, unknown>[] = [
    { toolsListChanged: true },
    { promptsListChanged: true, resourcesListChanged: true, toolsListChanged: false },
    { toolsListChanged: 'true', promptsListChanged: 1, resourcesListChanged: null },
    { resourceSubscriptions: ['a:b', 'a:c'] },
    { resourceSubscriptions: ['a:'] },
    { resourceSubscriptions: 'a:b' },
    { resourceSubscriptions: [`a:${'x'.repeat(70_000)}`, 'a:b'], toolsListChanged: true }
  ]
  const clients = await Promise.all(asked.map((filter) => listen(connect(), 's', filter)))
  for (const filter of [undefined, null, [], 'all'])
    clients.push(await listen(connect(), 's', filter))
  for (const method of [...changes, 'notifications/custom']) server.say({ method })
  server.say({ method: updated, params: { uri: 'a:b' } })
  const heard: string[][] = []
  for (const client of clients) {
    for (const frame of client.frames) {
      t.equal(
        (frame.message().params as { _meta: Record<string, unknown> })._meta[subscriptionKey],
        's'
      )
    }
    const methods = client.frames.map(({ method }) => String(method))
    await textsOf(client)
    heard.push(methods)
  }
  t.strictSame(heard, [
    [toolsChanged],
    [promptsChanged, resourcesChanged],
    [],
    [updated],
    [],
    [],
    [toolsChanged],
    ...[[], [], [], []]
  ])
})

t.test('the tag is the id as the client wrote it, and the rest stays as it was', async (t) => {
  const { server, connect } = shareOne(t)
  const client = connect()
  await client.send(
    `{"jsonrpc":"2.0","id":1e0,"method":"subscriptions/listen","params":{"notifications":{"toolsListChanged":true}}}`
  )
  const cases = {
    '': `"params":{"_meta":{"${subscriptionKey}":1e0}},`,
    '"params":{},': `"params":{"_meta":{"${subscriptionKey}":1e0}},`,
    '"params":{ "n":1.0},': `"params":{"_meta":{"${subscriptionKey}":1e0}, "n":1.0},`,
    '"params":{"_meta":{ }},': `"params":{"_meta":{"${subscriptionKey}":1e0 }},`,
    '"params":{"_meta":{"a":1.0}},': `"params":{"_meta":{"${subscriptionKey}":1e0,"a":1.0}},`,
    '"params":{"_meta":[1]},': '"params":{"_meta":[1]},',
    '"params":[1],': '"params":[1],'
  }
  for (const params of Object.keys(cases)) {
    server.say(`{${params}"jsonrpc":"2.0","method":"${toolsChanged}"}`)
  }
  t.strictSame(
    await textsOf(client),
    Object.values(cases).map((params) => `{${params}"jsonrpc":"2.0","method":"${toolsChanged}"}`)
  )
})

t.test('a subscription that has ended gets no more changes', async (t) => {
  const { server, connect } = shareOne(t)
  const filter = { toolsListChanged: true }
  const [cancelled, gone, ended] = await Promise.all(
    [1, 2, 3].map((id) => listen(connect(), id, filter))
  )
  await cancelled?.send({ method: 'notifications/cancelled', params: { requestId: 1 } })
  gone?.port.destroy()
  server.say({ id: 3, result: { _meta: { [subscriptionKey]: 3 } } })
  await ended?.answer(3)
  server.say({ method: toolsChanged })
  t.strictSame(await textsOf(cancelled as Client), [])
  t.equal((await textsOf(ended as Client)).length, 1)
})

const message = 'notifications/message'

t.test('the only request in flight gets what names no request', async (t) => {
  const { server, connect } = shareOne(t)
  const [one, two] = [connect(), connect()]
  const listening = await listen(connect(), 's', { toolsListChanged: true })
  await one.send({ id: 1, method: 'x', params: { _meta } })
  const says = ['notifications/custom', message, ...changes, updated, 'notifications/tasks/status']
  for (const method of says) server.say({ method })
  await two.send({ id: 1, method: 'y', params: { _meta } })
  server.say({ method: 'notifications/two' })
  server.say({ id: 2, result: {} })
  await one.answer(1)
  server.say({ method: 'notifications/for-two' })
  server.say({ id: 3, result: {} })
  await two.answer(1)
  server.say({ method: 'notifications/for-nobody' })
  const methodsOf = ({ frames }: Client): unknown[] => frames.map(({ method }) => method)
  t.strictSame(methodsOf(one), ['notifications/custom', message, undefined])
  t.strictSame(methodsOf(two), ['notifications/for-two', undefined])
  t.strictSame(methodsOf(listening), [toolsChanged])
})

t.test('a log message goes to the only request that asks for log messages', async (t) => {
  const { server, connect } = shareOne(t)
  const [one, two, three] = [connect(), connect(), connect()]
  const params = { _meta: { ..._meta, [logKey]: 'debug' } }
  await one.send({ id: 1, method: 'x', params })
  await three.send({ id: 1, method: 'subscriptions/listen', params })
  await two.send({ id: 1, method: 'x', params: { _meta } })
  server.say({ method: message, params: { level: 'info', data: 1 } })
  t.equal((await textsOf(one)).length, 1)
  t.equal((await textsOf(two)).length, 0)
  t.equal((await textsOf(three)).length, 0, 'and to no subscription')
})

t.test('without sessions, the only request gets list changes too', async (t) => {
  const server = new TextServer()
  server.onFrame = ({ id, method }) => method === 'initialize' && server.say({ id, result: {} })
  const sessions = shareSessions(() => server)
  t.teardown(() => sessions.destroy())
  const [stateless, session] = [clientOn(sessions.port(false)), clientOn(sessions.port())]
  await session.ask('initialize')
  await stateless.send({ id: 1, method: 'x' })
  const says = [message, ...changes, 'notifications/custom', updated, 'notifications/tasks/status']
  for (const method of says) server.say({ method })
  t.strictSame(
    stateless.frames.map(({ method }) => method),
    [message, ...changes, 'notifications/custom']
  )
  await session.send({ id: 1, method: 'y' })
  server.say({ method: 'notifications/both' })
  server.say({ id: 1, result: {} })
  await stateless.answer(1)
  server.say({ method: 'notifications/last' })
  t.equal(stateless.frames.filter(({ method }) => method === 'notifications/both').length, 0)
  const last = session.frames.filter(({ method }) => method === 'notifications/last')
  t.equal(last.length, 1, 'a session gets it once, also if its request is the only one')
})
