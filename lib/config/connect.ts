// Makes of a server's configuration the function that connects to it over HTTP.

import type { Duplex } from 'node:stream'
import type { Dispatcher } from 'undici'
import type { Log } from '../log.ts'
import type { AgentOptions } from '../transports/agent.ts'
import type { HttpOptions } from '../transports/connect-http.ts'
import type { TokenSource } from '../transports/oauth.ts'
import type { ClientConfig, OAuthConfig, ServeConfig, UrlConfig } from './types.ts'

/** Connects to a server over HTTP. Loads only what its transport needs. */
export async function urlConnector(
  server: UrlConfig,
  config: ClientConfig | ServeConfig,
  log: Log
): Promise<() => Duplex> {
  const { limits, verify, ca, cert, key } = config
  const secure = { verify, ca, cert, key, connectTimeout: limits.connectTimeout }
  const oauth = config.mode === 'client' ? config.oauth : undefined
  const tokens = oauth && (await tokenSource(oauth, secure))
  const { url, headers } = server
  const options: HttpOptions = { ...limits, ...secure, url, headers, tokens, log }
  switch (server.transport) {
    case 'sse': {
      const { connectSse } = await import('../transports/connect-sse.ts')
      return () => connectSse(options)
    }
    case 'streamablehttp': {
      const { connectHttp } = await import('../transports/connect-http.ts')
      return () => connectHttp(options)
    }
    case 'auto': {
      const { connectUrl } = await import('../transports/connect-url.ts')
      return () => connectUrl(options)
    }
  }
}

async function tokenSource(
  oauth: OAuthConfig,
  options: Omit<AgentOptions, 'origin'>
): Promise<TokenSource> {
  const { clientCredentials } = await import('../transports/oauth.ts')
  const { createAgent } = await import('../transports/agent.ts')
  const dispatcher = (): Promise<Dispatcher> => createAgent({ ...options, origin: oauth.tokenUrl })
  return clientCredentials({ ...oauth, dispatcher, timeout: options.connectTimeout })
}
