// The origin policy decides by the headers `Host`, `Origin` and `Sec-Fetch-Site` which requests the
// listener serves. It also sets the CORS headers. Without this policy, any web page in the user's
// browser could call the servers on the user's machine. The page could send its requests to
// 127.0.0.1, or it could use DNS rebinding: the page's own host name then resolves to 127.0.0.1.

import type { IncomingHttpHeaders, OutgoingHttpHeaders, ServerResponse } from 'node:http'
import { BlockList, isIPv6 } from 'node:net'
import { ProxyError } from '../errors.ts'
import { sessionIdHeader } from '../protocol/headers.ts'
import { quote } from '../text.ts'

export interface OriginPolicyOptions {
  /** The configured host to listen on: a name or an address. */
  host: string
  /** The address that the socket is bound to. */
  address: string
  /**
   * The origins whose web pages may use the servers, such as `https://app.example.com` (default:
   * none). `*` allows every web page that a user of this machine opens.
   */
  allowOrigins?: string[] | undefined
  /** The response headers that pages of `allowOrigins` may read (default: `Mcp-Session-Id`). */
  exposeHeaders?: string[] | undefined
  /**
   * The values of the header `Host` to serve. A listener on a loopback address always serves the
   * names of that address too. Any other listener serves every `Host` if this list is empty.
   */
  allowHosts?: string[] | undefined
}

const loopbackNames = ['localhost', '127.0.0.1', '::1']

export class OriginPolicy {
  readonly #origins: Set<string>
  /** The hosts to serve. `undefined` means all hosts. */
  readonly #hosts: Set<string> | undefined
  readonly #exposed: string
  /** The last `Host` that passed the check. Nearly all requests have the same `Host`. */
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
   * Checks `Host` and `Origin` (2025-11-25, Transports, Security Warning). A browser sends no
   * `Origin` if a page embeds a URL, for example as an image. So the method also checks
   * `Sec-Fetch-Site`.
   *
   * @param isPublic whether web pages of every origin may send the request
   * @param forwarded the origin under which the client knows this listener, if a trusted proxy says so.
   *   A page of this origin may call if `allowHosts` has its host. `Host` must be right all the same:
   *   a page that resolves to a trusted address could send its own `X-Forwarded-Host`
   * @throws ProxyError `ERR_FORBIDDEN`
   */
  check(headers: IncomingHttpHeaders, isPublic = false, forwarded?: string): void {
    const { host = '', origin } = headers
    if (host !== this.#lastHost) this.#checkHost(host)
    if (isPublic) return
    if (origin === undefined) return checkSite(headers['sec-fetch-site'])
    if (this.#allows(origin)) return
    // The page has the same host as this listener, so the browser loaded the page from here.
    if (this.#hosts !== undefined && hostOf(origin) === host.toLowerCase()) return
    if (origin === forwarded && this.#hosts?.has(new URL(origin).hostname) === true) return
    const message = `the origin ${quote(origin)} is not served (see --allow-origin)`
    throw new ProxyError('ERR_FORBIDDEN', message)
  }

  /**
   * Sets the CORS headers of a response.
   *
   * @param isPublic whether web pages of every origin may read the response
   */
  setHeaders(asked: IncomingHttpHeaders, response: ServerResponse, isPublic = false): void {
    if (this.#origins.size === 0 && !isPublic) return
    for (const [name, value] of Object.entries(this.headers(asked, isPublic))) {
      response.setHeader(name, value as string)
    }
  }

  /** Returns the CORS headers of a response, given the headers of its request. */
  headers({ origin }: IncomingHttpHeaders, isPublic = false): OutgoingHttpHeaders {
    if (isPublic) return { 'access-control-allow-origin': '*' }
    if (this.#origins.size === 0) return {}
    if (origin === undefined || !this.#allows(origin)) return { vary: 'Origin' }
    return {
      vary: 'Origin',
      'access-control-allow-origin': this.#origins.has('*') ? '*' : origin,
      'access-control-expose-headers': this.#exposed
    }
  }

  /** Returns the headers for a preflight, the OPTIONS request that a browser sends first. */
  preflight(headers: IncomingHttpHeaders, isPublic = false): OutgoingHttpHeaders {
    return {
      ...this.headers(headers, isPublic),
      'access-control-allow-methods': 'GET, POST, DELETE, OPTIONS',
      'access-control-allow-headers': headers['access-control-request-headers'] ?? '*',
      'access-control-max-age': '86400'
    }
  }

  #checkHost(host: string): void {
    if (this.#hosts !== undefined && !this.#hosts.has(normalHost(host))) {
      const message = `the host ${quote(host)} is not served (see --allow-host)`
      throw new ProxyError('ERR_FORBIDDEN', message)
    }
    this.#lastHost = host
  }

  #allows(origin: string): boolean {
    return this.#origins.has('*') || this.#origins.has(origin.toLowerCase())
  }
}

/** `none` means that the user opened the URL. Programs other than browsers send no such header. */
const ownSites: readonly unknown[] = [undefined, 'none', 'same-origin']

function checkSite(site: string | string[] | undefined): void {
  if (ownSites.includes(site)) return
  const message = 'a web page of another origin sent this request (see --allow-origin)'
  throw new ProxyError('ERR_FORBIDDEN', message)
}

/** Whether only this machine can reach an address. `::ffff:127.0.0.1` also counts. */
export function isLoopback(address: string): boolean {
  const loopback = new BlockList()
  loopback.addSubnet('127.0.0.0', 8, 'ipv4')
  loopback.addAddress('::1', 'ipv6')
  return loopback.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')
}

/** Returns a host in lower case and without its port. An IPv6 address is written as in a URL. */
function normalHost(host: string): string {
  const name = isIPv6(host) ? `[${host}]` : host.toLowerCase().replace(/:\d*$/, '')
  const address = /^\[([^%]*)\]$/.exec(name)?.[1] ?? ''
  return isIPv6(address) ? new URL(`http://[${address}]`).hostname : name
}

const hostOf = (origin: string): string => (URL.canParse(origin) ? new URL(origin).host : '')
