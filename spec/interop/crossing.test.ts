// Every feature of the protocol works between the SDK's client and a server, in every way to connect.
// The servers are our own: `demo.js` has every feature, `misbehaving.js` sends any message on request.

import type { RequestOptions } from '@modelcontextprotocol/sdk/shared/protocol.js'
import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema,
  McpError,
  ResultSchema
} from '@modelcontextprotocol/sdk/types.js'
import type { JSONRPCMessage } from '@modelcontextprotocol/sdk/types.js'
import t from 'tap'
import type { Test } from 'tap'
import { until } from '../helpers.ts'
import { hasMethod, observe, openWays, progressUnder } from './ways.ts'
import type { Way } from './ways.ts'

t.setTimeout(120_000)

for (const way of await openWays(t, 'demo', 'misbehaving')) {
  t.test(`connected: ${way.name}`, async (t) => {
    await t.test('to a server with every feature', (t) => withDemo(t, way))
    await t.test('to a server that sends any message on request', (t) => withMisbehaving(t, way))
  })
}

async function withDemo(t: Test, way: Way): Promise<void> {
  const observed = await observe(way.connect('demo'))
  const { client, received } = observed
  t.teardown(() => client.close())

  await t.test('the server answers initialize', async (t) => {
    t.same(client.getServerVersion(), { name: 'demo', version: '1.0.0' })
    t.match(client.getServerCapabilities(), { resources: { subscribe: true }, logging: {} })
    t.match(client.getInstructions(), 'one of everything')
  })

  await t.test('cursors lead from page to page', async (t) => {
    const pages: string[][] = []
    let cursor: string | undefined
    do {
      const page = await client.listTools(cursor === undefined ? {} : { cursor })
      pages.push(page.tools.map(({ name }) => name))
      cursor = page.nextCursor
    } while (cursor !== undefined)
    t.same(pages, [['echo', 'add'], ['count', 'ask'], ['sample', 'roots'], ['update']])
    await t.rejects(client.listTools({ cursor: 'made up' }), {
      code: -32602,
      data: { cursor: 'made up' }
    })
  })

  await t.test('calls of tools, prompts and resources get results', async (t) => {
    const echoed = await client.callTool({ name: 'echo', arguments: { text: 'é, 😀 and \u2028' } })
    t.same(echoed.content, [{ type: 'text', text: 'é, 😀 and \u2028' }])
    const failed = await client.callTool({ name: 'add', arguments: { a: 1 } })
    t.match(failed, { isError: true, content: [{ text: 'b is missing' }] })
    const prompt = await client.getPrompt({ name: 'translate', arguments: { language: 'Dutch' } })
    t.match(prompt.messages, [{ role: 'user', content: { text: /Dutch/ } }])
    const { contents } = await client.readResource({ uri: 'demo://greetings/you' })
    t.match(contents, [{ text: 'Hello, you!' }])
    t.equal((await client.listResourceTemplates()).resourceTemplates.length, 1)
  })

  await t.test('the server completes arguments', async (t) => {
    const { completion } = await client.complete({
      ref: { type: 'ref/prompt', name: 'translate' },
      argument: { name: 'language', value: 'fr' }
    })
    t.same(completion, { values: ['French', 'Frisian'], total: 2, hasMore: false })
  })

  await t.test('errors keep their code, message and data', async (t) => {
    const error: unknown = await client.getPrompt({ name: 'translate' }).catch((error) => error)
    t.type(error, McpError)
    t.match(error, { code: -32602, message: /language/, data: { argument: 'language' } })
    await t.rejects(client.readResource({ uri: 'demo://nowhere' }), {
      code: -32002,
      data: { uri: 'demo://nowhere' }
    })
  })

  await t.test('progress of a call arrives in order, before its response', async (t) => {
    const count = (to: number, delay: number, progressToken: string | number): Promise<unknown> =>
      client.callTool({ name: 'count', arguments: { to, delay }, _meta: { progressToken } })
    await Promise.all([count(3, 20, 'three'), count(5, 10, 55)])
    t.same(progressUnder('three', observed), [1, 2, 3, 'response'])
    t.same(progressUnder(55, observed), [1, 2, 3, 4, 5, 'response'])
  })

  await t.test('log messages arrive from the chosen level on', async (t) => {
    const logged = (): JSONRPCMessage[] => received.filter(hasMethod('notifications/message'))
    await client.setLoggingLevel('debug')
    const before = logged().length
    await client.callTool({ name: 'echo', arguments: { text: '' } })
    await until(() => logged().length > before)
    t.match(logged().at(-1), { params: { level: 'debug', data: { called: 'echo' } } })
    await client.setLoggingLevel('error')
    const after = logged().length
    await client.callTool({ name: 'echo', arguments: { text: '' } })
    await client.ping()
    t.equal(logged().length, after)
  })

  await t.test('a subscriber is notified of updates, and of changes to the list', async (t) => {
    const withMethod = (method: string): JSONRPCMessage[] => received.filter(hasMethod(method))
    const uri = 'demo://notes/first'
    const update = (uri: string): Promise<unknown> =>
      client.callTool({ name: 'update', arguments: { uri, text: 'new' } })
    await client.subscribeResource({ uri })
    await update(uri)
    await until(() => withMethod('notifications/resources/updated').length === 1)
    t.match(withMethod('notifications/resources/updated'), [{ params: { uri } }])
    await client.unsubscribeResource({ uri })
    await update(uri)
    await update('demo://notes/third')
    await until(() => withMethod('notifications/resources/list_changed').length === 1)
    t.equal(withMethod('notifications/resources/updated').length, 1)
  })

  await t.test('a cancelled call stops, and the client waits for no response', async (t) => {
    const controller = new AbortController()
    const call = { name: 'count', arguments: { to: 1e6, delay: 10 } }
    let steps = 0
    const counting = client.callTool(call, undefined, {
      signal: controller.signal,
      onprogress: () => ++steps === 2 && controller.abort('enough')
    })
    await t.rejects(counting, /enough/)
    await client.ping()
    const progress = (): number => received.filter(hasMethod('notifications/progress')).length
    const count = () => client.callTool({ name: 'count', arguments: { to: 5, delay: 10 } })
    await count() // In this time, progress sent before the cancellation arrives.
    const last = progress()
    await count()
    t.equal(progress(), last, 'no more progress arrives')
  })
}

async function withMisbehaving(t: Test, way: Way): Promise<void> {
  const capabilities = { sampling: {}, elicitation: {}, roots: { listChanged: true } }
  const observed = await observe(way.connect('misbehaving'), { capabilities }, (client) => {
    client.setRequestHandler(CreateMessageRequestSchema, ({ params }) => ({
      model: 'none',
      role: 'assistant' as const,
      content: { type: 'text' as const, text: `${params.maxTokens} tokens` },
      _meta: { cost: 0 }
    }))
    client.setRequestHandler(ElicitRequestSchema, ({ params }) => {
      if (params.message === 'refuse') throw new McpError(-32042, 'no form', { why: ['busy'] })
      return { action: 'accept' as const, content: { answer: 42 } }
    })
    client.setRequestHandler(ListRootsRequestSchema, () => ({
      roots: [{ uri: 'file:///somewhere', name: 'é' }]
    }))
  })
  const { client, received } = observed
  t.teardown(() => client.close())
  const request = (
    method: string,
    params: Record<string, unknown> = {},
    options?: RequestOptions
  ): Promise<Record<string, unknown>> => client.request({ method, params }, ResultSchema, options)
  /** The messages that the server received. */
  const serverReceived = async (): Promise<JSONRPCMessage[]> =>
    ((await request('test/received')).lines as string[]).map((line) => JSON.parse(line))
  /** Makes the server send a request. Resolves to the client's response. */
  const askClient = (method: string, params: object = {}): Promise<Record<string, unknown>> =>
    request('test/ask', { method, params }).then(({ answer }) => answer as Record<string, unknown>)

  await t.test('unknown methods, fields and _meta reach the server', async (t) => {
    const params = { _meta: { 'example.com/trace': ['a', 1] }, unknown: { deep: [null, {}] } }
    t.same(await request('test/echo', params), { params })
    await t.rejects(request('test/unknown', {}), {
      code: -32601,
      data: { method: 'test/unknown' }
    })
    await client.notification({ method: 'test/notification', params })
    await until(async () => (await serverReceived()).some(hasMethod('test/notification')))
  })

  await t.test('unknown fields and _meta reach the client', async (t) => {
    const result = { _meta: { 'example.com/trace': 1 }, resultType: 'complete', unknown: [{}] }
    t.same(await request('test/mirror', result), result)
    const method = 'notifications/unknown'
    const params = { _meta: { x: 1 }, unknown: true }
    await request('test/notify', { method, params })
    const notification = await received.until(hasMethod(method))
    t.same(notification, { jsonrpc: '2.0', method, params })
  })

  await t.test('progress arrives before a response in the same write', async (t) => {
    await Promise.all([
      request('test/burst', { count: 100, _meta: { progressToken: 'hundred' } }),
      request('test/burst', { count: 50, _meta: { progressToken: 50 } })
    ])
    t.same(progressUnder('hundred', observed), [...upTo(100), 'response'])
    t.same(progressUnder(50, observed), [...upTo(50), 'response'])
  })

  await t.test('the client is notified of changes to every kind of list', async (t) => {
    for (const list of ['tools', 'prompts', 'resources']) {
      const method = `notifications/${list}/list_changed`
      await request('test/notify', { method })
      t.ok(await received.until(hasMethod(method)))
    }
  })

  await t.test('the server is notified of a cancelled call, with the reason', async (t) => {
    const controller = new AbortController()
    const call = request('test/silence', {}, { signal: controller.signal })
    const isCall = hasMethod('test/silence')
    await until(async () => (await serverReceived()).some(isCall))
    controller.abort('no longer wanted')
    await t.rejects(call, /no longer wanted/)
    let cancelled: JSONRPCMessage | undefined
    await until(async () => {
      cancelled = (await serverReceived()).find(hasMethod('notifications/cancelled'))
      return cancelled !== undefined
    })
    const { id } = (await serverReceived()).find(isCall) as { id: number }
    t.match(cancelled, { params: { requestId: id, reason: 'no longer wanted' } })
  })

  await t.test('either side can ping the other', async (t) => {
    t.same(await client.ping(), {})
    t.match(await askClient('ping'), { result: {} })
  })

  await t.test('the server requests the roots, and is notified of changes', async (t) => {
    t.match(await askClient('roots/list'), {
      result: { roots: [{ uri: 'file:///somewhere', name: 'é' }] }
    })
    await client.sendRootsListChanged()
    const method = 'notifications/roots/list_changed'
    await until(async () => (await serverReceived()).some(hasMethod(method)))
  })

  await t.test('the client samples on the server’s request', async (t) => {
    const messages = [{ role: 'user', content: { type: 'text', text: '?' } }]
    t.match(await askClient('sampling/createMessage', { messages, maxTokens: 7 }), {
      result: { content: { text: '7 tokens' }, _meta: { cost: 0 } }
    })
  })

  await t.test('the client asks its user on the server’s request', async (t) => {
    const requestedSchema = { type: 'object', properties: { answer: { type: 'number' } } }
    t.match(await askClient('elicitation/create', { message: '?', requestedSchema }), {
      result: { action: 'accept', content: { answer: 42 } }
    })
  })

  await t.test('errors from the client keep their code and data', async (t) => {
    const requestedSchema = { type: 'object', properties: {} }
    t.match(await askClient('elicitation/create', { message: 'refuse', requestedSchema }), {
      error: { code: -32042, message: /no form/, data: { why: ['busy'] } }
    })
    t.match(await askClient('test/unknown'), { error: { code: -32601 } })
  })

  await t.test('each of several requests from the server gets its own response', async (t) => {
    const paramsOf = (maxTokens: number): object => ({
      messages: [{ role: 'user', content: { type: 'text', text: '?' } }],
      maxTokens
    })
    const responses = await Promise.all(
      [1, 2, 3, 4].map((n) => askClient('sampling/createMessage', paramsOf(n)))
    )
    t.match(
      responses,
      [1, 2, 3, 4].map((n) => ({ result: { content: { text: `${n} tokens` } } }))
    )
  })
}

function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index + 1)
}
