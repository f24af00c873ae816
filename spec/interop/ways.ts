// Every way in which a client of the SDK can be joined to a server through the proxy, and the one
// without it, which shows that what a suite expects is what the two have to say to each other.

import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import type { ClientOptions } from '@modelcontextprotocol/sdk/client/index.js'
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import type { JSONRPCMessage } from '@modelcontextprotocol/sdk/types.js'
import { Inbox } from '../../fixtures/clients/raw.js'
import { startBridge } from './bridge.ts'
import { command, environment, node, serveEverything, servers, startProxy } from './helpers.ts'
import type { ServerName } from './helpers.ts'

export interface Way {
  name: string
  connect(server: ServerName): Transport
}

export interface Ways {
  ways: Way[]
  /** Ends all that was started. What clients have opened is theirs to close. */
  close(): Promise<unknown>
}

/** Starts what the ways to these servers need. */
export async function openWays(...names: ServerName[]): Promise<Ways> {
  const named = names.flatMap((name) => [
    '--named-server',
    name,
    [node, ...servers[name]].map((word) => `'${word}'`).join(' ')
  ])
  const proxy = await startProxy(...named)
  const foreign = new Map<ServerName, { mcp: string; sse: string }>()
  const closers: (() => Promise<unknown>)[] = [proxy.close]
  for (const name of names) {
    if (name === 'everything') {
      const mcp = await serveEverything('streamableHttp')
      const sse = await serveEverything('sse')
      foreign.set(name, { mcp: mcp.url, sse: sse.url })
      closers.push(mcp.close, sse.close)
    } else {
      const bridge = await startBridge(servers[name])
      foreign.set(name, bridge)
      closers.push(bridge.close)
    }
  }
  const urlOf = (name: ServerName, kind: 'mcp' | 'sse'): string => foreign.get(name)?.[kind] ?? ''
  const ways: Way[] = [
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
  return { ways, close: () => Promise.all(closers.map((close) => close())) }
}

function stdio(...args: string[]): Transport {
  return new StdioClientTransport({ command: node, args, env: environment, stderr: 'ignore' })
}

/** A client, and every message that its transport carried, in the order in which they passed. */
export interface Observed {
  client: Client
  sent: Inbox<JSONRPCMessage>
  came: Inbox<JSONRPCMessage>
}

/** Connects a client; `prepare` can give it handlers first. */
export async function observe(
  transport: Transport,
  options: ClientOptions = {},
  prepare: (client: Client) => void = () => {}
): Promise<Observed> {
  const client = new Client({ name: 'interop', version: '1.0.0' }, options)
  const sent = new Inbox<JSONRPCMessage>()
  const came = new Inbox<JSONRPCMessage>()
  const send = transport.send.bind(transport)
  transport.send = (message, options) => {
    sent.push(message)
    return send(message, options)
  }
  transport.onmessage = (message) => void came.push(message)
  prepare(client)
  await client.connect(transport)
  return { client, sent, came }
}

export function hasMethod(method: string): (message: JSONRPCMessage) => boolean {
  return (message) => 'method' in message && message.method === method
}

/**
 * What came for the call with this progress token: the progress, and `response` where that was. (The
 * client itself overlooks progress that comes in one read with the response.)
 */
export function progressUnder(token: string | number, { sent, came }: Observed): unknown[] {
  const call = sent.find(
    (message) => 'method' in message && message.params?._meta?.progressToken === token
  )
  return came.flatMap((message) => {
    if (!('method' in message))
      return call && 'id' in call && message.id === call.id ? 'response' : []
    return message.params?.progressToken === token ? [message.params.progress] : []
  })
}
