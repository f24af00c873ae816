// Sends a request without a token to an MCP server, to learn what the server asks for.

import type { IncomingHttpHeaders } from 'node:http'
import { limits } from '../../../limits.ts'
import { makeFrame } from '../../../message/frame.ts'
import { jsonRpcVersion } from '../../../protocol/json-rpc.ts'
import { methods } from '../../../protocol/methods.ts'
import { latestLegacy } from '../../../protocol/revisions.ts'
import { version } from '../../../version.ts'
import { HttpClient } from '../../http-client.ts'
import type { HttpClientOptions } from '../../http-client.ts'

/** The request that each MCP server answers first. */
const { bytes: body } = makeFrame({
  jsonrpc: jsonRpcVersion,
  id: 1,
  method: methods.initialize,
  params: {
    protocolVersion: latestLegacy,
    capabilities: {},
    clientInfo: { name: 'mcp-proxy', version }
  }
})

/**
 * Resolves to the headers of the refusal. Undefined if the server does not refuse the request, or
 * cannot be reached: then a sign-in goes on without them.
 */
export async function askForChallenge(
  options: HttpClientOptions
): Promise<IncomingHttpHeaders | undefined> {
  const client = new HttpClient(options, () => {})
  try {
    const [status, headers] = await send(client, options, 'POST')
    if (status === 401) return headers
    // A server of HTTP+SSE only.
    const [other, otherHeaders] = await send(client, options, 'GET')
    return other === 401 ? otherHeaders : undefined
  } finally {
    await client.destroy()
  }
}

function send(
  client: HttpClient,
  { connectTimeout: timeout = limits.connectTimeout }: HttpClientOptions,
  method: 'GET' | 'POST'
): Promise<[status: number, headers: IncomingHttpHeaders]> {
  const headers: Record<string, string> = { accept: 'application/json, text/event-stream' }
  const isPost = method === 'POST'
  if (isPost) headers['content-type'] = 'application/json'
  return new Promise((resolve) => {
    const request = { method, headers, timeout, ...(isPost && { body }) }
    let found: [number, IncomingHttpHeaders] = [0, {}]
    const done = (): void => {
      exchange.abort()
      resolve(found)
    }
    const onHeaders = (status: number, received: IncomingHttpHeaders): void => {
      found = [status, received]
      done()
    }
    const exchange = client.send(request, { onHeaders, onData: done, onEnd: done, onError: done })
  })
}
