// Makes the transport to a server over HTTP from its configuration.

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import type { Dispatcher } from 'undici'
import type { ClientConfig, CredentialsConfig, ServeConfig, UrlConfig } from '../config/config.ts'
import type { Credentials } from '../http-client/auth/credentials.ts'
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
  const given = config.mode === 'client' ? config.credentials : undefined
  const { url, headers } = server
  const secureLogin = { ...secure, loginTimeout: limits.loginTimeout }
  const credentials = given && (await makeCredentials(given, url, secureLogin))
  const options: HttpOptions = { ...limits, ...secure, url, headers, credentials, log }
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

async function makeCredentials(
  config: CredentialsConfig,
  server: URL,
  options: Omit<AgentOptions, 'origin'> & { loginTimeout: number }
): Promise<Credentials> {
  if (config.kind === 'login') {
    const { login } = await import('../http-client/auth/login.ts')
    return login(config)
  }
  if (config.kind === 'signIn') {
    const { LazySignIn } = await import('../http-client/auth/lazy-sign-in.ts')
    const { storeFolder, storeName } = await import('../http-client/auth/sign-in/store-folder.ts')
    const load = async (): Promise<Credentials> => {
      const { createSignIn } = await import('./sign-in.ts')
      return createSignIn(config, server, options)
    }
    const name = storeName(server, config.clientId ?? config.clientMetadataUrl ?? '')
    return new LazySignIn(load, existsSync(join(storeFolder(), `${name}.json`)))
  }
  const { clientCredentials } = await import('../http-client/auth/client-credentials.ts')
  const { createAgent } = await import('../http-client/connections/agent.ts')
  const dispatcher = (): Promise<Dispatcher> => createAgent({ ...options, origin: config.tokenUrl })
  return clientCredentials({ ...config, dispatcher, timeout: options.connectTimeout })
}
