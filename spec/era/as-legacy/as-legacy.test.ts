// A modern server as legacy clients see it: the opening, single requests, and what responses lose.

import { once } from 'node:events'
import { test } from 'tap'
import { LegacyClient, everything, overFixture, overText } from './helpers.ts'
import { legacyVersions } from '../../../lib/protocol/revisions.ts'
import { asLegacy } from '../../../lib/era/as-legacy.ts'
import { initializeParams } from '../../helpers.ts'
import { TextServer, turn } from '../../wrappers/text-server.ts'

const prefix = 'io.modelcontextprotocol/'

test('initialize is answered from server/discover, in each legacy revision', async (t) => {
  for (const version of [...legacyVersions, '2024-10-07', '2026-07-28']) {
    const client = overFixture(t)
    const { result } = await client.initialize({ protocolVersion: version })
    const isLegacy = (legacyVersions as readonly string[]).includes(version)
    t.strictSame(result, {
      protocolVersion: isLegacy ? version : '2025-11-25',
      capabilities: {
        tools: { listChanged: true },
        prompts: { listChanged: true },
        resources: { subscribe: true },
        logging: {},
        extensions: { 'com.example/x': {} }
      },
      instructions: 'Ask me.',
      _meta: { 'com.example/kept': 1 },
      serverInfo: { name: 'modern', version: '1' }
    })
    client.transport.end()
  }
})

test('a server that does not tell its name gets one', async (t) => {
  const { client } = overText(t)
  t.match(await client.ask('initialize', initializeParams), {
    result: { serverInfo: { name: 'unknown' } }
  })
})

test('capabilities in a wrong form mean that there are none', async (t) => {
  for (const capabilities of ['1', '{"tools":1}']) {
    const { client, server } = overText(t, () => `{"capabilities":${capabilities}}`)
    await client.ask('initialize', { ...initializeParams, capabilities: 1, clientInfo: 1 })
    await client.send({ method: 'notifications/initialized' })
    t.equal(server.received.length, 1)
    t.match(server.received[0]?.toString(), '"name":"mcp-proxy"')
  }
})

test('an error of server/discover is the error of initialize', async (t) => {
  const server = new TextServer()
  const client = new LegacyClient(asLegacy(server))
  server.onFrame = ({ id }) => server.say({ id, error: { code: -32022, message: 'no', data: 1 } })
  t.match(await client.initialize(), { error: { code: -32022, message: 'no', data: 1 } })
  client.transport.destroy()
})

test('a server that does not answer server/discover is an error', async (t) => {
  const server = new TextServer()
  const client = new LegacyClient(asLegacy(server, { connectTimeout: 50 }))
  t.match(await client.initialize(), { error: { message: /too long/ } })
  t.match(
    server.received.map(({ method }) => method),
    ['server/discover', 'notifications/cancelled']
  )
  const patient = new LegacyClient(asLegacy(new TextServer(), { connectTimeout: 0 }))
  void patient.initialize()
  await turn()
  client.transport.destroy()
  patient.transport.destroy()
})

test('each request tells what the client said in initialize, and the log level', async (t) => {
  const client = overFixture(t)
  t.match(await client.call('meta'), '"name":"mcp-proxy"', 'before initialize it is the proxy')
  await client.initialize({
    capabilities: everything,
    clientInfo: { name: 'c', version: '2', title: 'C' }
  })
  const own = { 'com.example/a': 1, [`${prefix}protocolVersion`]: 'mine', progressToken: 7 }
  const meta = JSON.parse(await client.call('meta', {}, { _meta: own }))
  t.strictSame(meta, {
    'com.example/a': 1,
    progressToken: 7,
    [`${prefix}protocolVersion`]: '2026-07-28',
    [`${prefix}clientInfo`]: { name: 'c', version: '2', title: 'C' },
    [`${prefix}clientCapabilities`]: everything
  })
  for (const params of [{ level: 'loud' }, {}]) {
    t.match(await client.request('logging/setLevel', params), { error: { code: -32602 } })
  }
  t.strictSame((await client.request('logging/setLevel', { level: 'info' })).result, {})
  t.match(await client.call('meta'), `"${prefix}logLevel":"info"`)
  t.match(await client.call('meta', {}, { _meta: 1 }), `"${prefix}logLevel":"info"`)
})

test('a ping is answered by the proxy', async (t) => {
  const { client, server } = overText(t)
  t.strictSame((await client.ask('ping')).result, {})
  t.equal(server.received.length, 0)
})

test('progress and log messages reach the client', async (t) => {
  const client = overFixture(t)
  await client.initialize()
  await client.request('logging/setLevel', { level: 'info' })
  t.equal(await client.call('count', { count: 3 }, { _meta: { progressToken: 'p' } }), '3')
  const progress = client.notifications('notifications/progress')
  t.strictSame(
    progress.map(({ params }) => params?.progressToken),
    ['p', 'p', 'p']
  )
  await client.call('log', { text: 'hello' })
  t.match(client.notifications('notifications/message'), [{ params: { data: 'hello' } }])
})

test('other bytes of requests and responses stay as they are', async (t) => {
  const { client, server } = overText(
    t,
    () => '{"resultType":"complete","big":9007199254740993,"f":1.0}'
  )
  await client.send(
    '{"jsonrpc":"2.0","id":9007199254740993,"method":"x/y","params":{"n":1.0,"_meta":{"k":1e2}}}'
  )
  t.match(server.received[0]?.toString(), '"params":{"n":1.0,"_meta":{"k":1e2,"io.')
  await client.frames.until(() => true)
  t.strictSame(client.texts(), [
    '{"jsonrpc":"2.0","id":9007199254740993,"result":{"big":9007199254740993,"f":1.0}}'
  ])
  await client.send('{"jsonrpc":"2.0","id":1,"method":"x/y"}')
  t.match(server.received[1]?.toString(), '"params":{"_meta":{"io.')
})

test('results lose what only the modern revision has', async (t) => {
  const { client } = overText(t, (method) =>
    method === 'none'
      ? '[]'
      : `{"resultType":"complete","ttlMs":1,"cacheScope":"public","_meta":{"${prefix}serverInfo":{}${method === 'kept' ? ',"a":1' : ''}}}`
  )
  t.strictSame((await client.ask('kept')).result, { _meta: { a: 1 } })
  t.strictSame((await client.ask('gone')).result, {})
})

test('a task is an answer like any other', async (t) => {
  const { client } = overText(t, () => '{"resultType":"task","taskId":"1"}')
  t.strictSame((await client.ask('tools/call')).result, { taskId: '1' })
})

test('an unknown resource has the code of legacy revisions', async (t) => {
  const client = overFixture(t)
  t.match(await client.request('resources/read', { uri: 'test://b' }), {
    error: { code: -32002, data: { uri: 'test://b' } }
  })
  t.strictSame((await client.request('resources/read', { uri: 'test://a' })).result, {
    contents: [{ uri: 'test://a', text: 'a' }]
  })
  t.match(await client.request('tools/call', { name: 'none' }), { error: { code: -32602 } })
  t.match(await client.request('none'), { error: { code: -32601 } })
})

test('a structured result that is not an object becomes a text', async (t) => {
  const client = overFixture(t)
  const call = async (value: unknown) =>
    (await client.request('tools/call', { name: 'structured', arguments: { value } })).result
  t.strictSame(await call([1, 2]), { content: [{ type: 'text', text: '[1,2]' }] })
  t.strictSame(await call({ a: 1 }), { content: [], structuredContent: { a: 1 } })
  const { result } = await client.request('tools/list')
  const schemas = Object.fromEntries(
    result.tools.map((tool: { name: string; outputSchema?: object }) => [
      tool.name,
      tool.outputSchema
    ])
  )
  t.equal(schemas.structured, undefined)
  t.strictSame(schemas.ask, { type: 'object' })
})

test('a structured result with a text keeps the text', async (t) => {
  const text = '{"content":[{"type":"text","text":"1"}],"structuredContent":1}'
  const { client } = overText(t, () => text)
  t.strictSame((await client.ask('tools/call')).result, { content: [{ type: 'text', text: '1' }] })
})

test('content that an older revision lacks takes another form', async (t) => {
  const audio = { type: 'audio', data: 'AAAA', mimeType: 'audio/wav', annotations: { priority: 1 } }
  const link = { type: 'resource_link', uri: 'file:///a', name: 'a', description: 'A file' }
  const text = { type: 'text', text: 'x' }
  const content = [text, audio, link, { ...link, title: 'T', description: undefined }, 1]
  const resource = { uri: 'data:,audio', mimeType: 'audio/wav', blob: 'AAAA' }
  const embedded = { type: 'resource', resource, annotations: { priority: 1 } }
  const links = [
    { type: 'text', text: 'a: file:///a\nA file' },
    { type: 'text', text: 'T: file:///a' }
  ]
  const expected = {
    '2024-11-05': [text, embedded, ...links, 1],
    '2025-03-26': [text, audio, ...links, 1],
    '2025-06-18': JSON.parse(JSON.stringify(content)),
    '2025-11-25': JSON.parse(JSON.stringify(content))
  }
  for (const version of legacyVersions) {
    const client = overFixture(t)
    await client.initialize({ protocolVersion: version })
    const params = { name: 'content', arguments: { content } }
    const { result } = await client.request('tools/call', params)
    t.strictSame(result.content, expected[version], version)
  }
  const messages = JSON.stringify([
    { role: 'user', content: { type: 'audio' } },
    { role: 'user' },
    2
  ])
  const { client } = overText(t, (method) =>
    method === 'prompts/get'
      ? `{"messages":${messages}}`
      : method === 'tools/call'
        ? '{"content":1}'
        : undefined
  )
  await client.ask('initialize', { ...initializeParams, protocolVersion: '2024-11-05' })
  t.match((await client.ask('prompts/get')).result, {
    messages: [{ content: { type: 'resource', resource: { blob: '' } } }, { role: 'user' }, 2]
  })
  t.strictSame((await client.ask('tools/call')).result, { content: 1 })
})

test('lists that are none stay as they are', async (t) => {
  for (const tools of ['1', '[]', '[{"name":"a","outputSchema":{"type":"object"}}]']) {
    const { client } = overText(t, () => `{"tools":${tools},"content":[{"type":"text"}]}`)
    await client.ask('initialize', { ...initializeParams, protocolVersion: '2024-11-05' })
    for (const method of ['tools/list', 'tools/call', 'prompts/list']) {
      t.match((await client.ask(method)).result, { tools: JSON.parse(tools) })
    }
  }
})

test('a request from the server gets an error, and other notifications pass', async (t) => {
  const { client, server } = overText(t)
  server.say({ id: 5, method: 'ping' })
  t.match((await server.received.until(() => true))?.message(), { id: 5, error: { code: -32601 } })
  server.say({ method: 'notifications/x', params: { a: 1 } })
  t.match((await client.frames.until(() => true))?.message(), { method: 'notifications/x' })
  server.say({ id: 99, result: {} })
  server.say({ id: 'x', result: {} })
  await client.send({ method: 'notifications/y' })
  await client.send({ method: 'notifications/roots/list_changed' })
  await client.send({ method: 'notifications/progress', params: { progressToken: 1 } })
  await client.send({ id: 5, result: {} })
  await client.send({ id: 'x', result: {} })
  t.strictSame(
    server.received.map(({ method }) => method),
    [undefined, 'notifications/y']
  )
  t.equal(client.frames.length, 1)
})

test('two requests in flight cannot have one id', async (t) => {
  const { client } = overText(t)
  void client.send({ id: 1, method: 'x' })
  await client.send({ id: 1, method: 'x' })
  t.match((await client.frames.until(() => true))?.message(), { id: 1, error: { code: -32600 } })
})

test('a cancellation reaches the server, and the request gets no response', async (t) => {
  const client = overFixture(t)
  await client.initialize()
  void client.request('tools/call', { name: 'wait' }, 'slow')
  await client.notify('notifications/cancelled', { requestId: 'slow' })
  await client.notify('notifications/cancelled', { requestId: 'unknown' })
  await client.notify('notifications/cancelled')
  t.equal(await client.call('cancelled'), '1')
  t.notOk(client.messages.find(({ id }) => id === 'slow'))
})

test('when the server closes, requests get an error, and the transport fails', async (t) => {
  const client = overFixture(t)
  const [response] = await Promise.all([client.call('crash'), client.closed])
  t.match(response, /^error: .*exited with code 7/)
  t.match(await client.closed, { code: 'ERR_SERVER_EXITED' })
  const text = overText(t)
  text.server.push(null)
  await once(text.client.port, 'end')
  await text.client.send({ id: 1, method: 'x' })
  text.client.port.end()
  t.equal(await text.client.closed, undefined)
})

test('when the client ends, the responses to its requests still come', async (t) => {
  const client = overFixture(t)
  await client.initialize()
  const response = client.call('echo', { text: 'x', delay: 50 })
  client.transport.end()
  t.equal(await response, 'x')
  t.equal(await client.closed, undefined)
})

test('a client that waits for a slow server goes on when the server closes', async (t) => {
  const { client, server } = overText(t)
  server.stop()
  const sent = Array.from({ length: 40 }, (_, id) => client.send({ id, method: 'x' }))
  await turn()
  server.push(null)
  await once(client.port, 'end')
  await Promise.all(sent)
  client.port.end()
  t.equal(await client.closed, undefined)
})

test('a slow server makes the client wait', async (t) => {
  const { client, server } = overText(t)
  server.stop()
  let taken = 0
  for (let id = 0; id < 40; id++) void client.send({ id, method: 'x' }).then(() => taken++)
  for (let n = 0; n < 10; n++) await turn()
  t.ok(taken < 30, `${taken} of 40 were taken`)
  server.goOn()
  await server.received.until((frame) => frame.toString().includes('"id":40'))
  for (let n = 0; n < 10; n++) await turn()
  t.equal(taken, 40)
})

test('a server that sends requests and does not read has to wait', async (t) => {
  const { server, client } = overText(t)
  await client.send({ id: 1, method: 'initialize', params: initializeParams })
  await server.got('server/discover')
  server.stop()
  let isFull = false
  for (let id = 0; id < 10_000 && !isFull; id++) {
    server.say({ id, method: 'roots/list' })
    isFull = server.readableLength > 20
    await turn()
  }
  t.ok(isFull, 'the proxy stops to read')
})

test('each initialize has its own time limit', async (t) => {
  const { server, client } = overText(t, () => undefined, { connectTimeout: 50 })
  server.onFrame = undefined
  for (const id of ['a', 'b']) {
    await client.send({ id, method: 'initialize', params: initializeParams })
  }
  for (const id of ['a', 'b']) {
    const response = await client.frames.until((frame) => frame.id === id)
    t.match(response?.message().error, { message: /too long/ })
  }
})

test('an exception at a response fails the request that waits for it, and nothing else', async (t) => {
  const { server, client } = overText(t, (method) => (method === 'tools/list' ? '{}' : undefined))
  await client.ask('initialize', initializeParams)
  const id = 'call'
  await client.send({ id, method: 'tools/call', params: { name: 'x' } })
  const call = await server.got('tools/call')
  const broken = Object.assign(Object.create(Object.getPrototypeOf(call)), call, {
    kind: 'response',
    bytes: undefined
  })
  server.push(broken)
  const response = await client.frames.until((frame) => frame.id === id)
  t.match(response?.message().error, { code: -32603 })
  t.ok((await client.ask('tools/list')).result)
})

test('content that is no object stays as it is', async (t) => {
  const messages = '[{"role":"user","content":"plain"},{"role":"user","content":{"type":"text"}}]'
  const { client } = overText(t, (method) =>
    method === 'prompts/get' ? `{"resultType":"complete","messages":${messages}}` : undefined
  )
  await client.ask('initialize', { ...initializeParams, protocolVersion: '2024-11-05' })
  const { result } = await client.ask('prompts/get', { name: 'x' })
  t.match(result, { messages: JSON.parse(messages) as unknown })
})

test('without limits, a round of any size and any number of rounds are accepted', async (t) => {
  const { client } = overText(t, () => undefined, { maxQueue: 0, maxRounds: 0 })
  t.match(await client.ask('initialize', initializeParams), { result: {} })
})
