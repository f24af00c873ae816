// The types of the configuration, which the proxy makes from the command line and the config file.
// All values in it are already checked, so other code does not check them again.

import type { Limits } from '../limits.ts'

/** `json`: each line of the log is a JSON object. */
export type LogFormat = 'text' | 'json'

export type LogLevel = 'DEBUG' | 'INFO' | 'WARNING' | 'ERROR' | 'CRITICAL'

/** `auto` means Streamable HTTP, or HTTP+SSE if the server refuses Streamable HTTP. */
export type TransportName = 'auto' | 'sse' | 'streamablehttp'

/** Which revisions a server speaks. `auto`: the proxy finds it out. */
export type EraSetting = 'auto' | 'legacy' | 'modern'

/** Whether the proxy translates between a client and a server of different eras. */
export type TranslateSetting = 'auto' | 'off'

/** The settings of one server that win over those of all servers. */
export interface EraConfig {
  era?: EraSetting
  translate?: TranslateSetting
}

/** Which names of a kind clients may use: patterns with `*` and `?`. `deny` wins over `allow`. */
export interface SelectionConfig {
  /** Default: all names. */
  allow?: string[]
  deny?: string[]
}

/** Which tools, prompts and resources of a server clients may use (default: all). */
export interface FilterConfig {
  tools?: SelectionConfig
  prompts?: SelectionConfig
  resources?: SelectionConfig
}

/** A server that the proxy starts as a process. */
export interface ChildConfig extends EraConfig, FilterConfig {
  kind: 'command'
  command: string
  args: string[]
  /** The complete environment of the process. The process inherits no other variable. */
  env: Record<string, string>
  /**
   * The working directory (default: that of the proxy). It may be relative to that of the proxy.
   */
  cwd?: string
}

/** A server that the proxy reaches over HTTP. */
export interface UrlConfig extends EraConfig, FilterConfig {
  kind: 'url'
  /** An http: or https: URL. The user name and password are not here, but in `headers`. */
  url: URL
  /**
   * The headers of each request. No two names differ only in upper and lower case. Never log them,
   * because they may hold secrets.
   */
  headers: Record<string, string>
  transport: TransportName
  /** How the proxy authenticates, if this server has its own settings for it. */
  credentials?: CredentialsConfig
}

export type ServerConfig = ChildConfig | UrlConfig

/** What proves the identity of an OAuth client. At most one member is set. */
export interface ProofConfig {
  /** The secret of the client. Never log it. */
  clientSecret?: string
  /** The path of a file with the secret. */
  clientSecretFile?: string
  /** The path of a file with the private key of the client, in PEM or as a JWK. */
  clientKey?: string
}

/** OAuth 2.0 client credentials, which the proxy exchanges for a token at `tokenUrl`. */
export interface OAuthConfig extends ProofConfig {
  kind: 'oauth'
  clientId: string
  tokenUrl: URL
}

/** A user name and a password. */
export interface LoginConfig {
  kind: 'login'
  username: string
  /** The password. Never log it. */
  password: string
  /** Whether to prove the password by Digest. If not, each request has it in the header (Basic). */
  digest: boolean
}

/** The proxy signs in if the server asks for it: with the credentials of the client, or with a person. */
export interface SignInConfig extends ProofConfig {
  kind: 'signIn'
  /** The id of a client that is registered already (default: the proxy registers itself). */
  clientId?: string
  /** The issuer of the authorization server that knows `clientId` (default: where it signs in first). */
  clientIssuer?: string
  /** Whether to sign in without a person (default: if the server offers nothing else). */
  clientCredentials?: boolean
  /** The https: URL of a document that describes the proxy as a client. */
  clientMetadataUrl?: string
  /** Whether to open the browser. If not, the proxy only prints the URL. */
  browser: boolean
  /** The loopback port for the browser's way back; 0 is any free port. */
  callbackPort: number
}

export type CredentialsConfig = OAuthConfig | LoginConfig | SignInConfig

/** An address to listen on. The port 0 is any free port. */
export interface AddressConfig {
  host: string
  port: number
}

/** Where the metrics are: at a path of the listener, or at an address of their own. */
export type MetricsConfig = { path: string } | AddressConfig

/** The settings of both modes. */
export interface CommonConfig {
  /** The log drops messages that are less severe than this level (default: INFO). */
  logLevel: LogLevel
  /** How a line of the log is written (default: text). */
  logFormat: LogFormat
  /** The file that gets the log (default: stderr gets it). */
  logFile?: string | undefined
  /**
   * How to check the certificate of a server at a URL (default: true). A string is the path of a
   * PEM file whose certificates are trusted instead of the system's. `false` is dangerous: then
   * anyone on the network path can read and change the messages.
   */
  verify: boolean | string
  /**
   * The path of a PEM file with certificates to trust in addition to the others (default: none).
   */
  ca?: string
  /**
   * The path of a PEM file with the client certificate, for servers that ask for it (default:
   * none).
   */
  cert?: string
  /** The path of a PEM file with the private key of `cert`. It is set only if `cert` is set. */
  key?: string
  /**
   * The file to write each message to (default: none). The file then holds the messages' secrets.
   */
  record?: string
  /** The file of the audit log (default: none). `-` is stdout, in server mode only. */
  audit?: string
  /** Whether the proxy makes spans of its calls, with `@opentelemetry/api` (default: false). */
  traces?: boolean
  /** `move`: the trace context moves between HTTP headers and `params._meta` (default: keep). */
  traceContext?: 'keep' | 'move'
  /** Where the proxy serves its metrics (default: nowhere). In client mode it is an address. */
  metrics?: MetricsConfig
  /** Where the proxy serves the traffic page (default: nowhere). */
  inspect?: AddressConfig
  /** The memory for the messages of the traffic page, in bytes. */
  inspectMemory: number
  /** Which revisions the servers speak (default: auto). */
  era: EraSetting
  /** Whether the proxy translates between eras (default: auto). */
  translate: TranslateSetting
  /** What clients may use of all servers (default: everything). Those of a server count too. */
  filter?: FilterConfig
  /** Warnings for the log: one line each, for example about flags without effect. */
  warnings: string[]
  /** Set for --check: the proxy reports faults and starts nothing. */
  check?: { /** The faults of the config file, one line each. */ faults: string[] }
}

/** The limits that have an effect in client mode. */
export type ClientLimits = Pick<
  Limits,
  | 'maxMessage'
  | 'connectTimeout'
  | 'closeTimeout'
  | 'drainTimeout'
  | 'maxRounds'
  | 'inputTimeout'
  | 'maxConnections'
  | 'maxGroupConnections'
  | 'loginTimeout'
>

/** The configuration of client mode: the client is at stdin and stdout, the server is at a URL. */
export interface ClientConfig extends CommonConfig {
  mode: 'client'
  server: UrlConfig
  credentials?: CredentialsConfig
  limits: ClientLimits
}

/** The OAuth issuers of the tokens of clients. */
export interface IssuerConfig {
  /** The URLs, as the issuers write them in their tokens. */
  issuers: string[]
  /** The audience of the tokens (default: the URL of the server). */
  audience?: string
  /** The scopes that a token needs, by the name of the server. */
  scopes: Record<string, string[]>
  introspection?: {
    url: URL
    /** The path of a file with the credentials of the proxy: `CLIENT_ID:SECRET`. */
    file?: string
    /** The credentials themselves. Never log them. */
    credentials?: string
  }
}

/** The configuration of server mode: clients connect over HTTP to one or more servers. */
export interface ServeConfig extends CommonConfig {
  mode: 'server'
  /** The server at `/mcp` and `/sse`. Without a default server, `named` has at least one server. */
  default?: ChildConfig
  /** The named servers. Clients reach them at `/servers/NAME/`. */
  named: Map<string, ServerConfig>
  /** The path of the config file with the named servers (default: none). */
  configFile?: string
  /** The faults of the config file, one text for each entry. These entries are left out. */
  faults?: string[]
  /** If true, the proxy reloads when one of its files has changed (default: false). */
  watch: boolean
  /** The port to listen on (default: 0, any free port). */
  port: number
  /** The name or address to listen on, IPv6 without brackets (default: 127.0.0.1). */
  host: string
  /** If true, the proxy serves Streamable HTTP without sessions (default: false). */
  stateless: boolean
  /** If true, all sessions share one process of each server (default: false). */
  shared: boolean
  /** The `Origin` headers to accept, as browsers send them (default: none). `*` accepts all. */
  allowOrigins: string[]
  /** The response headers that web pages may read (default: Mcp-Session-Id). */
  exposeHeaders: string[]
  /** The `Host` headers to accept, lower-case and without port (default: depends on `host`). */
  allowHosts: string[]
  /**
   * The path at which clients reach the proxy, without a slash at the end: '/tools', or '' for the
   * root (default: unknown).
   */
  basePath?: string | undefined
  /** The name of this proxy among its replicas (default: none). Session ids end with it. */
  replica?: string
  /** The paths of the PEM files for HTTPS (default: none, the proxy serves plain HTTP). */
  tls?: { cert: string; key: string }
  /** The URL at which clients reach the proxy, without a slash at the end (default: unknown). */
  publicUrl?: string
  /** The tokens of clients (default: none, clients need no token). At least one member is set. */
  auth?: {
    /** The path of a file with tokens. */
    file?: string
    /** One more token. Never log it. */
    token?: string
    /** The OAuth issuers whose tokens count too. */
    issuer?: IssuerConfig
  }
  /**
   * If true, the proxy does not start when callers from outside this machine could use the servers
   * without a token (default: false).
   */
  requireAuth: boolean
  /**
   * The addresses and ranges of the reverse proxies whose `X-Forwarded-` headers count (default: none).
   */
  trustProxy: string[]
  /** If true, requests are refused while the audit log cannot be written (default: false). */
  auditRequired: boolean
  /** How many processes of each server to start before a session needs them (default: 0). */
  prewarm: number
  limits: Limits & { maxCallerSessions?: number }
}

/** A subcommand for the tokens of a server. */
export interface SignInCommandConfig {
  mode: 'login' | 'logout'
  client: ClientConfig
}

/** The subcommand that shows a recording. */
export interface InspectCommandConfig {
  mode: 'inspect'
  /** The recording. */
  file: string
}

export type Config =
  | { mode: 'help' | 'version' | 'tokens' }
  | SignInCommandConfig
  | InspectCommandConfig
  | ClientConfig
  | ServeConfig
