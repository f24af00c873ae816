// The first generation of the SDK's client with a server of the second generation that serves only
// revision 2026-07-28: in every way to connect, through one proxy and through two.

import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema
} from '@modelcontextprotocol/sdk/types.js'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import t from 'tap'
import type { Test } from 'tap'
import { fixture } from '../helpers.ts'
import { command, environment, node, startProxy } from './helpers.ts'

t.setTimeout(120_000)

const file = fixture('servers/sdk-2.js')

const stdio = (...args: string[]): Transport =>
  new StdioClientTransport({ command: node, args, env: environment, stderr: 'ignore' })

/** Starts the server over HTTP. Resolves to its URL. */
async function serve(t: Test): Promise<string> {
  const child = spawn(node, [file, 'http'], {
    env: environment,
    stdio: ['ignore', 'pipe', 'inherit']
  })
  const closed = once(child, 'close')
  t.teardown(async () => {
    child.kill()
    await closed
  })
  const [line] = (await once(child.stdout, 'data')) as [Buffer]
  return line.toString().trim()
}

const url = await serve(t)
const config = `${t.testdir()}/servers.json`
const mcpServers = { stdio: { command: node, args: [file, 'stdio'] }, http: { url } }
writeFileSync(config, JSON.stringify({ mcpServers }))
const proxy = await startProxy(t, '--named-server-config', config)

const ways: Record<string, () => Transport> = { 'client mode': () => stdio(command, url) }
for (const name of ['stdio', 'http']) {
  ways[`server mode, Streamable HTTP, ${name}`] = () =>
    new StreamableHTTPClientTransport(new URL(proxy.mcp(name)))
  ways[`server mode, HTTP+SSE, ${name}`] = () => new SSEClientTransport(new URL(proxy.sse(name)))
  ways[`two proxies, Streamable HTTP, ${name}`] = () => stdio(command, proxy.mcp(name))
  ways[`two proxies, HTTP+SSE, ${name}`] = () =>
    stdio(command, '--transport', 'sse', proxy.sse(name))
}

t.test('the server refuses this client without a proxy', async (t) => {
  const client = new Client({ name: 'interop', version: '1.0.0' })
  t.teardown(() => client.close())
  await t.rejects(client.connect(stdio(file, 'stdio')), /Unsupported protocol version/)
})

for (const [way, connect] of Object.entries(ways)) {
  t.test(`a client of an earlier revision answers questions: ${way}`, async (t) => {
    const client = new Client(
      { name: 'interop', version: '1.0.0' },
      { capabilities: { elicitation: { form: {}, url: {} }, sampling: {}, roots: {} } }
    )
    t.teardown(() => client.close())
    client.setRequestHandler(ElicitRequestSchema, ({ params }) =>
      params.mode === 'url'
        ? { action: 'accept' }
        : { action: 'accept', content: { name: `Ada: ${params.message}` } }
    )
    client.setRequestHandler(CreateMessageRequestSchema, ({ params }) => ({
      model: 'none',
      role: 'assistant',
      content: { type: 'text', text: `at most ${params.maxTokens}` }
    }))
    client.setRequestHandler(ListRootsRequestSchema, () => ({ roots: [{ uri: 'file:///one' }] }))
    await client.connect(connect())
    const call = async (name: string, args = {}): Promise<unknown> => {
      const { content } = await client.callTool({ name, arguments: args })
      const [first] = content as { text: string }[]
      return JSON.parse(first?.text ?? '')
    }

    t.match(client.getServerVersion(), { name: 'sdk-2' })
    t.equal((await client.listTools()).tools.length, 7)
    t.equal(await call('echo', { text: 'é 😀' }), 'é 😀')
    const form = { action: 'accept', content: { name: 'Ada: Who are you?' } }
    t.match(await call('form'), { form })
    t.match(await call('link'), { link: { action: 'accept' } })
    t.match(await call('sample'), { sample: { content: { text: 'at most 9' } } })
    t.match(await call('roots'), { roots: { roots: [{ uri: 'file:///one' }] } })
    t.match(await call('all'), {
      form,
      sample: { model: 'none' },
      roots: { roots: [{ uri: 'file:///one' }] }
    })
    const seen: number[] = []
    const onprogress = ({ progress }: { progress: number }): void => void seen.push(progress)
    await client.callTool({ name: 'progress', arguments: {} }, undefined, { onprogress })
    t.equal(seen[0], 1)
    t.match((await client.readResource({ uri: 'test://one' })).contents, [{ text: 'one' }])
    t.match((await client.getPrompt({ name: 'hello' })).messages, [{ content: { text: 'hello' } }])
    await t.rejects(call('nothing'), /nothing/)
  })
}

t.test('a client without elicitation gets a clear error', async (t) => {
  const client = new Client({ name: 'interop', version: '1.0.0' })
  t.teardown(() => client.close())
  await client.connect(stdio(command, proxy.mcp('stdio')))
  await t.rejects(client.callTool({ name: 'form', arguments: {} }), /elicitation/)
})
