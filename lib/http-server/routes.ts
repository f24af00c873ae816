// The paths that the listener serves, and what each leads to.

/** What a path leads to. */
export interface Route {
  kind: 'mcp' | 'sse' | 'messages' | 'status' | 'healthz' | 'readyz' | 'nowhere'
  /** The name of the server: `''` is the default server. Always `''` where no server is meant. */
  server: string
  /** `sse` only: where the client sends its POSTs, relative to the path of the GET. */
  endpoint: string
}

export const nowhere: Route = { kind: 'nowhere', server: '', endpoint: '' }

/** Whether a route leads to a server. The others are about the proxy itself. */
export const leadsToServer = ({ kind }: Route): boolean =>
  kind === 'mcp' || kind === 'sse' || kind === 'messages'

/**
 * Finds the route of a path. A slash at the end makes no difference, so nothing has to redirect.
 *
 * @param basePath the prefix of our paths at a reverse proxy. Some reverse proxies strip it and some
 * do not, so both forms work.
 */
export function findRoute(pathname: string, basePath: string): Route {
  const path = pathname.startsWith(`${basePath}/`) ? pathname.slice(basePath.length) : pathname
  const match = /^(\/servers\/([^/]+))?\/(mcp|sse|messages|status|healthz|readyz)(\/?)$/.exec(path)
  if (match === null) return nowhere
  const [, prefix = '', name, word, slash] = match
  const kind = word as Route['kind']
  const server = decode(name ?? '')
  if (server === undefined) return nowhere
  const route = { kind, server, endpoint: '' }
  if (name !== undefined && !leadsToServer(route)) return nowhere
  if (kind !== 'sse') return route
  // A relative reference is right under any prefix. A base path that is known is right for clients
  // that resolve the reference against the host.
  const relative = slash === '' ? 'messages/' : '../messages/'
  const endpoint = basePath === '' ? relative : `${basePath}${prefix}/messages/`
  return { ...route, endpoint }
}

/** The path that all paths of a server begin with. It ends with a slash. */
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
