// Every way to connect the SDK's client to a server through the proxy, and one without the proxy. The
// latter shows that a test expects what the client and the server do by themselves.

import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import type { ClientOptions } from '@modelcontextprotocol/sdk/client/index.js'
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import type { JSONRPCMessage } from '@modelcontextprotocol/sdk/types.js'
import type { Test } from 'tap'
import { Inbox } from '../../fixtures/clients/raw.js'
import { startBridge } from './bridge.ts'
import { command, environment, node, serveEverything, servers, startProxy } from './helpers.ts'
import type { ServerName } from './helpers.ts'

export interface Way {
  name: string
  connect(server: ServerName): Transport
}

/**
 * Starts a proxy with these servers. For client mode, it also serves each of them over HTTP with another
 * implementation. All stop at the end of the test. The test closes its clients.
 */
export async function openWays(t: Test, ...names: ServerName[]): Promise<Way[]> {
  const named = names.flatMap((name) => [
    '--named-server',
    name,
    [node, ...servers[name]].map((word) => `'${word}'`).join(' ')
  ])
  const proxy = await startProxy(t, ...named)
  const foreign = new Map<ServerName, { mcp: string; sse: string }>()
  for (const name of names) {
    if (name === 'everything') {
      const mcp = await serveEverything('streamableHttp')
      const sse = await serveEverything('sse')
      foreign.set(name, { mcp: mcp.url, sse: sse.url })
      t.teardown(() => Promise.all([mcp.close(), sse.close()]))
    } else {
      foreign.set(name, await startBridge(t, servers[name]))
    }
  }
  const urlOf = (name: ServerName, kind: 'mcp' | 'sse'): string => foreign.get(name)?.[kind] ?? ''
  return [
    { name: 'directly', connect: (name) => stdio(...servers[name]) },
    {
      name: 'server mode, Streamable HTTP',
      connect: (name) => new StreamableHTTPClientTransport(new URL(proxy.mcp(name)))
    },
    {
      name: 'server mode, HTTP+SSE',
      connect: (name) => new SSEClientTransport(new URL(proxy.sse(name)))
    },
    {
      name: 'client mode, Streamable HTTP',
      connect: (name) => stdio(command, urlOf(name, 'mcp'))
    },
    {
      name: 'client mode, HTTP+SSE',
      connect: (name) => stdio(command, urlOf(name, 'sse'))
    },
    {
      name: 'two proxies, Streamable HTTP',
      connect: (name) => stdio(command, proxy.mcp(name))
    },
    {
      name: 'two proxies, HTTP+SSE',
      connect: (name) => stdio(command, '--transport', 'sse', proxy.sse(name))
    }
  ]
}

function stdio(...args: string[]): Transport {
  return new StdioClientTransport({ command: node, args, env: environment, stderr: 'ignore' })
}

/** A client, and every message that its transport carried, in order. */
export interface Observed {
  client: Client
  sent: Inbox<JSONRPCMessage>
  received: Inbox<JSONRPCMessage>
}

/** Connects a client. `prepare` can set its handlers before. */
export async function observe(
  transport: Transport,
  options: ClientOptions = {},
  prepare: (client: Client) => void = () => {}
): Promise<Observed> {
  const client = new Client({ name: 'interop', version: '1.0.0' }, options)
  const sent = new Inbox<JSONRPCMessage>()
  const received = new Inbox<JSONRPCMessage>()
  const send = transport.send.bind(transport)
  transport.send = (message, options) => {
    sent.push(message)
    return send(message, options)
  }
  transport.onmessage = (message) => void received.push(message)
  prepare(client)
  await client.connect(transport)
  return { client, sent, received }
}

export function hasMethod(method: string): (message: JSONRPCMessage) => boolean {
  return (message) => 'method' in message && message.method === method
}

/**
 * Lists what the client received for the call with this progress token: each `progress` value, and
 * 'response' in the place of the response. (The SDK drops progress that arrives in one read with the
 * response, so a progress callback would miss it.)
 */
export function progressUnder(token: string | number, { sent, received }: Observed): unknown[] {
  const call = sent.find(
    (message) => 'method' in message && message.params?._meta?.progressToken === token
  )
  return received.flatMap((message) => {
    if (!('method' in message))
      return call && 'id' in call && message.id === call.id ? 'response' : []
    return message.params?.progressToken === token ? [message.params.progress] : []
  })
}
