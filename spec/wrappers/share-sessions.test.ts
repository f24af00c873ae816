// One legacy server for many sessions.

import { once } from 'node:events'
import t from 'tap'
import type { Test } from 'tap'
import { describe, ProxyError } from '../../lib/errors.ts'
import { Frame } from '../../lib/message/frame.ts'
import type { Message } from '../../lib/protocol/json-rpc.ts'
import { shareSessions } from '../../lib/wrappers/share-sessions.ts'
import type { SharedSessions, ShareSessionsOptions } from '../../lib/wrappers/share-sessions.ts'
import { initializeParams } from './peer.ts'
import { clientOn, frameOf, TextServer, turn } from './text-server.ts'
import type { Client } from './text-server.ts'

interface Shared {
  server: TextServer
  sessions: SharedSessions
  connect(isSession?: boolean): Client
}

/** A server that answers `initialize` with this version, and other requests with an empty result. */
function shareOne(t: Test, version = '2025-11-25', options?: ShareSessionsOptions): Shared {
  const server = new TextServer()
  server.onFrame = ({ kind, id, method }) => {
    if (kind !== 'request') return
    const result =
      method === 'initialize'
        ? `{"protocolVersion":"${version}", "capabilities":{},"serverInfo":{"name":"s","version":"1"},"big":1.0}`
        : '{}'
    server.say(`{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":${result}}`)
  }
  const sessions = shareSessions(() => server, options)
  t.teardown(() => sessions.destroy())
  return { server, sessions, connect: (isSession) => clientOn(sessions.port(isSession)) }
}

const initialize = (client: Client, protocolVersion = '2025-11-25'): Promise<unknown> =>
  client.ask('initialize', { ...initializeParams, protocolVersion })

const paramsOf = (server: TextServer, method: string): unknown[] =>
  server.received.filter((frame) => frame.method === method).map((frame) => frame.message().params)

t.test('the proxy initializes the server, without client capabilities', async (t) => {
  const { server, connect } = shareOne(t)
  await connect().ask('tools/list')
  const [first, second, third] = server.received
  t.match(first?.message(), {
    method: 'initialize',
    params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'mcp-proxy' } }
  })
  t.strictSame(first?.message().params?.capabilities, {})
  t.equal(second?.method, 'notifications/initialized')
  t.equal(third?.method, 'tools/list')
})

t.test("each client's `initialize` gets the server's response, with the client's id", async (t) => {
  const { server, connect } = shareOne(t)
  for (const id of ['1', '"a\\u0041"', '9007199254740993']) {
    const { send, frames, texts } = connect()
    await send(
      `{"jsonrpc":"2.0","id":${id},"method":"initialize","params":${JSON.stringify(initializeParams)}}`
    )
    await frames.until(() => true)
    t.strictSame(texts(), [
      `{"jsonrpc":"2.0","id":${id},"result":{"protocolVersion":"2025-11-25", "capabilities":{},"serverInfo":{"name":"s","version":"1"},"big":1.0}}`
    ])
    t.equal(frames[0]?.id, JSON.parse(id))
    await send({ method: 'notifications/initialized' })
  }
  t.strictSame(
    server.received.map(({ method }) => method),
    ['initialize', 'notifications/initialized']
  )
})

t.test(
  'a client gets the revision that it asks for, or the one of the server if that is older',
  async (t) => {
    const { connect } = shareOne(t, '2025-06-18')
    const agreed = {
      '2024-11-05': '2024-11-05',
      '2025-11-25': '2025-06-18',
      '2019-01-01': '2025-06-18'
    }
    for (const [asked, version] of Object.entries(agreed)) {
      t.match(await initialize(connect(), asked), { result: { protocolVersion: version } })
    }
    const silent = connect()
    t.match(await silent.ask('initialize'), { result: { protocolVersion: '2025-06-18' } })
  }
)

t.test('a malformed result of `initialize` passes unchanged', async (t) => {
  const server = new TextServer()
  server.onFrame = ({ id }) => id === 0 && server.say({ id, result: null })
  const sessions = shareSessions(() => server)
  t.teardown(() => sessions.destroy())
  t.strictSame(await initialize(clientOn(sessions.port())), {
    jsonrpc: '2.0',
    id: 'watched-1',
    result: null
  })
})

t.test('a server that refuses, closes or does not answer fails its sessions', async (t) => {
  let server: TextServer
  const crash = new ProxyError('ERR_SERVER_EXITED', 'crashed')
  const cases: Record<string, TextServer['onFrame']> = {
    'took too long': undefined,
    refused: ({ id }) => server.say({ id, error: { code: -32000, message: 'no' } }),
    crashed: () => server.destroy(crash)
  }
  const sessions = shareSessions(() => server, { connectTimeout: 50 })
  for (const [why, onFrame] of Object.entries(cases)) {
    server = new TextServer()
    server.onFrame = onFrame
    const client = clientOn(sessions.port())
    await t.rejects(initialize(client))
    t.match(describe(await client.closed), why)
    await sessions.destroy()
  }
})

t.test('a ping gets a response from the proxy', async (t) => {
  const { server, connect } = shareOne(t)
  const client = connect()
  await client.send('{"jsonrpc":"2.0","id":9007199254740993,"method":"ping"}')
  await client.frames.until(() => true)
  t.strictSame(client.texts(), ['{"jsonrpc":"2.0","id":9007199254740993,"result":{}}'])
  t.equal(server.received.length, 0)
})

t.test('responses, progress and cancellation stay with each client', async (t) => {
  const { server, connect } = shareOne(t)
  const answer = server.onFrame
  const [one, other] = [connect(), connect()]
  await Promise.all([initialize(one), initialize(other)])
  server.onFrame = undefined
  for (const { send } of [one, other]) {
    await send({ id: 1, method: 'tools/call', params: { _meta: { progressToken: 'p' } } })
  }
  const calls = [await server.got('tools/call'), await server.got('tools/call', 2)]
  server.say({
    method: 'notifications/progress',
    params: { progressToken: calls[1]?.progressToken, progress: 1 }
  })
  const progress = await other.frames.until(({ method }) => method === 'notifications/progress')
  t.equal(progress?.progressToken, 'p')
  await one.send({ method: 'notifications/cancelled', params: { requestId: 1 } })
  const cancelled = await server.got('notifications/cancelled')
  t.equal(cancelled.message().params?.requestId, calls[0]?.id)
  answer?.(calls[1] as NonNullable<(typeof calls)[1]>)
  await other.answer(1)
  t.equal(one.frames.length, 1, 'only the response to initialize')
})

t.test('list changes go to all sessions, and to no stateless client', async (t) => {
  const { server, connect } = shareOne(t)
  const clients = [connect(), connect()]
  const stateless = connect(false)
  await Promise.all([...clients, stateless].map((client) => initialize(client)))
  server.say({ method: 'notifications/tasks/status', params: { taskId: 't' } })
  server.say({ method: 'notifications/tools/list_changed' })
  server.say({ method: 'notifications/custom' })
  for (const { frames } of clients) {
    await frames.until(({ method }) => method === 'notifications/custom')
    t.strictSame(
      frames.flatMap(({ method }) => method ?? []),
      ['notifications/tools/list_changed', 'notifications/custom'],
      'the status of a task goes to no client: it does not name one'
    )
  }
  t.equal(stateless.frames.length, 1)
})

t.test(
  'the server logs at the least level of all clients, and each client gets its own level',
  async (t) => {
    const { server, connect } = shareOne(t)
    const [debug, error, none] = [connect(), connect(), connect()]
    await Promise.all([debug, error, none].map((client) => initialize(client)))
    await error.ask('logging/setLevel', { level: 'error' })
    await debug.ask('logging/setLevel', { level: 'debug' })
    await error.ask('logging/setLevel', { level: 'critical' })
    t.strictSame(paramsOf(server, 'logging/setLevel'), [
      { level: 'error' },
      { level: 'debug' },
      { level: 'debug' }
    ])
    for (const level of ['debug', 'warning', 'critical', 'emergency', 'odd']) {
      server.say({ method: 'notifications/message', params: { level, data: 1 } })
    }
    server.say({ method: 'notifications/last' })
    const heard = async ({ frames }: Client): Promise<unknown[]> => {
      await frames.until(({ method }) => method === 'notifications/last')
      const messages = frames.filter(({ method }) => method === 'notifications/message')
      return messages.map((frame) => frame.message().params?.level)
    }
    t.strictSame(await heard(debug), ['debug', 'warning', 'critical', 'emergency'])
    t.strictSame(await heard(error), ['critical', 'emergency'])
    t.strictSame(await heard(none), [], 'a client that set no level gets no log messages')

    debug.port.destroy()
    await debug.closed
    await error.ask('logging/setLevel', { level: 'alert' })
    t.strictSame(paramsOf(server, 'logging/setLevel').at(-1), { level: 'alert' })
  }
)

t.test('no notification is parsed as a whole, however many sessions there are', async (t) => {
  const { server, connect } = shareOne(t)
  const clients = [connect(), connect(), connect(), connect()]
  for (const { ask } of clients) {
    await ask('logging/setLevel', { level: 'info' })
    await ask('resources/subscribe', { uri: 'x:y' })
  }
  const parsed: unknown[] = []
  t.intercept(Frame.prototype, 'message', {
    value(this: Frame) {
      parsed.push(this.method)
      return JSON.parse(this.toString()) as Message
    }
  })
  for (const level of ['debug', 'info']) {
    server.say({ method: 'notifications/message', params: { level, data: 1 } })
  }
  server.say({ method: 'notifications/resources/updated', params: { uri: 'x:y' } })
  server.say({ method: 'notifications/last' })
  for (const { frames } of clients) {
    await frames.until(({ method }) => method === 'notifications/last')
    t.strictSame(
      frames.flatMap(({ method }) => method ?? []),
      ['notifications/message', 'notifications/resources/updated', 'notifications/last']
    )
  }
  t.strictSame(parsed, [])
})

t.test('an unknown level goes to the server to refuse, and changes nothing', async (t) => {
  const { server, connect } = shareOne(t)
  const client = connect()
  await initialize(client)
  await client.ask('logging/setLevel', { level: 'error' })
  await client.ask('logging/setLevel', { level: 'loud' })
  await client.ask('logging/setLevel')
  t.strictSame(paramsOf(server, 'logging/setLevel'), [
    { level: 'error' },
    { level: 'loud' },
    undefined
  ])
  server.say({ method: 'notifications/message', params: { level: 'info' } })
  server.say({ method: 'notifications/message', params: { level: 'error' } })
  const frame = await client.frames.until(({ method }) => method === 'notifications/message')
  t.equal(frame?.message().params?.level, 'error')
})

t.test(
  'an update goes to the clients that are subscribed to the resource or to its parent',
  async (t) => {
    const { server, connect } = shareOne(t)
    const uris = ['f:/a', 'f:/a/', 'f:/a/b', 'f:/ab', 'x:y']
    const clients = uris.map((uri) => ({ uri, ...connect() }))
    for (const { uri, ask } of clients) await ask('resources/subscribe', { uri })
    for (const uri of ['f:/a', 'f:/a/b', 'f:/a/b?q', 'f:/ab']) {
      server.say({ method: 'notifications/resources/updated', params: { uri } })
    }
    server.say({ method: 'notifications/last' })
    const heard: Record<string, unknown[]> = {}
    for (const { uri, frames } of clients) {
      await frames.until(({ method }) => method === 'notifications/last')
      const updates = frames.filter(({ method }) => method === 'notifications/resources/updated')
      heard[uri] = updates.map((frame) => frame.message().params?.uri)
    }
    t.strictSame(heard, {
      'f:/a': ['f:/a', 'f:/a/b', 'f:/a/b?q'],
      'f:/a/': ['f:/a/b', 'f:/a/b?q'],
      'f:/a/b': ['f:/a/b', 'f:/a/b?q'],
      'f:/ab': ['f:/ab'],
      'x:y': []
    })
  }
)

t.test('the server gets an unsubscribe when the last client ends its subscription', async (t) => {
  const { server, connect } = shareOne(t)
  const [one, two, three, stays] = [connect(), connect(), connect(), connect()]
  const uri = 'x:y'
  for (const { ask } of [one, two, three]) await ask('resources/subscribe', { uri })
  await two.ask('resources/subscribe', { uri: 'only:two' })
  const unsubscribed = (): unknown[] =>
    paramsOf(server, 'resources/unsubscribe').map((params) => (params as { uri: string }).uri)
  t.match(await one.ask('resources/unsubscribe', { uri }), { result: {} })
  t.strictSame(unsubscribed(), [], 'other clients are still subscribed')

  two.port.destroy()
  await two.closed
  await server.got('resources/unsubscribe')
  t.strictSame(unsubscribed(), ['only:two'], 'a client that disconnects ends its subscriptions')

  three.port.end()
  await three.closed
  await server.got('resources/unsubscribe', 2)
  t.strictSame(unsubscribed(), ['only:two', uri], 'the last client has ended it')

  await stays.ask('resources/unsubscribe', { uri })
  t.strictSame(
    unsubscribed(),
    ['only:two', uri, uri],
    'one without a subscription goes to the server too'
  )
})

t.test('sessions that close together end their subscription once', async (t) => {
  const { server, connect } = shareOne(t)
  const clients = [connect(), connect(), connect()]
  for (const { ask } of clients) await ask('resources/subscribe', { uri: 'x:y' })
  for (const { port } of clients) port.destroy()
  await Promise.all(clients.map(({ closed }) => closed))
  await turn()
  t.equal(paramsOf(server, 'resources/unsubscribe').length, 1)
})

t.test('a session that ends still gets the responses to its requests', async (t) => {
  const { server, connect } = shareOne(t)
  const client = connect()
  await initialize(client)
  server.onFrame = undefined
  await client.send({ id: 1, method: 'tools/call' })
  client.port.end()
  const { id } = await server.got('tools/call')
  server.say({ id, result: {} })
  await client.answer(1)
  t.equal(await client.closed, undefined)
  t.notOk(server.destroyed)
})

t.test(
  'the end of the server ends all sessions, and the next session gets a new server',
  async (t) => {
    const servers: TextServer[] = []
    const sessions = shareSessions(() => {
      const server = new TextServer()
      server.onFrame = ({ method, id }) =>
        method === 'initialize' && server.say({ id, result: { protocolVersion: '2025-11-25' } })
      servers.push(server)
      return server
    })
    t.teardown(() => sessions.destroy())
    const clients = [clientOn(sessions.port()), clientOn(sessions.port())]
    await Promise.all(clients.map((client) => initialize(client)))
    const [one] = clients as [Client]
    await one.send({ id: 1, method: 'tools/call' })
    const crash = new ProxyError('ERR_SERVER_EXITED', 'crashed')
    servers[0]?.destroy(crash)
    for (const { closed } of clients) t.equal(await closed, crash)
    t.match(await one.answer(1), { error: { message: 'crashed' } })
    t.match(await initialize(clientOn(sessions.port())), { result: {} })
    t.equal(servers.length, 2)
  }
)

t.test('a session that does not read is disconnected, and the others go on', async (t) => {
  const { server, sessions, connect } = shareOne(t, '2025-11-25', { maxQueue: 1000 })
  const slow = sessions.port()
  const fast = connect()
  await Promise.all([
    initialize(fast),
    new Promise((resolve) => slow.write(frameOf({ id: 1, method: 'x' }), resolve))
  ])
  slow.read(0) // asks for a frame, and does not take it
  const failed = once(slow, 'error')
  for (let count = 0; count < 50; count++) {
    server.say({ method: 'notifications/n', params: { text: 'x'.repeat(300) } })
    await turn()
  }
  t.match(await failed, [{ code: 'ERR_CLIENT_SLOW' }])
  await fast.frames.until(() => fast.frames.length === 51)
})

t.test('a session can be destroyed while the server is initialized', async (t) => {
  const { server, connect } = shareOne(t)
  server.onFrame = undefined
  const [gone, stays] = [connect(), connect()]
  void gone.ask('initialize', initializeParams).catch(() => {})
  const initialized = initialize(stays)
  await server.got('initialize')
  gone.port.destroy()
  await gone.closed
  server.say({ id: 0, result: { protocolVersion: '2025-11-25' } })
  t.match(await initialized, { result: { protocolVersion: '2025-11-25' } })
  t.equal(gone.frames.length, 0)
})

t.test('a session has a limited number and size of subscriptions', async (t) => {
  const { server, connect } = shareOne(t)
  const [one, two] = [connect(), connect()] as [Client, Client]
  for (const client of [one, two]) await initialize(client)
  const error = { code: -32602, message: 'the session has too many subscriptions' }
  const half = 'x'.repeat(600 * 1024)
  const { ask } = two
  t.match(await ask('resources/subscribe', { uri: `a${half}` }), { result: {} })
  t.match(await ask('resources/subscribe', { uri: `b${half}` }), { error })
  for (let n = 0; n < 10_000; n++) {
    if (n % 100 === 0) await turn()
    void one.send(
      `{"jsonrpc":"2.0","id":"s${n}","method":"resources/subscribe","params":{"uri":"${n}"}}`
    )
  }
  t.match(await one.ask('resources/subscribe', { uri: 'more' }), { error })
  t.match(await two.ask('resources/subscribe', { uri: 'more' }), { result: {} })
  const subscribed = server.received.filter(({ method }) => method === 'resources/subscribe')
  t.equal(subscribed.length, 10_002)
})

t.test('an update or a log message without its member goes to no client', async (t) => {
  const { server, connect } = shareOne(t)
  const client = connect()
  await initialize(client)
  await client.ask('logging/setLevel', { level: 'debug' })
  await client.ask('resources/subscribe', { uri: 'a:b' })
  for (const method of ['notifications/message', 'notifications/resources/updated']) {
    for (const params of ['{}', '{"level":1,"uri":{"toString":1}}']) {
      server.say(`{"jsonrpc":"2.0","method":"${method}","params":${params}}`)
    }
  }
  t.match(await client.ask('tools/list'), { result: {} })
  t.notMatch(client.texts().join(), 'notifications/')
})
