// Creates the undici dispatcher that sends requests to a server. The options set its TLS. It uses
// an HTTP proxy if the environment variables name one. A client waits while this file loads, so the
// file loads only the parts that the URL needs (of undici, node:tls and the certificates).

import type { LookupFunction } from 'node:net'
import type { Agent, Dispatcher } from 'undici'
import { limits } from '../../limits.ts'
import { findProxy } from './environment-proxy.ts'
import { createProxyAgent } from './proxy-agent.ts'
import { tlsSettings } from './tls.ts'
import type { TlsOptions } from './tls.ts'

export interface AgentOptions extends TlsOptions {
  /**
   * The URL to reach. Its scheme decides whether TLS is used, and whether HTTP_PROXY or HTTPS_PROXY
   * counts.
   */
  origin: URL
  /** The time limit to open a connection, in milliseconds (default 30 000; 0: no limit). */
  connectTimeout?: number | undefined
  /** Finds the addresses of a name (default: that of Node). An HTTP proxy does not use it. */
  lookup?: LookupFunction | undefined
  /**
   * The environment variables. HTTP_PROXY, HTTPS_PROXY and NO_PROXY count (default: `process.env`).
   */
  env?: NodeJS.ProcessEnv | undefined
}

/**
 * Returns the dispatcher for requests to `origin`. The dispatcher opens one connection for each
 * request that runs at the same time. It has `dispatch`, `close` and `destroy`, but not `request`,
 * `stream` and the other methods that only the index of undici adds.
 *
 * Errors: `ERR_CONFIG` for a file or proxy URL that cannot be used. A request fails with an error
 * of undici, or with `ERR_CONNECTION` if the HTTP proxy fails.
 */
export async function createAgent(options: AgentOptions): Promise<Dispatcher> {
  const {
    origin,
    connectTimeout: timeout = limits.connectTimeout,
    env = process.env,
    ca,
    lookup
  } = options
  const isSecure = origin.protocol === 'https:'
  const found = lookup && { lookup }
  const connect = { timeout, ...found, ...(isSecure && (await tlsSettings(options))) }
  const proxy = findProxy(isSecure, env)
  if (proxy !== undefined) {
    const noProxy = env.no_proxy ?? env.NO_PROXY ?? ''
    return createProxyAgent({ proxy, noProxy, connect, ca, settings })
  }
  // This is not a Pool or Client, because these send every request to one origin, even a request
  // for another origin. They do not load faster.
  const [{ default: Agent }, { readToEnd }] = await Promise.all([
    import('./undici-agent.ts'),
    import('./ended-connections.ts')
  ])
  return readToEnd(new Agent({ ...settings, connect }))
}

// An idle connection closes after 4 s, the default of undici. Many servers close an idle connection
// after 5 s without notice. A request that the proxy sends at that moment is lost.
const settings = {
  // There is no limit, because a tool call may run for hours before the server sends a byte.
  headersTimeout: 0,
  bodyTimeout: 0,
  // A connection carries one request at a time, so that no request waits for a long call.
  pipelining: 1,
  allowH2: false,
  // There is no limit here, because the message parsers limit the size of each message.
  maxResponseSize: -1
} satisfies Agent.Options
