// Makes the configuration of authorization from the flags and the environment. Secrets come from files
// or from the environment. A command line would show them to other users of the machine.

import type { IssuerConfig, ServeConfig } from '../../config/config.ts'
import type { FlagValues } from '../flags.ts'
import { quote, usage } from './usage.ts'

/** This variable has the token of clients in server mode. Servers never get it from the proxy. */
export const authVariable = 'MCP_PROXY_AUTH_TOKEN'

/** This variable has the credentials for the introspection of tokens. Servers never get it either. */
export const introspectionVariable = 'MCP_PROXY_INTROSPECTION'

/** @param servers the names of all servers. `''` is the default server */
export function readAuth(
  values: FlagValues,
  env: NodeJS.ProcessEnv,
  servers: readonly string[]
): Pick<ServeConfig, 'auth'> {
  const file = values['auth-token-file']
  const token = env[authVariable]?.trim() ?? ''
  if (!/^[\x21-\x7e]*$/.test(token)) {
    throw usage(`${authVariable}: the value has a character that is not allowed`)
  }
  const issuer = readIssuer(values, env, servers)
  if (file === undefined && token === '' && issuer === undefined) return {}
  return {
    auth: {
      ...(file !== undefined && { file }),
      ...(token !== '' && { token }),
      ...(issuer !== undefined && { issuer })
    }
  }
}

/** The flags that say more about the tokens of issuers. */
const issuerFlags = [
  'auth-audience',
  'auth-scope',
  'auth-introspection',
  'auth-introspection-file'
] as const

function readIssuer(
  values: FlagValues,
  env: NodeJS.ProcessEnv,
  servers: readonly string[]
): IssuerConfig | undefined {
  const { 'auth-issuer': issuers, 'auth-audience': audience, 'auth-scope': scopes } = values
  const given = issuerFlags.find((name) => String(values[name] ?? '') !== '')
  if (issuers.length === 0) {
    if (given !== undefined) throw usage(`--${given} needs --auth-issuer too`)
    return undefined
  }
  if (values['public-url'] === undefined && isWildcard(values.host)) {
    throw usage(`--auth-issuer needs --public-url too, because --host ${values.host} is no URL`)
  }
  const introspection = readIntrospection(values, env)
  return {
    issuers,
    ...(audience !== undefined && { audience }),
    scopes: scopesByServer(scopes, servers),
    ...(introspection !== undefined && { introspection })
  }
}

/** Whether clients cannot use the address in a URL: `0.0.0.0`, `::` and `0` stand for all addresses. */
const isWildcard = (host: string): boolean => /^[0:.]+$/.test(host)

/** @throws ProxyError `ERR_USAGE` for an unknown server: the real one would need no scope */
function scopesByServer(
  scopes: readonly (readonly [server: string, scope: string])[],
  servers: readonly string[]
): Record<string, string[]> {
  const found = new Map<string, string[]>()
  for (const [label, scope] of scopes) {
    const server = label === 'default' && servers.includes('') ? '' : label
    if (!servers.includes(server)) throw usage(`--auth-scope: there is no server ${quote(label)}`)
    found.set(server, [...(found.get(server) ?? []), scope])
  }
  return Object.fromEntries(found)
}

function readIntrospection(
  values: FlagValues,
  env: NodeJS.ProcessEnv
): IssuerConfig['introspection'] {
  const { 'auth-introspection': url, 'auth-introspection-file': file } = values
  const credentials = env[introspectionVariable]?.trim() ?? ''
  if (url === undefined) {
    if (file !== undefined) throw usage('--auth-introspection-file needs --auth-introspection too')
    return undefined
  }
  if (file !== undefined) return { url, file }
  if (credentials !== '') return { url, credentials }
  throw usage(
    `--auth-introspection needs --auth-introspection-file or ${introspectionVariable}: CLIENT_ID:SECRET`
  )
}
