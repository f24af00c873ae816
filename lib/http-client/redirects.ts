// Redirects. Some servers redirect /mcp to /mcp/, so the proxy follows a redirect within the origin. It
// follows none to another origin: the headers of a request can hold secrets.

import type { IncomingHttpHeaders } from 'node:http'
import { ProxyError } from '../errors.ts'

export const maxRedirects = 5

export const isRedirect = (status: number, headers: IncomingHttpHeaders): boolean =>
  status >= 301 && status <= 308 && status !== 304 && headers.location !== undefined

/** The URL that the header `Location` names, or `undefined` if it is not a URL. */
export const redirectTarget = (location: string, from: URL): URL | undefined =>
  URL.canParse(location, from.href) ? new URL(location, from) : undefined

/** Whether the same request may go to `target`. After 301 to 303 a POST would become a GET. */
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
