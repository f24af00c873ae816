// Makes the transport to a server over HTTP from its configuration.

import type { Duplex } from 'node:stream'
import { hasAuthorization } from '../config/checks.ts'
import { unattended } from '../config/credentials.ts'
import type { ClientConfig, ServeConfig, UrlConfig } from '../config/config.ts'
import { CookieJar } from '../http-client/connections/cookies.ts'
import type { HttpOptions } from '../http-client/http-options.ts'
import type { Log } from '../log.ts'
import { makeCredentials } from './credentials.ts'

/** Resolves to a function that connects to an HTTP server. Loads only the transport it needs. */
export async function urlConnector(
  server: UrlConfig,
  config: ClientConfig | ServeConfig,
  log: Log
): Promise<() => Duplex> {
  const { limits, verify, ca, cert, key } = config
  const secure = { verify, ca, cert, key, connectTimeout: limits.connectTimeout }
  const isUnattended = config.mode === 'server'
  // Client mode has the settings of the command line. A header of the user takes the place of a sign-in.
  const own = hasAuthorization(server) ? undefined : ({ kind: 'signIn', ...unattended } as const)
  const given = isUnattended ? (server.credentials ?? own) : config.credentials
  const { url, headers } = server
  const settings = { ...secure, loginTimeout: limits.loginTimeout, isUnattended }
  const credentials = given && (await makeCredentials(given, url, settings))
  // Client mode has one user, so cookies outlive a connection. Sessions of server mode have their own.
  const shared = isUnattended ? {} : { cookies: new CookieJar() }
  const moveTraceContext = config.traceContext === 'move'
  const options: HttpOptions = {
    ...limits,
    ...secure,
    ...shared,
    url,
    headers,
    credentials,
    moveTraceContext,
    log
  }
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
