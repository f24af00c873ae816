// Makes the authorizer of a listener from the options of `listen`.

import { limits } from '../../limits.ts'
import { sessionIdHeader } from '../../protocol/headers.ts'
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
 * Returns the authorizer, or `undefined` if clients need no token.
 *
 * @param url the URL of the listener. It ends with a slash
 */
export function createAuthorizer(
  options: Options,
  url: string,
  sessions: Sessions
): Authorizer | undefined {
  const { auth, servers = [''], maxTokens = limits.maxTokens } = options
  if (auth === undefined) return undefined
  const own = url.slice(0, -1) + (basePathOf(options) ?? '')
  const publicUrl = options.publicUrl?.replace(/\/$/, '') ?? own
  const resource = auth.rules && new ProtectedResource(publicUrl, auth.rules, servers)
  return new Authorizer({ auth, maxTokens, resource, serverOf: (id) => sessions.serverOf(id) })
}

/**
 * Returns the path at which clients reach the proxy, without a slash at its end: the base path, or the
 * path of the public URL. `undefined` means that it is unknown.
 */
export function basePathOf({ basePath, publicUrl }: Options): string | undefined {
  if (basePath !== undefined || publicUrl === undefined) return basePath?.replace(/\/$/, '')
  const path = new URL(publicUrl).pathname.replace(/\/$/, '')
  return path === '' ? undefined : path
}

/** Returns the response headers that web pages may read. A refusal tells them where to get a token. */
export function exposedHeaders({ auth, exposeHeaders = [] }: Options): string[] {
  if (auth?.rules === undefined) return exposeHeaders
  return [...(exposeHeaders.length > 0 ? exposeHeaders : [sessionIdHeader]), 'WWW-Authenticate']
}
