// Makes the transport to a server over HTTP from its configuration.

import type { Duplex } from 'node:stream'
import type { Dispatcher } from 'undici'
import type { ClientConfig, OAuthConfig, ServeConfig, UrlConfig } from '../config/config.ts'
import type { TokenSource } from '../http-client/auth/token-source.ts'
import type { AgentOptions } from '../http-client/connections/agent.ts'
import type { HttpOptions } from '../http-client/http-options.ts'
import type { Log } from '../log.ts'

/** Resolves to a function that connects to an HTTP server. Loads only the transport it needs. */
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
      const { connectSse } = await import('../http-client/connect-sse.ts')
      return () => connectSse(options)
    }
    case 'streamablehttp': {
      const { connectHttp } = await import('../http-client/connect-http.ts')
      return () => connectHttp(options)
    }
    case 'auto': {
      const { connectUrl } = await import('../http-client/connect-url.ts')
      return () => connectUrl(options)
    }
  }
}

async function tokenSource(
  oauth: OAuthConfig,
  options: Omit<AgentOptions, 'origin'>
): Promise<TokenSource> {
  const { clientCredentials } = await import('../http-client/auth/client-credentials.ts')
  const { createAgent } = await import('../http-client/connections/agent.ts')
  const dispatcher = (): Promise<Dispatcher> => createAgent({ ...options, origin: oauth.tokenUrl })
  return clientCredentials({ ...oauth, dispatcher, timeout: options.connectTimeout })
}
