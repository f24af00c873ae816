// Decides by the headers `Host` and `Origin` which requests the listener serves, and sets the CORS
// headers. Without it any web page could drive a server on the reader's own machine: directly, or by
// DNS rebinding, where a host name of the page's own is made to mean 127.0.0.1.

import type { IncomingHttpHeaders, OutgoingHttpHeaders, ServerResponse } from 'node:http'
import { BlockList, isIPv6 } from 'node:net'
import { ProxyError } from '../errors.ts'
import { sessionIdHeader } from '../protocol/headers.ts'

export interface OriginPolicyOptions {
  /** The host to listen on, as it was configured: a name or an address. */
  host: string
  /** The address that the socket is bound to. */
  address: string
  /**
   * Origins whose web pages may use the servers, such as `https://app.example.com` (default: none).
   * `*` allows every web page that a user of this machine opens.
   */
  allowOrigins?: string[] | undefined
  /** Response headers that those pages may read (default: `Mcp-Session-Id`). */
  exposeHeaders?: string[] | undefined
  /**
   * Values of `Host` to serve. By default a listener on a loopback address serves the names of that
   * address, to which these are added, and any other listener serves every `Host`.
   */
  allowHosts?: string[] | undefined
}

const loopbackNames = ['localhost', '127.0.0.1', '::1']

export class OriginPolicy {
  readonly #origins: Set<string>
  /** The hosts to serve. `undefined`: all. */
  readonly #hosts: Set<string> | undefined
  readonly #exposed: string
  /** The last `Host` that was served: nearly all requests have the same. */
  #lastHost: string | undefined

  constructor({
    host,
    address,
    allowOrigins = [],
    allowHosts = [],
    exposeHeaders = []
  }: OriginPolicyOptions) {
    this.#origins = new Set(allowOrigins.map((origin) => origin.toLowerCase()))
    this.#exposed = (exposeHeaders.length > 0 ? exposeHeaders : [sessionIdHeader]).join(', ')
    const own = isLoopback(address) ? [...loopbackNames, host, address] : []
    const hosts = [...own, ...allowHosts]
    if (hosts.length > 0) this.#hosts = new Set(hosts.map(normalHost))
  }

  /**
   * Checks `Host` and `Origin` (2025-11-25, Transports, Security Warning).
   *
   * @throws ProxyError `ERR_FORBIDDEN`
   */
  check({ host = '', origin }: IncomingHttpHeaders): void {
    if (host !== this.#lastHost) this.#checkHost(host)
    if (origin === undefined || this.#allows(origin)) return
    // The page came from this listener, under a name that has passed the check above.
    if (this.#hosts !== undefined && hostOf(origin) === host.toLowerCase()) return
    throw new ProxyError(
      'ERR_FORBIDDEN',
      `the origin "${origin}" is not served (see --allow-origin)`
    )
  }

  /** Sets the CORS headers of a response. */
  setHeaders(asked: IncomingHttpHeaders, response: ServerResponse): void {
    if (this.#origins.size === 0) return
    for (const [name, value] of Object.entries(this.headers(asked))) {
      response.setHeader(name, value as string)
    }
  }

  /** The CORS headers of every response, given the headers of its request. */
  headers({ origin }: IncomingHttpHeaders): OutgoingHttpHeaders {
    if (this.#origins.size === 0) return {}
    if (origin === undefined || !this.#allows(origin)) return { vary: 'Origin' }
    return {
      vary: 'Origin',
      'access-control-allow-origin': this.#origins.has('*') ? '*' : origin,
      'access-control-expose-headers': this.#exposed
    }
  }

  /** The headers of the response to a preflight: a browser's OPTIONS request before the real one. */
  preflight(headers: IncomingHttpHeaders): OutgoingHttpHeaders {
    return {
      ...this.headers(headers),
      'access-control-allow-methods': 'GET, POST, DELETE, OPTIONS',
      'access-control-allow-headers': headers['access-control-request-headers'] ?? '*',
      'access-control-max-age': '86400'
    }
  }

  #checkHost(host: string): void {
    if (this.#hosts !== undefined && !this.#hosts.has(normalHost(host))) {
      throw new ProxyError('ERR_FORBIDDEN', `the host "${host}" is not served (see --allow-host)`)
    }
    this.#lastHost = host
  }

  #allows(origin: string): boolean {
    return this.#origins.has('*') || this.#origins.has(origin.toLowerCase())
  }
}

/** Whether only this machine can reach an address. An IPv4 address may be mapped to IPv6. */
export function isLoopback(address: string): boolean {
  const loopback = new BlockList()
  loopback.addSubnet('127.0.0.0', 8, 'ipv4')
  loopback.addAddress('::1', 'ipv6')
  return loopback.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')
}

/** A host without its port, lower-cased, and an IPv6 address as URLs have it. */
function normalHost(host: string): string {
  const name = isIPv6(host) ? `[${host}]` : host.toLowerCase().replace(/:\d*$/, '')
  const address = /^\[([^%]*)\]$/.exec(name)?.[1] ?? ''
  return isIPv6(address) ? new URL(`http://[${address}]`).hostname : name
}

const hostOf = (origin: string): string => (URL.canParse(origin) ? new URL(origin).host : '')
