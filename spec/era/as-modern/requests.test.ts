// The requests of modern clients at a legacy server, and the responses to them.

import t from 'tap'
import type { Json } from '../../../fixtures/clients/raw.js'
import { asModern } from '../../../lib/era/as-modern.ts'
import { clientOn, frameOf, TextServer } from '../../wrappers/text-server.ts'
import { asking, prefix, serverInfo, setUp, turn, until } from './helpers.ts'
import type { Handler, LegacyServer } from './helpers.ts'

const empty: Handler = (frame, server) => {
  if (frame.kind === 'request') server.respond(frame, {})
}

t.test('`server/discover` tells what the server said to `initialize`', async (t) => {
  const icons = [{ src: 'https://a/i.png' }]
  const { servers, connect } = setUp(t, empty, {}, (server) => {
    server.result = {
      protocolVersion: '2025-11-25',
      capabilities: { tools: {}, tasks: { list: {} }, experimental: { a: {} }, other: 1 },
      serverInfo: { ...serverInfo, title: 'Old', icons },
      instructions: 'Ask.',
      unknown: [1],
      _meta: { a: 1 }
    }
  })
  const client = connect({ capabilities: asking, name: 'me' })
  const { result } = await client.call({ method: 'server/discover' })
  t.strictSame(result, {
    instructions: 'Ask.',
    unknown: [1],
    resultType: 'complete',
    supportedVersions: ['2026-07-28'],
    capabilities: { tools: {}, experimental: { a: {} }, other: 1 },
    ttlMs: 0,
    cacheScope: 'private',
    _meta: { a: 1, [`${prefix}serverInfo`]: { ...serverInfo, title: 'Old', icons } }
  })
  const [initialize, initialized] = servers[0]?.received ?? []
  t.strictSame(initialize?.message().params, {
    protocolVersion: '2025-11-25',
    capabilities: asking,
    clientInfo: { name: 'me', version: '1' }
  })
  t.equal(initialized?.method, 'notifications/initialized')
  await client.call({ method: 'server/discover' })
  t.equal(servers.length, 1)
})

t.test('a server may say little, or nonsense, to `initialize`', async (t) => {
  const results = [
    { protocolVersion: '2024-11-05', capabilities: [], serverInfo: 'me', _meta: 1 },
    { protocolVersion: '2024-11-05' }
  ]
  for (const initialized of results) {
    const { connect } = setUp(t, empty, {}, (server) => {
      server.result = initialized
    })
    const client = connect()
    const { result } = await client.call({ method: 'server/discover' })
    t.match(result, { supportedVersions: ['2026-07-28'], capabilities: {}, _meta: {} })
    t.notOk(`${prefix}serverInfo` in result._meta)
    const list = await client.call({ method: 'tools/list' })
    t.notOk('_meta' in list.result)
  }
  const { connect } = setUp(t, empty, {}, (server) => {
    server.result = [] as object
  })
  const { error } = await connect().call({ method: 'tools/list' })
  t.match(error, { code: -32000, message: /invalid response to initialize/ })
})

t.test('a request loses what only the modern revision has, and nothing else', async (t) => {
  const { servers, connect } = setUp(t, empty)
  const client = connect()
  const meta = `"${prefix}protocolVersion":"2026-07-28","${prefix}clientCapabilities":{},"${prefix}logLevel":"error"`
  await client.send(
    `{"jsonrpc":"2.0", "id":"a\\u0041","method":"x/y","params":{"big":12345678901234567890,"_meta":{${meta},"traceparent":1.0}}, "more":[ ]}`
  )
  await until(() => client.frames.length === 1)
  await client.send(
    `{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"n","task":{"ttl":1},"inputResponses":{},"_meta":{${meta},"progressToken":"t"},"arguments":{"task":1}}}`
  )
  await until(() => client.frames.length === 2)
  const [server] = servers as [LegacyServer]
  const [first, second] = [await server.got('x/y'), await server.got('tools/call')]
  t.match(
    String(first),
    /^\{"jsonrpc":"2.0", "id":\d+,"method":"x\/y","params":\{"big":12345678901234567890,"_meta":\{"traceparent":1.0\}\}, "more":\[ \]\}$/
  )
  t.strictSame(second.message().params, {
    name: 'n',
    arguments: { task: 1 },
    _meta: { progressToken: second.progressToken }
  })
  t.match(
    client.texts(),
    [
      '{"jsonrpc":"2.0","id":"a\\u0041","result":{"resultType":"complete"',
      '{"jsonrpc":"2.0","id":2,"result":{"resultType":"complete"'
    ].map((start) => new RegExp(start.replace(/[\\{]/g, '\\$&')))
  )
})

t.test('a result gets what the modern revision requires, and keeps its bytes', async (t) => {
  let result = ''
  const { connect } = setUp(t, (frame, server) => {
    if (frame.kind !== 'request') return
    server.say(`{"jsonrpc":"2.0","id":${JSON.stringify(frame.id)},"result":${result}}`)
  })
  const client = connect()
  const meta = `"_meta":{"${prefix}serverInfo":${JSON.stringify(serverInfo)}}`
  const cache = '"ttlMs":0,"cacheScope":"private"'
  const cases: [string, string, string][] = [
    ['tools/call', '{}', `{"resultType":"complete",${meta}}`],
    ['tools/list', '{"tools":[1.0]}', `{"tools":[1.0],"resultType":"complete",${cache},${meta}}`],
    ['prompts/list', '{}', `{"resultType":"complete",${cache},${meta}}`],
    ['resources/list', '{}', `{"resultType":"complete",${cache},${meta}}`],
    ['resources/templates/list', '{}', `{"resultType":"complete",${cache},${meta}}`],
    [
      'resources/read',
      '{"ttlMs":5,"cacheScope":"public"}',
      `{"ttlMs":5,"cacheScope":"public","resultType":"complete",${meta}}`
    ],
    [
      'resources/read',
      '{"ttlMs":-1,"cacheScope":{},"resultType":"input_required"}',
      `{"resultType":"complete",${cache},${meta}}`
    ],
    [
      'completion/complete',
      `{"_meta":{"a":1,"${prefix}serverInfo":5},"b":12345678901234567890}`,
      `{"b":12345678901234567890,"resultType":"complete",${meta.replace('{', '{"a":1,')}}`
    ],
    [`x/y`, `{"${'n'.repeat(200)}":1}`, `{"${'n'.repeat(200)}":1,"resultType":"complete",${meta}}`],
    ['x/y', '{"_meta":5}', `{"resultType":"complete",${meta}}`]
  ]
  for (const [method, legacy, modern] of cases) {
    result = legacy
    await client.call({ method })
    const text = String(client.frames.at(-1))
    t.equal(text.slice(text.indexOf('"result":') + 9, -1), modern, `${method} ${legacy}`)
  }
  result = '[]'
  t.equal((await client.call({ method: 'x/y' })).error.code, -32603, 'no object')
})

t.test('error codes of earlier revisions become those of the modern one', async (t) => {
  let code = 0
  let data: object = { a: 1 }
  const { connect } = setUp(t, ({ id }, server) => {
    if (id !== undefined) server.say({ id, error: { code, message: 'm', data } })
  })
  const client = connect()
  const codes: [number, number][] = [
    [-32002, -32602],
    [-32042, -32603],
    [-32020, -32603],
    [-32099, -32603],
    [-32601, -32601],
    [-32602, -32602],
    [-32000, -32000],
    [-32019, -32019],
    [-32100, -32100],
    [5, 5]
  ]
  for (const [legacy, modern] of codes) {
    code = legacy
    const { error } = await client.call({ method: 'resources/read' })
    t.strictSame(error, { code: modern, message: 'm', data: { a: 1 } })
    t.equal(client.frames.at(-1)?.errorCode, modern, 'the HTTP status depends on this')
  }
  code = -32042
  const tooMany = Array.from({ length: 65 }, () => ({ url: 'https://a/' }))
  for (const elicitations of [undefined, {}, [], tooMany, ['a'.repeat(300_000)]]) {
    data = { elicitations }
    const { error } = await connect({ capabilities: asking }).call({ method: 'tools/call' })
    t.equal(error.code, -32603, 'without URLs')
  }
})

t.test('methods that the modern revision removed are unknown', async (t) => {
  const { servers, connect } = setUp(t, empty)
  const client = connect()
  for (const method of [
    'initialize',
    'ping',
    'logging/setLevel',
    'resources/subscribe',
    'resources/unsubscribe',
    'tasks/list',
    'tasks/result',
    'tasks/get',
    'tasks/cancel',
    'tasks/update'
  ]) {
    t.match((await client.call({ method })).error, { code: -32601 }, method)
    t.equal(client.frames.at(-1)?.failure?.status, 404)
  }
  t.equal(servers.length, 0)
})

t.test('a request without valid `_meta` is refused', async (t) => {
  const { servers, connect } = setUp(t, empty)
  const client = connect()
  const version = `${prefix}protocolVersion`
  const capabilities = `${prefix}clientCapabilities`
  const cases: [object | undefined, RegExp][] = [
    [undefined, /protocolVersion/],
    [{}, /protocolVersion/],
    [{ _meta: 1 }, /protocolVersion/],
    [{ _meta: { [version]: 1 } }, /protocolVersion/],
    [{ _meta: { [version]: '2026-07-28' } }, /clientCapabilities/],
    [{ _meta: { [version]: '2026-07-28', [capabilities]: [] } }, /clientCapabilities/],
    [
      { _meta: { [version]: '2026-07-28', [capabilities]: { a: 'a'.repeat(65_536) } } },
      /clientCapabilities.*65536/
    ],
    [
      { _meta: { [version]: '2026-07-28', [capabilities]: {}, [`${prefix}clientInfo`]: 'me' } },
      /clientInfo/
    ],
    [
      { _meta: { [version]: '2026-07-28', [capabilities]: {}, [`${prefix}logLevel`]: 'loud' } },
      /logLevel.*debug/
    ]
  ]
  for (const [params, message] of cases) {
    await client.send({ id: 0, method: 'tools/list', ...(params && { params }) })
    await turn()
    t.match(client.frames.at(-1)?.message(), { id: 0, error: { code: -32602, message } })
  }
  for (const requested of ['2025-11-25', '2027-01-01', '']) {
    const { error } = await client.call({
      method: 'tools/list',
      meta: { [version]: requested }
    })
    t.match(error, { code: -32022, data: { supported: ['2026-07-28'], requested } })
  }
  t.equal(servers.length, 0)
})

t.test('a client without a usable name gets the name of the proxy', async (t) => {
  const { servers, connect } = setUp(t, empty)
  const client = connect()
  for (const clientInfo of [undefined, {}, { name: 1, version: '1' }, { name: 'a' }]) {
    await client.call({ method: 'x/y', meta: { [`${prefix}clientInfo`]: clientInfo } })
  }
  for (const server of servers) {
    const [initialize] = server.received
    t.match(initialize?.message().params, { clientInfo: { name: 'mcp-proxy' } })
  }
})

t.test('equal ids of clients, or of one client, do not mix', async (t) => {
  const { servers, connect } = setUp(t, () => {})
  const [one, other] = [connect(), connect()]
  await one.send(frameText(1, 'a'))
  await one.send(frameText(1, 'b'))
  await other.send(frameText(1, 'c'))
  const [server] = servers as [LegacyServer]
  const requests = await Promise.all(['a', 'b', 'c'].map((method) => server.got(method)))
  t.equal(new Set(requests.map(({ id }) => id)).size, 3)
  for (const request of requests.reverse()) server.respond(request, { method: request.method })
  await until(() => one.frames.length === 2 && other.frames.length === 1)
  const methods = (frames: Iterable<{ message(): Json }>): unknown[] =>
    [...frames].map((frame) => [frame.message().id, frame.message().result.method])
  t.strictSame(methods(one.frames), [
    [1, 'b'],
    [1, 'a']
  ])
  t.strictSame(methods(other.frames), [[1, 'c']])
})

function frameText(id: number, method: string): object {
  const _meta = {
    [`${prefix}protocolVersion`]: '2026-07-28',
    [`${prefix}clientCapabilities`]: {}
  }
  return { id, method, params: { _meta } }
}

t.test('other messages of a client do not reach the server', async (t) => {
  const { servers, connect } = setUp(t, empty)
  const client = connect()
  await client.send({ id: 1, result: {} })
  await client.send({ method: 'notifications/roots/list_changed' })
  await client.send({ method: 'notifications/cancelled', params: { requestId: 5 } })
  await client.send({ method: 'notifications/cancelled' })
  await client.call({ method: 'x/y' })
  t.equal(servers[0]?.received.length, 3)
})

t.test('a server that cannot start gives each request an error', async (t) => {
  let starts = 0
  const modern = asModern(() => {
    starts++
    const server = new TextServer()
    server.onFrame = () => server.destroy()
    return server
  })
  const client = clientOn(modern.port())
  for (const method of ['tools/list', 'server/discover', 'subscriptions/listen']) {
    const message = frameText(1, method) as Json
    message.params.notifications = {}
    await client.send(message)
    await until(() => client.frames.length === starts)
    t.match(client.frames.at(-1)?.message().error, { code: -32000, message: /initialize/ })
  }
  t.equal(starts, 3)
  await t.rejects(modern.ready(), { code: 'ERR_SERVER_START' })
  t.notOk(modern.isReady)
})

t.test('`ready` opens a connection, and `destroy` ends all of them', async (t) => {
  const { servers, modern, connect } = setUp(t, () => {})
  t.notOk(modern.isReady)
  await modern.ready()
  t.ok(modern.isReady)
  await modern.ready()
  t.equal(servers.length, 1)
  const client = connect()
  const pending = client.call({ method: 'x/y' })
  await until(() => servers.length === 2)
  await servers[1]?.got('x/y')
  await modern.destroy()
  t.ok(servers.every(({ destroyed }) => destroyed))
  t.match((await pending).error, { code: -32000, message: /closed/ })
  t.match(await client.closed, { code: 'ERR_CLOSED' })
  const late = connect()
  t.match((await late.call({ method: 'x/y' })).error, { message: /closed/ })
})

t.test('`drain` ends the connections when no client is left', async (t) => {
  const { servers, modern, connect } = setUp(t, () => {})
  const client = connect()
  void client.start({ id: 1, method: 'x/y' })
  await until(() => servers.length === 1)
  modern.drain()
  const [server] = servers as [LegacyServer]
  const request = await server.got('x/y')
  t.notOk(server.destroyed)
  client.port.end()
  server.respond(request, {})
  await client.closed
  t.equal(client.frames.length, 1)
  await until(() => server.destroyed)
  modern.drain()
})

t.test('an exception ends only the request that caused it', async (t) => {
  const { modern, servers } = setUp(t, empty)
  const client = clientOn(modern.port())
  const frame = frameOf(frameText(1, 'x/y'))
  let reads = 0
  const protocolVersion = (): string | undefined => {
    if (++reads > 1) throw new Error('broken')
    return frame.protocolVersion
  }
  client.port.write(Object.create(frame, { protocolVersion: { get: protocolVersion } }))
  await client.send(frameText(2, 'x/y'))
  await until(() => client.frames.length === 2)
  const codes = client.frames.map(({ id, errorCode }) => [id, errorCode])
  t.strictSame(codes, [
    [1, -32603],
    [2, undefined]
  ])
  t.equal(servers.length, 1)
})

t.test('a notification is refused, because nothing says which connection it is for', async (t) => {
  const server = asModern(() => new TextServer())
  t.teardown(() => server.destroy())
  const { send, texts } = clientOn(server.port())
  await send({ method: 'notifications/x' })
  t.match(texts(), [/^{"jsonrpc":"2.0","id":null,"error":{"code":-32600,/])
  await send({ method: 'notifications/cancelled', params: { requestId: 1 } })
  t.equal(texts().length, 1, 'the cancellation of nothing is dropped')
})
