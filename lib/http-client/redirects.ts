// Decides which redirects the proxy follows. Some servers redirect /mcp to /mcp/, so the proxy
// follows a redirect within the origin. It does not follow a redirect to another origin, because
// the headers of a request can contain secrets.

import type { IncomingHttpHeaders } from 'node:http'
import { ProxyError } from '../errors.ts'

export const maxRedirects = 5

export const isRedirect = (status: number, headers: IncomingHttpHeaders): boolean =>
  status >= 301 && status <= 308 && status !== 304 && headers.location !== undefined

/** Returns the URL that the header `Location` names, or `undefined` if it is not a URL. */
export const redirectTarget = (location: string, from: URL): URL | undefined =>
  URL.canParse(location, from.href) ? new URL(location, from) : undefined

/**
 * Whether the proxy may send the same request to `target`. After 301, 302 and 303 it may not send a
 * POST or DELETE, because clients change the method to GET.
 */
export function mayFollow(
  target: URL | undefined,
  from: URL,
  status: number,
  method: string
): boolean {
  const keepsMethod = status === 307 || status === 308 || method === 'GET'
  return target?.origin === from.origin && keepsMethod
}

export function redirectError(name: string, target: URL | undefined, status: number): ProxyError {
  const to = target === undefined ? 'nowhere' : target.origin + target.pathname
  const message = `${name} redirects to ${to} (${status}): use that URL if you trust it`
  return new ProxyError('ERR_HTTP_STATUS', message)
}
