// Makes the undici dispatcher for requests to a server: with TLS as the options say, and through an
// HTTP proxy if the environment names one. A client waits for this file to load, so it loads only the
// parts of undici (and node:tls, and the certificates) that the URL needs.

import type { Agent, Dispatcher } from 'undici'
import { limits } from '../../limits.ts'
import { findProxy } from './environment-proxy.ts'
import { createProxyAgent } from './proxy-agent.ts'
import { tlsSettings } from './tls.ts'
import type { TlsOptions } from './tls.ts'

export interface AgentOptions extends TlsOptions {
  /** The URL to reach. Its scheme decides whether to use TLS, and which proxy. */
  origin: URL
  /** How long connecting may take, in milliseconds (default 30 000; 0: no limit). */
  connectTimeout?: number | undefined
  /**
   * The environment whose HTTP_PROXY, HTTPS_PROXY and NO_PROXY are used (default: that of the process).
   */
  env?: NodeJS.ProcessEnv | undefined
}

/**
 * Gives the dispatcher for requests to `origin`. It opens as many connections as there are requests at
 * a time. It has `dispatch`, `close` and `destroy`, but not the methods that only undici's index adds
 * (`request`, `stream`…).
 *
 * Errors: `ERR_CONFIG` for a file or proxy URL that cannot be used. Requests fail with undici's errors,
 * and with `ERR_CONNECTION` when the proxy fails.
 */
export async function createAgent(options: AgentOptions): Promise<Dispatcher> {
  const { origin, connectTimeout: timeout = limits.connectTimeout, env = process.env, ca } = options
  const isSecure = origin.protocol === 'https:'
  const connect = { timeout, ...(isSecure && (await tlsSettings(options))) }
  const proxy = findProxy(isSecure, env)
  if (proxy !== undefined) {
    const noProxy = env.no_proxy ?? env.NO_PROXY ?? ''
    return createProxyAgent({ proxy, noProxy, connect, ca, settings })
  }
  // Not a Pool or Client: they load as fast, but send a request to their own origin even if it is meant
  // for another.
  const { default: Agent } = await import('./undici-agent.ts')
  return new Agent({ ...settings, connect })
}

// The keep-alive time stays at undici's 4 s: many servers close idle connections after 5 s without
// notice, and a request sent at that moment is lost.
const settings = {
  // A call may run for hours without a byte.
  headersTimeout: 0,
  bodyTimeout: 0,
  // A request must not wait behind a call on the same connection.
  pipelining: 1,
  allowH2: false,
  // The parsers of messages limit their size.
  maxResponseSize: -1
} satisfies Agent.Options
