// Everything crosses: the SDK's client and server-everything, the server that its authors made to
// exercise clients, joined in every way there is.

import type { Client } from '@modelcontextprotocol/sdk/client/index.js'
import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema
} from '@modelcontextprotocol/sdk/types.js'
import type { ClientCapabilities, JSONRPCMessage } from '@modelcontextprotocol/sdk/types.js'
import t from 'tap'
import { until } from './helpers.ts'
import { hasMethod, observe, openWays, progressUnder } from './ways.ts'
import type { Observed, Way } from './ways.ts'

t.setTimeout(120_000)

const { ways, close } = await openWays('everything')
t.teardown(close)

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

/** All that a client can list, and the introduction. */
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
const { client: reference } = await connect(directly)
const expected = await inventory(reference)
await reference.close()

for (const way of ways) {
  t.test(`joined: ${way.name}`, async (t) => {
    const roots = ['file:///one']
    const observed = await connect(way, roots)
    const { client, came } = observed
    t.teardown(() => client.close())
    const told = (method: string): JSONRPCMessage[] => came.filter(hasMethod(method))
    const call = (name: string, args: Record<string, unknown> = {}): Promise<string> =>
      client.callTool({ name, arguments: args }).then(({ content }) => JSON.stringify(content))

    await t.test('the server introduces itself, and lists what it has, as ever', async (t) => {
      t.same(await inventory(client), expected)
    })

    await t.test('tools answer: text, images, structure, links', async (t) => {
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

    await t.test('prompts and resources answer', async (t) => {
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

    await t.test('arguments are completed, in the context of others', async (t) => {
      const { completion } = await client.complete({
        ref: { type: 'ref/prompt', name: 'completable-prompt' },
        argument: { name: 'name', value: 'E' },
        context: { arguments: { department: 'Sales' } }
      })
      t.same(completion.values, ['Eve'])
    })

    await t.test('progress goes to its own call, before the response', async (t) => {
      const name = 'trigger-long-running-operation'
      const run = (steps: number, progressToken: string | number): Promise<unknown> =>
        client.callTool({ name, arguments: { duration: 0.2, steps }, _meta: { progressToken } })
      await Promise.all([run(2, 'two'), run(4, 4444)])
      t.same(progressUnder('two', observed), [1, 2, 'response'])
      t.same(progressUnder(4444, observed), [1, 2, 3, 4, 'response'])
    })

    await t.test('the server has the client sample, and ask its user', async (t) => {
      t.match(await call('trigger-sampling-request', { prompt: '?', maxTokens: 9 }), 'at most 9')
      t.match(await call('trigger-elicitation-request'), 'Ada')
      t.match(
        await call('trigger-url-elicitation', { url: 'https://example.com/', elicitationId: '1' }),
        /declin/i
      )
    })

    await t.test('the server knows the roots, and learns of new ones', async (t) => {
      await until(async () => (await call('get-roots-list')).includes('file:///one'))
      roots.push('file:///two')
      await client.sendRootsListChanged()
      await until(async () => (await call('get-roots-list')).includes('file:///two'))
      t.match(await call('get-roots-list'), 'file:///one')
    })

    await t.test('subscribers hear of updates', async (t) => {
      const uri = 'demo://resource/dynamic/text/1'
      await client.subscribeResource({ uri })
      await call('toggle-subscriber-updates')
      await until(() => told('notifications/resources/updated').length > 0)
      t.match(told('notifications/resources/updated'), [{ params: { uri } }])
      await call('toggle-subscriber-updates')
      await client.unsubscribeResource({ uri })
    })

    await t.test('a new resource changes the list', async (t) => {
      const before = told('notifications/resources/list_changed').length
      const link = await call('gzip-file-as-resource', {
        name: 'a.gz',
        data: 'data:text/plain,a',
        outputType: 'resourceLink'
      })
      t.match(link, 'demo://resource/session/a.gz')
      await until(() => told('notifications/resources/list_changed').length > before)
      const { resources } = await client.listResources()
      t.ok(resources.some(({ uri }) => uri === 'demo://resource/session/a.gz'))
    })

    await t.test('messages are logged, from the level on that was set', async (t) => {
      await client.setLoggingLevel('debug')
      const before = told('notifications/message').length
      await call('toggle-simulated-logging')
      await until(() => told('notifications/message').length > before)
      t.match(told('notifications/message').at(-1), { params: { level: String, data: String } })
      await call('toggle-simulated-logging')
    })

    await t.test('a cancelled call is not missed', async (t) => {
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
