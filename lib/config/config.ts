// The validated configuration: what the command line and the config file are made into. Its values have
// been checked, so the code that takes it checks nothing again.

import type { Limits } from '../limits.ts'

export type LogLevel = 'DEBUG' | 'INFO' | 'WARNING' | 'ERROR' | 'CRITICAL'

/** `auto`: Streamable HTTP, or HTTP+SSE for a server that refuses it. */
export type TransportName = 'auto' | 'sse' | 'streamablehttp'

/** A server that the proxy starts as a process. */
export interface ChildConfig {
  kind: 'command'
  command: string
  args: string[]
  /** The whole environment of the process: it inherits no other variable. */
  env: Record<string, string>
  /** The working directory, relative to the proxy's (default: the proxy's). */
  cwd?: string
}

/** A server that the proxy reaches over HTTP. */
export interface UrlConfig {
  kind: 'url'
  /** http: or https:. User name and password have been moved to `headers`. */
  url: URL
  /** Sent with each request. Names are unique without regard to case. May hold secrets: never log them. */
  headers: Record<string, string>
  transport: TransportName
}

export type ServerConfig = ChildConfig | UrlConfig

/** OAuth 2.0 client credentials, which the proxy exchanges for a token at `tokenUrl`. */
export interface OAuthConfig {
  clientId: string
  /** Never log it. */
  clientSecret: string
  tokenUrl: URL
}

/** The settings of both modes. */
export interface CommonConfig {
  /** Less severe messages are not logged (default: INFO). */
  logLevel: LogLevel
  /**
   * How to check the certificate of a server at a URL (default: true). A string is the path of a PEM
   * file whose certificates are trusted instead of the system's. `false` is dangerous: then anyone on
   * the network path can read and change the messages.
   */
  verify: boolean | string
  /** The path of a PEM file with certificates to trust as well (default: none). */
  ca?: string
  /** The path of a PEM file with the certificate to show to servers that ask for one (default: none). */
  cert?: string
  /** The path of a PEM file with the key of `cert`. Given together with `cert`, or not at all. */
  key?: string
  /** The file to write each message to (default: none). The file then holds every secret in them. */
  record?: string
  /** Lines for the log, about flags that have no effect or are deprecated. */
  warnings: string[]
}

/** The limits that have an effect in client mode. */
export type ClientLimits = Pick<
  Limits,
  'maxMessage' | 'connectTimeout' | 'closeTimeout' | 'drainTimeout' | 'restarts'
>

/** Client mode: the client is at stdin and stdout, the server at a URL. */
export interface ClientConfig extends CommonConfig {
  mode: 'client'
  server: UrlConfig
  oauth?: OAuthConfig
  limits: ClientLimits
}

/** Server mode: clients connect over HTTP, to one server or more. */
export interface ServeConfig extends CommonConfig {
  mode: 'server'
  /** The server at `/`. Without it there is at least one in `named`. */
  default?: ChildConfig
  /** The servers at `/servers/NAME/`. */
  named: Map<string, ServerConfig>
  /** The port to listen on (default: 0, any free port). */
  port: number
  /** The name or address to listen on, IPv6 without brackets (default: 127.0.0.1). */
  host: string
  /** Serves Streamable HTTP without sessions (default: false). */
  stateless: boolean
  /** All sessions share one process of each server (default: false). */
  shared: boolean
  /** The values of `Origin` to serve, as browsers send them (default: none). `*` serves any web page. */
  allowOrigins: string[]
  /** The response headers that web pages may read (default: Mcp-Session-Id). */
  exposeHeaders: string[]
  /** The values of `Host` to serve, lower-cased and without port (default: those that suit `host`). */
  allowHosts: string[]
  /** What precedes every path: '' (the default), or like '/tools', without a slash at the end. */
  basePath: string
  /** Paths of PEM files to serve HTTPS with (default: plain HTTP). */
  tls?: { cert: string; key: string }
  /** How many processes of each server to start before a session needs them (default: 0). */
  prewarm: number
  limits: Limits
}

export type Config = { mode: 'help' } | { mode: 'version' } | ClientConfig | ServeConfig
