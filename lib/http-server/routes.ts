// The paths that the listener serves, and the route of each path.

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

/**
 * Finds the route of the metrics, with and without the prefix, as `findRoute`.
 *
 * @param path where the metrics are. `undefined`: nowhere
 */
export function findMetrics(pathname: string, path: string | undefined, basePath = ''): Route {
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
