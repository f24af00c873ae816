// The one validated object that the command line and a config file meet in. What is in it has been
// checked: nothing further in has to ask again. With it, the few checks that both of them make.

import { unescape } from 'node:querystring'
import type { Limits } from '../limits.ts'

export type LogLevel = 'DEBUG' | 'INFO' | 'WARNING' | 'ERROR' | 'CRITICAL'

/** How a server at a URL is spoken to. `auto` is Streamable HTTP, or HTTP+SSE if it has only that. */
export type TransportName = 'auto' | 'sse' | 'streamablehttp'

/** A server that is a process of ours. */
export interface ChildConfig {
  kind: 'command'
  command: string
  args: string[]
  /** All of the environment that it gets. */
  env: Record<string, string>
  /** Relative to the proxy's own. */
  cwd?: string
}

/** A server reached over HTTP. */
export interface UrlConfig {
  kind: 'url'
  /** http: or https:, without user name and password: these are in the headers. */
  url: URL
  /** No name twice, however it is written. */
  headers: Record<string, string>
  transport: TransportName
}

export type ServerConfig = ChildConfig | UrlConfig

/** Client credentials, exchanged for a token at `tokenUrl`. */
export interface OAuthConfig {
  clientId: string
  clientSecret: string
  tokenUrl: URL
}

/** What both modes take. */
interface CommonConfig {
  logLevel: LogLevel
  limits: Limits
  /** Whether to check a server's certificate at a URL; or the PEM file to check it against. */
  verify: boolean | string
  /** PEM files: a certificate authority to trust as well, and who we are to servers that ask. */
  ca?: string
  cert?: string
  key?: string
  /** The file to write what passes to. */
  record?: string
  /** What the caller should log: parts of the request that have no effect, or will lose it. */
  warnings: string[]
}

/** Speaks on stdin and stdout, joined to the server at a URL. */
export interface ClientConfig extends CommonConfig {
  mode: 'client'
  server: UrlConfig
  oauth?: OAuthConfig
}

/** Listens on HTTP, joined to servers; to one of them at the least. */
export interface ServeConfig extends CommonConfig {
  mode: 'server'
  /** The server at /. */
  default?: ChildConfig
  /** The servers at /servers/NAME/. */
  named: Map<string, ServerConfig>
  /** 0: any that is free. */
  port: number
  /** A name or address, IPv6 without brackets. */
  host: string
  stateless: boolean
  /** One process of each server for all sessions. */
  shared: boolean
  /** As browsers send them; `*` is any. */
  allowOrigins: string[]
  exposeHeaders: string[]
  /** `Host` values served, in lower case and without port. None: what suits `host`. */
  allowHosts: string[]
  /** What comes before every path: '' or /like/this. */
  basePath: string
  /** PEM files to serve HTTPS with. */
  tls?: { cert: string; key: string }
  /** Processes started ahead of the sessions that will need them. */
  prewarm: number
}

export type Config = { mode: 'help' } | { mode: 'version' } | ClientConfig | ServeConfig

/** The URL, if it is one that can be reached over HTTP. */
export function parseHttpUrl(text: string): URL | undefined {
  return /^https?:\/\//i.test(text) && URL.canParse(text) ? new URL(text) : undefined
}

/** The name of a server becomes one segment of a URL's path, encoded where it has to be. */
export function isServerName(name: string): boolean {
  // Of a lone surrogate there is no encoding, and dots are the URL's own.
  return !/^\.{0,2}$|\p{Surrogate}/u.test(name)
}

export function isHeaderName(name: string): boolean {
  return /^[\w!#$%&'*+.^`|~-]+$/.test(name)
}

export function isHeaderValue(value: string): boolean {
  return /^[\t\x20-\x7e\x80-\xff]*$/.test(value)
}

/** Of headers with one name the last counts. A user name in the URL yields to an explicit header. */
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
