// The checks of values that both the command line and the config file use, so both accept the same
// values.

import { statSync } from 'node:fs'
import type { Stats } from 'node:fs'
import { unescape } from 'node:querystring'
import type { TransportName, UrlConfig } from './config.ts'

/** Parses an http:// or https:// URL. Returns undefined for any other text. */
export function parseHttpUrl(text: string): URL | undefined {
  // `URL` alone accepts too much: it reads http:/a and http:///a as http://a/. It also drops
  // line breaks.
  const isAbsolute = /^https?:\/\/[^/\\]/i.test(text) && !/[\t\r\n]/.test(text)
  return isAbsolute && URL.canParse(text) ? new URL(text) : undefined
}

/** Returns whether a server can have this name. The name becomes one segment of a URL path. */
export function isServerName(name: string): boolean {
  // A URL cannot encode a lone surrogate. In a path, `.` and `..` have a special meaning.
  return !/^\.{0,2}$|\p{Surrogate}/u.test(name)
}

export function isHeaderName(name: string): boolean {
  return /^[\w!#$%&'*+.^`|~-]+$/.test(name)
}

export function isHeaderValue(value: string): boolean {
  return /^[\t\x20-\x7e\x80-\xff]*$/.test(value)
}

/** Returns whether an environment variable can have this name. */
export function isVariableName(name: string): boolean {
  return name !== '' && !name.includes('=')
}

export function isFile(path: string): boolean {
  return statsOf(path)?.isFile() ?? false
}

export function isDirectory(path: string): boolean {
  return statsOf(path)?.isDirectory() ?? false
}

function statsOf(path: string): Stats | undefined {
  try {
    return statSync(path)
  } catch {
    return undefined
  }
}

/** Whether the headers of the user authenticate the proxy. */
export const hasAuthorization = ({ headers }: UrlConfig): boolean =>
  Object.keys(headers).some((name) => name.toLowerCase() === 'authorization')

/**
 * Makes the configuration of a server at a URL. If two headers have the same name, the last one
 * counts. A user name and password in the URL become an Authorization header, unless `headers` has
 * one.
 */
export function toUrlConfig(
  url: URL,
  headers: Iterable<[string, string]>,
  transport: TransportName
): UrlConfig {
  const bare = new URL(url)
  const named = new Map<string, [string, string]>()
  if (url.username !== '' || url.password !== '') {
    const login = `${unescape(url.username)}:${unescape(url.password)}`
    const basic = `Basic ${Buffer.from(login).toString('base64')}`
    named.set('authorization', ['Authorization', basic])
    bare.username = bare.password = ''
  }
  for (const [name, value] of headers) named.set(name.toLowerCase(), [name, value])
  return { kind: 'url', url: bare, headers: Object.fromEntries(named.values()), transport }
}
