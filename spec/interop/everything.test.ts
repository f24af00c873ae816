// Every feature of server-everything works with the SDK's client, in every way to connect. The MCP
// project wrote this server to exercise clients.

import type { Client } from '@modelcontextprotocol/sdk/client/index.js'
import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema
} from '@modelcontextprotocol/sdk/types.js'
import type { ClientCapabilities, JSONRPCMessage } from '@modelcontextprotocol/sdk/types.js'
import t from 'tap'
import { until } from '../helpers.ts'
import { hasMethod, observe, openWays, progressUnder } from './ways.ts'
import type { Observed, Way } from './ways.ts'

t.setTimeout(120_000)

const ways = await openWays(t, 'everything')

const capabilities: ClientCapabilities = {
  sampling: {},
  elicitation: { form: {}, url: {} },
  roots: { listChanged: true }
}

const person = { name: 'Ada', check: true, integer: 7, color: 'blue' }

function connect(way: Way, roots = ['file:///one']): Promise<Observed> {
  return observe(way.connect('everything'), { capabilities }, (client) => {
    client.setRequestHandler(ListRootsRequestSchema, () => ({
      roots: roots.map((uri) => ({ uri }))
    }))
    client.setRequestHandler(CreateMessageRequestSchema, ({ params }) => ({
      model: 'a model',
      role: 'assistant' as const,
      content: { type: 'text' as const, text: `at most ${params.maxTokens}` }
    }))
    client.setRequestHandler(ElicitRequestSchema, ({ params }) =>
      params.mode === 'url'
        ? { action: 'decline' as const }
        : { action: 'accept' as const, content: person }
    )
  })
}

/** Everything that a client can list, and the result of `initialize`. */
async function inventory(client: Client): Promise<unknown> {
  return {
    server: client.getServerVersion(),
    capabilities: client.getServerCapabilities(),
    instructions: client.getInstructions(),
    tools: await client.listTools(),
    prompts: await client.listPrompts(),
    resources: await client.listResources(),
    templates: await client.listResourceTemplates()
  }
}

const [directly] = ways as [Way]
const { client: directClient } = await connect(directly)
const expected = await inventory(directClient)
await directClient.close()

for (const way of ways) {
  t.test(`connected: ${way.name}`, async (t) => {
    const roots = ['file:///one']
    const observed = await connect(way, roots)
    const { client, received } = observed
    t.teardown(() => client.close())
    const withMethod = (method: string): JSONRPCMessage[] => received.filter(hasMethod(method))
    const call = (name: string, args: Record<string, unknown> = {}): Promise<string> =>
      client.callTool({ name, arguments: args }).then(({ content }) => JSON.stringify(content))

    await t.test('the lists and the server’s info are the same as without a proxy', async (t) => {
      t.same(await inventory(client), expected)
    })

    await t.test('tools return text, images, structure and links', async (t) => {
      t.match(await call('echo', { message: 'é 😀' }), 'é 😀')
      t.match(await call('get-sum', { a: 1, b: 2 }), '3')
      t.match(await call('get-tiny-image'), /"type":"image".*"data":"iVBOR/)
      t.match(await call('get-resource-links', { count: 3 }), /resource_link/)
      t.match(await call('get-annotated-message', { messageType: 'error' }), /annotations/)
      const weather = await client.callTool({
        name: 'get-structured-content',
        arguments: { location: 'Chicago' }
      })
      t.match(weather.structuredContent, { temperature: 36 })
      t.match(await client.callTool({ name: 'no-such-tool' }), { isError: true })
    })

    await t.test('requests for prompts and resources get results', async (t) => {
      const { messages } = await client.getPrompt({
        name: 'completable-prompt',
        arguments: { department: 'Sales', name: 'Eve' }
      })
      t.match(messages, [{ content: { text: /promote Eve/ } }])
      const uri = 'demo://resource/dynamic/blob/5'
      t.match(await client.readResource({ uri }), { contents: [{ uri, blob: String }] })
      await t.rejects(client.readResource({ uri: 'demo://nowhere' }), {
        message: /demo:\/\/nowhere/
      })
      await t.rejects(client.getPrompt({ name: 'nowhere' }), { code: -32602 })
    })

    await t.test('the server completes an argument, given the others', async (t) => {
      const { completion } = await client.complete({
        ref: { type: 'ref/prompt', name: 'completable-prompt' },
        argument: { name: 'name', value: 'E' },
        context: { arguments: { department: 'Sales' } }
      })
      t.same(completion.values, ['Eve'])
    })

    await t.test('progress of a call arrives before its response', async (t) => {
      const name = 'trigger-long-running-operation'
      const run = (steps: number, progressToken: string | number): Promise<unknown> =>
        client.callTool({ name, arguments: { duration: 0.2, steps }, _meta: { progressToken } })
      await Promise.all([run(2, 'two'), run(4, 4444)])
      t.same(progressUnder('two', observed), [1, 2, 'response'])
      t.same(progressUnder(4444, observed), [1, 2, 3, 4, 'response'])
    })

    await t.test('the client samples, and asks its user, on the server’s request', async (t) => {
      t.match(await call('trigger-sampling-request', { prompt: '?', maxTokens: 9 }), 'at most 9')
      t.match(await call('trigger-elicitation-request'), 'Ada')
      t.match(
        await call('trigger-url-elicitation', { url: 'https://example.com/', elicitationId: '1' }),
        /declin/i
      )
    })

    await t.test('the server reads the roots, and reads them again after a change', async (t) => {
      await until(async () => (await call('get-roots-list')).includes('file:///one'))
      roots.push('file:///two')
      await client.sendRootsListChanged()
      await until(async () => (await call('get-roots-list')).includes('file:///two'))
      t.match(await call('get-roots-list'), 'file:///one')
    })

    await t.test('a subscriber is notified of updates', async (t) => {
      const uri = 'demo://resource/dynamic/text/1'
      await client.subscribeResource({ uri })
      await call('toggle-subscriber-updates')
      await until(() => withMethod('notifications/resources/updated').length > 0)
      t.match(withMethod('notifications/resources/updated'), [{ params: { uri } }])
      await call('toggle-subscriber-updates')
      await client.unsubscribeResource({ uri })
    })

    await t.test('the client is notified of a new resource', async (t) => {
      const before = withMethod('notifications/resources/list_changed').length
      const link = await call('gzip-file-as-resource', {
        name: 'a.gz',
        data: 'data:text/plain,a',
        outputType: 'resourceLink'
      })
      t.match(link, 'demo://resource/session/a.gz')
      await until(() => withMethod('notifications/resources/list_changed').length > before)
      const { resources } = await client.listResources()
      t.ok(resources.some(({ uri }) => uri === 'demo://resource/session/a.gz'))
    })

    await t.test('log messages arrive after the level was set', async (t) => {
      await client.setLoggingLevel('debug')
      const before = withMethod('notifications/message').length
      await call('toggle-simulated-logging')
      await until(() => withMethod('notifications/message').length > before)
      t.match(withMethod('notifications/message').at(-1), {
        params: { level: String, data: String }
      })
      await call('toggle-simulated-logging')
    })

    await t.test('the session continues after a cancelled call', async (t) => {
      const controller = new AbortController()
      const calling = client.callTool(
        { name: 'trigger-long-running-operation', arguments: { duration: 0.3, steps: 3 } },
        undefined,
        { signal: controller.signal, onprogress: () => controller.abort('enough') }
      )
      await t.rejects(calling, /enough/)
      t.same(await client.ping(), {})
    })
  })
}
