// Makes the authorization of clients from the configuration.

import { readFileSync } from 'node:fs'
import type { IssuerConfig, ServeConfig } from '../config/config.ts'
import { ProxyError } from '../errors.ts'
import type { Auth } from '../http-server/auth/auth.ts'
import { exposureOf } from '../http-server/auth/exposure.ts'
import type { IntrospectionOptions } from '../http-server/auth/introspection.ts'
import { issuerAuth } from '../http-server/auth/issuer-auth.ts'
import type { Fetch } from '../http-server/auth/fetch-json.ts'
import type { IssuerAuth } from '../http-server/auth/issuer-auth.ts'
import { tokenAuth } from '../http-server/auth/token-auth.ts'
import type { Log } from '../log.ts'

/** Reads the files of tokens and secrets. `undefined` means that clients need no token. */
export function openAuth(config: ServeConfig, log: Log): Auth | IssuerAuth | undefined {
  const { auth } = config
  if (auth === undefined) {
    const warning = config.requireAuth ? exposureOf(config.host, config.allowOrigins) : undefined
    if (warning !== undefined) throw new ProxyError('ERR_USAGE', `--require-auth: ${warning}`)
    return undefined
  }
  const { file, token, issuer } = auth
  const hasTokens = file !== undefined || token !== undefined
  const tokens = hasTokens ? tokenAuth({ file, token, log }) : undefined
  return issuer === undefined ? tokens : openIssuers(config, issuer, tokens, log)
}

function openIssuers(
  config: ServeConfig,
  { introspection, ...issuer }: IssuerConfig,
  tokens: Auth | undefined,
  log: Log
): IssuerAuth {
  return issuerAuth({
    ...config.limits,
    ...issuer,
    fetch: fetchFor(config),
    introspection: introspection && readCredentials(introspection),
    tokens,
    log
  })
}

/**
 * Returns the function that sends requests to issuers, with the TLS and the HTTP proxy of the other
 * connections. `--no-verify-ssl` does not count: a program that could act as an issuer could let anyone in.
 */
function fetchFor({ verify, ca, cert, key, limits }: ServeConfig): Fetch {
  const { connectTimeout } = limits
  const options = { verify: verify || true, ca, cert, key, connectTimeout }
  let send: Promise<Fetch> | undefined
  return async (url, request) => {
    send ??= import('../http-client/connections/fetch.ts').then(({ createFetch }) =>
      createFetch(options)
    )
    return (await send)(url, request)
  }
}

/** @throws ProxyError `ERR_CONFIG`. The message does not show the secret */
function readCredentials({
  url,
  file,
  credentials = ''
}: NonNullable<IssuerConfig['introspection']>): IntrospectionOptions {
  const text = file === undefined ? credentials : readSecret(file)
  const [, clientId, clientSecret] = /^([^:\s]+):(\S+)$/.exec(text.trim()) ?? []
  if (clientId !== undefined && clientSecret !== undefined) return { url, clientId, clientSecret }
  const where = file ?? 'MCP_PROXY_INTROSPECTION'
  throw new ProxyError('ERR_CONFIG', `${where}: write CLIENT_ID:SECRET`)
}

function readSecret(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw new ProxyError('ERR_CONFIG', `cannot read ${file}`, { cause })
  }
}
