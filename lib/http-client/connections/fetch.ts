// A function like `fetch` for few and small requests, with the TLS, the HTTP proxies and the time limits
// of all other connections. Node's `fetch` knows none of them, and undici's takes long to load.

import type { Dispatcher } from 'undici'
import { createAgent } from './agent.ts'
import type { AgentOptions } from './agent.ts'

export interface FetchOptions {
  method: string
  headers: Record<string, string>
  body?: string
  /** When it aborts, the request fails, also while its response is read. */
  signal?: AbortSignal
}

/** The response of a request. Read its body to the end, or leave the loop early. */
export interface Fetched {
  status: number
  body: AsyncIterable<Uint8Array>
}

/**
 * The function sends a request and follows no redirect. It throws `ERR_CONFIG` for a file that cannot
 * be used, and errors of undici.
 */
export function createFetch(
  options: Omit<AgentOptions, 'origin'>
): (url: URL, request: FetchOptions) => Promise<Fetched> {
  /** An agent for each scheme. */
  const agents = new Map<string, Promise<Dispatcher>>()
  const agentFor = (url: URL): Promise<Dispatcher> => {
    const known = agents.get(url.protocol)
    if (known !== undefined) return known
    const agent = createAgent({ ...options, origin: url })
    agents.set(url.protocol, agent)
    // The next request reads the files again.
    agent.catch(() => agents.delete(url.protocol))
    return agent
  }
  return async (url, { method, headers, body = null, signal }) => {
    const agent = await agentFor(url)
    const { default: send } = await import('undici/lib/api/api-request.js')
    const response = await send.call(agent, {
      origin: url.origin,
      path: url.pathname + url.search,
      method,
      headers: { 'accept-encoding': 'identity', ...headers },
      body,
      ...(signal && { signal })
    })
    return { status: response.statusCode, body: response.body as AsyncIterable<Uint8Array> }
  }
}
