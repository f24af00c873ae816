// The second generation of the SDK's client, which detects the era of a server, with a legacy server:
// server-everything, in every way to connect.

import {
  Client,
  SSEClientTransport,
  StreamableHTTPClientTransport
} from '@modelcontextprotocol/client'
import type { Transport } from '@modelcontextprotocol/client'
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio'
import t from 'tap'
import { until } from '../helpers.ts'
import { command, environment, node, serveEverything, servers, startProxy } from './helpers.ts'

t.setTimeout(120_000)

const proxy = await startProxy(t, '--', node, ...servers.everything)
const foreign = await serveEverything('streamableHttp')
t.teardown(foreign.close)

const ways: Record<string, () => Transport> = {
  directly: () => stdio(...servers.everything),
  'server mode, Streamable HTTP': () => new StreamableHTTPClientTransport(new URL(proxy.mcp())),
  'server mode, HTTP+SSE': () => new SSEClientTransport(new URL(proxy.sse())),
  'client mode': () => stdio(command, foreign.url),
  'two proxies, Streamable HTTP': () => stdio(command, proxy.mcp()),
  'two proxies, HTTP+SSE': () => stdio(command, '--transport', 'sse', proxy.sse())
}

function stdio(...args: string[]): Transport {
  return new StdioClientTransport({ command: node, args, env: environment, stderr: 'ignore' })
}

for (const [way, connect] of Object.entries(ways)) {
  t.test(`connected: ${way}`, async (t) => {
    const client = new Client(
      { name: 'interop', version: '2.0.0' },
      {
        versionNegotiation: { mode: 'auto' },
        capabilities: { sampling: {}, elicitation: {}, roots: {} }
      }
    )
    t.teardown(() => client.close())
    client.setRequestHandler('roots/list', () => ({ roots: [{ uri: 'file:///two' }] }))
    client.setRequestHandler('elicitation/create', () => ({
      action: 'accept' as const,
      content: { name: 'Ada' }
    }))
    client.setRequestHandler('sampling/createMessage', ({ params }) => ({
      model: 'none',
      role: 'assistant' as const,
      content: { type: 'text' as const, text: `at most ${params.maxTokens}` }
    }))
    const updated: string[] = []
    client.setNotificationHandler('notifications/resources/updated', ({ params }) => {
      updated.push(params.uri)
    })
    await client.connect(connect())
    const call = (name: string, args: Record<string, unknown> = {}): Promise<string> =>
      client.callTool({ name, arguments: args }).then(({ content }) => JSON.stringify(content))

    t.match(client.getServerVersion(), { name: 'mcp-servers/everything' })
    t.ok((await client.listTools()).tools.length > 10)
    t.match(await call('echo', { message: 'é 😀' }), 'é 😀')
    t.match(await call('trigger-sampling-request', { prompt: '?', maxTokens: 9 }), 'at most 9')
    t.match(await call('trigger-elicitation-request'), 'Ada')
    await until(async () => (await call('get-roots-list')).includes('file:///two'))
    const uri = 'demo://resource/dynamic/text/1'
    // Through the proxy, this server speaks the modern revision too.
    const isModern = client.getNegotiatedProtocolVersion() === '2026-07-28'
    if (isModern) await client.listen({ resourceSubscriptions: [uri] })
    else await client.subscribeResource({ uri })
    await call('toggle-subscriber-updates')
    await until(() => updated.length > 0)
    await call('toggle-subscriber-updates')
    t.equal(updated[0], uri)
    await t.rejects(client.readResource({ uri: 'demo://nowhere' }), /demo:\/\/nowhere/)
  })
}
