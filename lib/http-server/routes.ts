// The paths that the listener serves, and the route of each path. `RouteTable` knows which servers there
// are at the moment.

/** What the listener serves at a path. */
export interface Route {
  kind:
    | 'mcp'
    | 'sse'
    | 'messages'
    | 'status'
    | 'healthz'
    | 'readyz'
    | 'metrics'
    | 'metadata'
    | 'nowhere'
  /** The name of the server. `''` is the default server, or means that the path names no server. */
  server: string
  /**
   * For `sse`: the URL for the client's POSTs. It is an absolute path if the base path is known.
   * Otherwise it is relative to the URL of the GET.
   *
   * For `metadata`: the endpoint that the metadata is about, `mcp` or `sse`. `''` means the proxy as a
   * whole.
   */
  endpoint: string
}

export const nowhere: Route = { kind: 'nowhere', server: '', endpoint: '' }

const metricsRoute: Route = { kind: 'metrics', server: '', endpoint: '' }

const anyMessages: Route = { kind: 'messages', server: '', endpoint: '' }

/** Whether a route leads to a server. The other routes are about the proxy itself. */
export const leadsToServer = ({ kind }: Route): boolean =>
  kind === 'mcp' || kind === 'sse' || kind === 'messages'

/**
 * Whether a route never needs a token. Tools for monitoring have none, and a client without a token
 * reads in the metadata where to get one.
 */
export const isOpen = ({ kind }: Route): boolean =>
  kind === 'healthz' || kind === 'readyz' || kind === 'metadata'

/** The path of the metadata of the proxy as a whole (RFC 9728). The path of an endpoint follows it. */
export const wellKnownPath = '/.well-known/oauth-protected-resource'

export interface RouteTableOptions {
  basePath: string | undefined
  /** Where the metrics are. `undefined`: nowhere. */
  metricsPath: string | undefined
  /** The names of the servers. */
  servers: string[]
  /** Whether there is metadata that tells clients where to get a token. */
  hasMetadata: boolean
}

/** The routes of one listener. */
export class RouteTable {
  readonly #options: RouteTableOptions
  #servers: Set<string>
  /** The last path, kept with its route because nearly all requests have the same path. */
  #lastPath: string | undefined
  #lastRoute = nowhere

  constructor(options: RouteTableOptions) {
    this.#options = options
    this.#servers = new Set(options.servers)
  }

  setServers(servers: string[]): void {
    this.#servers = new Set(servers)
    this.#lastPath = undefined
  }

  /** Returns `nowhere` if there is nothing at the path. */
  find(pathname: string): Route {
    if (pathname === this.#lastPath) return this.#lastRoute
    const { basePath, metricsPath, hasMetadata } = this.#options
    const found = findRoute(pathname, basePath)
    const route = found === nowhere ? findMetrics(pathname, metricsPath, basePath) : found
    const { kind, server, endpoint } = route
    // A session of HTTP+SSE is found by its id at any path for its POSTs.
    const needsServer = kind === 'mcp' || kind === 'sse' || (kind === 'metadata' && endpoint !== '')
    if (needsServer && !this.#servers.has(server)) return nowhere
    if (kind === 'metadata' && !hasMetadata) return nowhere
    this.#lastPath = pathname
    this.#lastRoute = route
    return route
  }

  /**
   * Returns the route of a request to a server that was removed. The server goes on until the calls
   * that it had then have their responses.
   *
   * @param hasCalls whether the request may belong to such a call of this server
   */
  findEnding(pathname: string, hasCalls: (server: string) => boolean): Route {
    const route = findRoute(pathname, this.#options.basePath)
    return route.kind === 'mcp' && hasCalls(route.server) ? route : nowhere
  }

  /** Returns the common start of all paths of a server. It ends with a slash. */
  pathOf(server: string): string {
    return pathOf(server, this.#options.basePath ?? '')
  }
}

/**
 * Finds the route of the metrics, with and without the prefix, as `findRoute`.
 *
 * @param path where the metrics are. `undefined`: nowhere
 */
function findMetrics(pathname: string, path: string | undefined, basePath = ''): Route {
  if (path === undefined) return nowhere
  const asked = pathname.replace(/\/$/, '')
  return asked === path || asked === `${basePath}${path}` ? metricsRoute : nowhere
}

/**
 * Finds the route of a path. A slash at the end of the path is ignored, so no redirect is needed.
 *
 * @param basePath the prefix that a reverse proxy puts before our paths (`''`: none). Some reverse
 * proxies remove the prefix before they forward a request. So a path is found with and without the
 * prefix.
 */
export function findRoute(pathname: string, basePath?: string): Route {
  const isUnder = basePath !== undefined && pathname.startsWith(`${basePath}/`)
  const path = isUnder ? pathname.slice(basePath.length) : pathname
  if (path.startsWith(wellKnownPath))
    return metadataRoute(path.slice(wellKnownPath.length), basePath)
  // The name of a server may contain a slash, encoded as %2F or not. The last segment of the path
  // is never a part of the name.
  const match =
    /^(\/servers\/([^/]+(?:\/[^/]+)*))?\/(mcp|sse|messages|status|healthz|readyz)(\/?)$/.exec(path)
  // The query names the session, and the client may have resolved the endpoint in another way.
  if (match === null) return /\/messages\/?$/.test(path) ? anyMessages : nowhere
  const [, prefix = '', name, word, slash] = match
  const kind = word as Route['kind']
  const server = decode(name ?? '')
  if (server === undefined) return nowhere
  const route = { kind, server, endpoint: '' }
  if (name !== undefined && !leadsToServer(route)) return nowhere
  if (kind !== 'sse') return route
  // A relative URL is correct under any prefix. But some clients resolve it against the host only.
  const relative = slash === '' ? 'messages/' : '../messages/'
  const endpoint = basePath === undefined ? relative : `${basePath}${prefix}/messages/`
  return { ...route, endpoint }
}

/** @param path the path of the resource that the metadata is about, with or without the prefix */
function metadataRoute(path: string, basePath = ''): Route {
  if (path === '' || path === '/' || path.replace(/\/$/, '') === basePath) {
    return { kind: 'metadata', server: '', endpoint: '' }
  }
  const { kind, server } = path.startsWith('/') ? findRoute(path, basePath) : nowhere
  return kind === 'mcp' || kind === 'sse' ? { kind: 'metadata', server, endpoint: kind } : nowhere
}

/** Returns the common start of all paths of a server. It ends with a slash. */
export function pathOf(server: string, basePath: string): string {
  return server === '' ? `${basePath}/` : `${basePath}/servers/${encodeURIComponent(server)}/`
}

function decode(name: string): string | undefined {
  try {
    return decodeURIComponent(name)
  } catch {
    return undefined
  }
}
