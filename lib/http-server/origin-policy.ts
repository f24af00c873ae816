// Who may speak to the listener at all: no web page of a stranger, not even one whose host name was
// made to mean this machine; and the headers that tell browsers so.

import type { IncomingHttpHeaders, OutgoingHttpHeaders, ServerResponse } from 'node:http'
import { isIPv6 } from 'node:net'
import { ProxyError } from '../errors.ts'
import { sessionIdHeader } from '../protocol/headers.ts'

export interface OriginPolicyOptions {
  /** The address that is listened on. */
  host: string
  /** Origins whose pages may connect; `*` is any. */
  allowOrigins?: string[] | undefined
  /** Response headers that those pages may read (Mcp-Session-Id). */
  exposeHeaders?: string[] | undefined
  /** Values of `Host` that are served (loopback names on a loopback address, any otherwise). */
  allowHosts?: string[] | undefined
}

const loopback = ['localhost', '127.0.0.1', '[::1]']

export class OriginPolicy {
  readonly #origins: Set<string>
  readonly #hosts: Set<string> | undefined
  readonly #exposed: string
  /** The last one that was found to be served. */
  #lastHost: string | undefined

  constructor({
    host,
    allowOrigins = [],
    allowHosts = [],
    exposeHeaders = []
  }: OriginPolicyOptions) {
    this.#origins = new Set(allowOrigins.map((origin) => origin.toLowerCase()))
    this.#exposed = (exposeHeaders.length > 0 ? exposeHeaders : [sessionIdHeader]).join(', ')
    const isLocal = host === '::1' || host === 'localhost' || host.startsWith('127.')
    if (isLocal) this.#hosts = new Set([...loopback, host, ...allowHosts].map(normalHost))
    else if (allowHosts.length > 0) this.#hosts = new Set(allowHosts.map(normalHost))
  }

  /**
   * Looks at `Host` and `Origin` (2025-11-25, Transports, Security Warning).
   *
   * @throws ProxyError `ERR_FORBIDDEN`
   */
  check({ host = '', origin }: IncomingHttpHeaders): void {
    if (host !== this.#lastHost) this.#checkHost(host)
    if (origin === undefined || this.#allows(origin)) return
    // A page of our own: whatever name it came under has passed the check above.
    if (this.#hosts !== undefined && hostOf(origin) === host.toLowerCase()) return
    throw new ProxyError(
      'ERR_FORBIDDEN',
      `the origin "${origin}" is not served (see --allow-origin)`
    )
  }

  /** Sets the headers of every response, for the page that asked (CORS). */
  setHeaders(asked: IncomingHttpHeaders, response: ServerResponse): void {
    if (this.#origins.size === 0) return
    for (const [name, value] of Object.entries(this.headers(asked))) {
      response.setHeader(name, value as string)
    }
  }

  /** The headers of every response, for the page that asked (CORS). */
  headers({ origin }: IncomingHttpHeaders): OutgoingHttpHeaders {
    if (this.#origins.size === 0) return {}
    if (origin === undefined || !this.#allows(origin)) return { vary: 'Origin' }
    return {
      vary: 'Origin',
      'access-control-allow-origin': this.#origins.has('*') ? '*' : origin,
      'access-control-expose-headers': this.#exposed
    }
  }

  // Nearly all requests name the same one.
  #checkHost(host: string): void {
    if (this.#hosts !== undefined && !this.#hosts.has(normalHost(host))) {
      throw new ProxyError('ERR_FORBIDDEN', `the host "${host}" is not served (see --allow-host)`)
    }
    this.#lastHost = host
  }

  /** The headers that answer a browser that asks before it sends (preflight). */
  preflight(headers: IncomingHttpHeaders): OutgoingHttpHeaders {
    return {
      ...this.headers(headers),
      'access-control-allow-methods': 'GET, POST, DELETE, OPTIONS',
      'access-control-allow-headers': headers['access-control-request-headers'] ?? '*',
      'access-control-max-age': '86400'
    }
  }

  #allows(origin: string): boolean {
    return this.#origins.has('*') || this.#origins.has(origin.toLowerCase())
  }
}

// Without the port, which is not what an attacker would have to make up.
const normalHost = (host: string): string =>
  isIPv6(host) ? `[${host.toLowerCase()}]` : host.toLowerCase().replace(/:\d*$/, '')

const hostOf = (origin: string): string => (URL.canParse(origin) ? new URL(origin).host : '')
