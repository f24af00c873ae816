// The checks that the command line and the config file have in common, so that both accept the same
// values.

import { statSync } from 'node:fs'
import type { Stats } from 'node:fs'
import { unescape } from 'node:querystring'
import type { TransportName, UrlConfig } from './config.ts'

/** Parses an http:// or https:// URL. Gives undefined for anything else. */
export function parseHttpUrl(text: string): URL | undefined {
  // `URL` alone is too lenient: it takes http:/a and http:///a for http://a/, and drops line breaks.
  const isAbsolute = /^https?:\/\/[^/\\]/i.test(text) && !/[\t\r\n]/.test(text)
  return isAbsolute && URL.canParse(text) ? new URL(text) : undefined
}

/** Whether a server can have this name: it becomes one segment of a URL's path, encoded if need be. */
export function isServerName(name: string): boolean {
  // A lone surrogate cannot be encoded, and `.` and `..` mean something else in a path.
  return !/^\.{0,2}$|\p{Surrogate}/u.test(name)
}

export function isHeaderName(name: string): boolean {
  return /^[\w!#$%&'*+.^`|~-]+$/.test(name)
}

export function isHeaderValue(value: string): boolean {
  return /^[\t\x20-\x7e\x80-\xff]*$/.test(value)
}

/** Whether an environment variable can have this name. */
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

/**
 * Makes the configuration of a server at a URL. The last of several headers with one name counts.
 * A user name and password in the URL become a header, unless `headers` has an Authorization.
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
