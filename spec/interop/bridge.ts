// Serves a stdio server over HTTP with the SDK's server transports. Tests of client mode connect to it,
// so that the other end of HTTP is not our own code. Each session gets its own process.

import { randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import { SSEServerTransport } from '@modelcontextprotocol/sdk/server/sse.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import type { JSONRPCMessage, RequestId } from '@modelcontextprotocol/sdk/types.js'
import type { Test } from 'tap'
import { listenLocally } from '../helpers.ts'
import { environment, node } from './helpers.ts'

/** Serves until the end of the test. @param args the arguments with which Node starts the server */
export async function startBridge(
  t: Test,
  args: readonly string[]
): Promise<{ mcp: string; sse: string }> {
  const sessions = new Map<string, StreamableHTTPServerTransport | SSEServerTransport>()
  const children = new Set<Transport>()

  const join = async (front: Transport): Promise<void> => {
    const child = new StdioClientTransport({
      command: node,
      args: [...args],
      env: environment,
      stderr: 'ignore'
    })
    const calls = new Map<RequestId, RequestId | undefined>() // id of a request → its progress token
    children.add(child)
    front.onmessage = (message) => {
      if ('method' in message && 'id' in message) {
        calls.set(message.id, message.params?._meta?.progressToken)
      } else if ('method' in message && message.method === 'notifications/cancelled') {
        calls.delete(message.params?.requestId as RequestId)
      }
      void child.send(message)
    }
    child.onmessage = (message) => {
      const relatedRequestId = requestOf(message, calls)
      // Sending fails when the client has closed its connection.
      front
        .send(message, relatedRequestId === undefined ? {} : { relatedRequestId })
        .catch(() => {})
      if (!('method' in message) && message.id !== undefined) calls.delete(message.id)
    }
    front.onclose = () => void child.close()
    await child.start()
  }

  const routes: Record<string, (req: IncomingMessage, res: ServerResponse) => Promise<void>> = {
    async '/mcp'(req, res) {
      const id = req.headers['mcp-session-id']
      const known = sessions.get(String(id))
      if (known instanceof StreamableHTTPServerTransport) return known.handleRequest(req, res)
      const front = new StreamableHTTPServerTransport({
        sessionIdGenerator: randomUUID,
        onsessioninitialized: (id) => void sessions.set(id, front)
      })
      await join(front)
      await front.handleRequest(req, res)
    },
    async '/sse'(req, res) {
      if (req.method !== 'GET') return void res.writeHead(405).end()
      const front = new SSEServerTransport('/messages', res)
      sessions.set(front.sessionId, front)
      await join(front)
      await front.start()
    },
    async '/messages'(req, res) {
      const id = new URL(req.url ?? '', 'http://any').searchParams.get('sessionId')
      const front = sessions.get(String(id))
      if (front instanceof SSEServerTransport) await front.handlePostMessage(req, res)
      else res.writeHead(404).end()
    }
  }

  const server = createServer((req, res) => {
    const route = routes[new URL(req.url ?? '', 'http://any').pathname]
    if (route === undefined) res.writeHead(404).end()
    else route(req, res).catch(() => res.destroy())
  })
  t.teardown(() => Promise.all([...children].map((child) => child.close())))
  const base = `http://127.0.0.1:${await listenLocally(t, server)}`
  return { mcp: `${base}/mcp`, sse: `${base}/sse` }
}

// Picks the request on whose stream the SDK sends a message. A message on stdio does not name it, so
// this is a guess: the request with the message's progress token, else the oldest request.
function requestOf(
  message: JSONRPCMessage,
  calls: Map<RequestId, RequestId | undefined>
): RequestId | undefined {
  if (!('method' in message)) return undefined
  const token = message.params?.progressToken
  for (const [id, expected] of calls) {
    if (token === undefined || token === expected) return id
  }
  return undefined
}
