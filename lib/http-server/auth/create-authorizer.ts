// Makes the authorizer of a listener from the options of `listen`.

import { ProxyError } from '../../errors.ts'
import { limits } from '../../limits.ts'
import { sessionIdHeader } from '../../protocol/headers.ts'
import { quote } from '../../text.ts'
import type { Sessions } from '../sessions.ts'
import type { Auth } from './auth.ts'
import { Authorizer } from './authorize.ts'
import { ProtectedResource } from './protected-resource.ts'

interface Options {
  auth?: Auth | undefined
  publicUrl?: string | undefined
  basePath?: string | undefined
  servers?: string[] | undefined
  maxTokens?: number | undefined
  exposeHeaders?: string[] | undefined
}

/**
 * Returns the options of a listener that depend on others.
 *
 * @throws ProxyError `ERR_CONFIG` if the public URL is no URL
 */
export function accessOptions(options: Options): Pick<Options, 'basePath' | 'exposeHeaders'> {
  return { basePath: basePathOf(options), exposeHeaders: exposedHeaders(options) }
}

/**
 * Returns the authorizer, or `undefined` if clients need no token.
 *
 * @param url the URL of the listener. It ends with a slash
 */
export function createAuthorizer(
  { auth, servers = [''], maxTokens = limits.maxTokens, basePath = '', publicUrl }: Options,
  url: string,
  sessions: Sessions
): Authorizer | undefined {
  if (auth === undefined) return undefined
  const root = publicUrl?.replace(/\/$/, '') ?? url.slice(0, -1) + basePath
  const resource = auth.rules && new ProtectedResource(root, auth.rules, servers)
  return new Authorizer({ auth, maxTokens, resource, serverOf: (id) => sessions.serverOf(id) })
}

/**
 * Returns the path at which clients reach the proxy, without a slash at its end: the base path, or the
 * path of the public URL. `undefined` means that it is unknown.
 */
function basePathOf({ basePath, publicUrl }: Options): string | undefined {
  const url = publicUrl === undefined ? undefined : parse(publicUrl)
  if (basePath !== undefined) return basePath.replace(/\/$/, '')
  return url?.pathname.replace(/\/$/, '') || undefined
}

function parse(publicUrl: string): URL {
  if (URL.canParse(publicUrl)) return new URL(publicUrl)
  throw new ProxyError('ERR_CONFIG', `the public URL ${quote(publicUrl)} is no URL`)
}

/** Returns the response headers that web pages may read. A refusal tells them where to get a token. */
function exposedHeaders({ auth, exposeHeaders = [] }: Options): string[] {
  if (auth?.rules === undefined) return exposeHeaders
  return [...(exposeHeaders.length > 0 ? exposeHeaders : [sessionIdHeader]), 'WWW-Authenticate']
}
