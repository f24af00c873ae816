// Which URL is what.

/** What a path stands for, and for which server: `''` is the default one. */
export type Route =
  | { kind: 'mcp' | 'messages'; server: string }
  /** `endpoint` is where the stream's client posts to, relative to the path that it used. */
  | { kind: 'sse'; server: string; endpoint: string }
  | { kind: 'status' | 'healthz' | 'readyz' }

const general = new Set(['status', 'healthz', 'readyz'])

/**
 * Finds the route of a path. A slash at the end makes no difference, and nothing redirects.
 *
 * @param basePath what reverse proxies put before our paths; some strip it, some don't
 */
export function findRoute(pathname: string, basePath: string): Route | undefined {
  const path = pathname.startsWith(`${basePath}/`) ? pathname.slice(basePath.length) : pathname
  const [, prefix = '', name, kind = '', slash] =
    /^(\/servers\/([^/]+))?\/(mcp|sse|messages|status|healthz|readyz)(\/?)$/.exec(path) ?? []
  const server = decode(name ?? '')
  if (kind === '' || server === undefined) return undefined
  if (general.has(kind)) {
    return name === undefined ? { kind: kind as 'status' | 'healthz' | 'readyz' } : undefined
  }
  if (kind !== 'sse') return { kind: kind as 'mcp' | 'messages', server }
  // Told with a base path, the reference can be absolute. Otherwise a relative one survives any.
  const relative = slash === '' ? 'messages/' : '../messages/'
  const endpoint = basePath === '' ? relative : `${basePath}${prefix}/messages/`
  return { kind: 'sse', server, endpoint }
}

/** The path under which a server is reached, with a slash at the end. */
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
