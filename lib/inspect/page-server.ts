// The HTTP server of the traffic page. It serves the page and the event stream with the entries, and only
// to a browser that has opened the URL with the token.
//
// - The token is good for one browser. It becomes a cookie that no script can read and no other site can
//   send, and the log gets a URL with the next token.
// - A cookie is not bound to a port: the browser would also send it to other servers of this machine. So
//   the page has a random path, and the cookie is for this path only.
// - `Host` and `Origin` are checked: a page of another site could call this server, and with DNS
//   rebinding even read from it.
// - The page may run only the script that is in it, and load nothing.

import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { createServer } from 'node:http'
import type {
  IncomingHttpHeaders,
  IncomingMessage,
  OutgoingHttpHeaders,
  Server,
  ServerResponse
} from 'node:http'
import { isIP } from 'node:net'
import type { AddressInfo } from 'node:net'
import { ProxyError } from '../errors.ts'
import { isLoopback } from '../http-server/origin-policy.ts'
import { writeHead } from '../http-server/write-head.ts'
import type { Log } from '../log.ts'
import type { Hello } from './entries.ts'
import { PageStream } from './page-stream.ts'
import type { Traffic } from './traffic.ts'

export interface PageServerOptions {
  host: string
  port: number
  traffic: Traffic
  /** The page: one HTML file with one script and one style. */
  page: string
  hello: () => Hello
  /** Gets the URL that opens the page. */
  log: Log
}

/** How many pages may be open. */
export const maxPages = 8
/** How many connections may be open. A page has one for its events, and few others for a short time. */
const maxConnections = 64

export class PageServer {
  readonly #options: PageServerOptions
  readonly #server: Server
  /** It is part of the path, so other servers of this machine do not get the cookie. */
  readonly #path = `/${randomBytes(16).toString('hex')}/`
  readonly #cookies = new Set<string>()
  readonly #headers: OutgoingHttpHeaders
  #token = makeSecret()
  #pages = 0

  private constructor(options: PageServerOptions) {
    this.#options = options
    this.#headers = headersOf(options.page)
    this.#server = createServer((request, response) => this.#onRequest(request, response))
    this.#server.maxConnections = maxConnections
  }

  /** @throws ProxyError `ERR_LISTEN` if the address cannot be used */
  static async listen(options: PageServerOptions): Promise<PageServer> {
    const server = new PageServer(options)
    await server.#listen()
    return server
  }

  /** The URL that opens the page in one browser. */
  get url(): string {
    const { address, port } = this.#server.address() as AddressInfo
    const { host } = this.#options
    // A browser on this machine cannot open http://0.0.0.0.
    const name = isAny(address) ? '127.0.0.1' : isIP(host) === 6 ? `[${host}]` : host
    return `http://${name}:${port}${this.#path}?token=${this.#token}`
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve())
      this.#server.closeAllConnections()
    })
  }

  #listen(): Promise<void> {
    const { host, port } = this.#options
    return new Promise((resolve, reject) => {
      this.#server.once('error', (cause: NodeJS.ErrnoException) => {
        const reason =
          cause.code === 'EADDRINUSE' ? 'the port is taken' : 'the address is not usable'
        const message = `--inspect: cannot listen on ${host}:${port}: ${reason}`
        reject(new ProxyError('ERR_LISTEN', message, { cause }))
      })
      this.#server.listen(port, host, () => {
        const { address } = this.#server.address() as AddressInfo
        this.#options.log.info(`inspect: ${this.url}`)
        if (!isLoopback(address)) this.#options.log.warn(exposed)
        resolve()
      })
    })
  }

  #onRequest(request: IncomingMessage, response: ServerResponse): void {
    const { method, headers, url = '' } = request
    if (!isFromHere(headers, this.#options.host)) {
      return this.#refuse(response, 403, 'This host or origin is not served.')
    }
    if (method !== 'GET') return this.#refuse(response, 405, 'Only GET is served.')
    const [path, query = ''] = url.split('?')
    const token = new URLSearchParams(query).get('token')
    const isPage = path === this.#path
    if (isPage && token !== null && isSame(token, this.#token)) return this.#open(response)
    if (!this.#hasCookie(headers.cookie)) {
      return this.#refuse(response, 403, token === null ? askForUrl : usedUp)
    }
    if (isPage) this.#servePage(response)
    else if (path === `${this.#path}events`) this.#stream(headers, response)
    else this.#refuse(response, 404, 'There is nothing here.')
  }

  /** Gives the browser a cookie for the token, and makes the next token. */
  #open(response: ServerResponse): void {
    const cookie = makeSecret()
    this.#cookies.add(cookie)
    this.#token = makeSecret()
    this.#options.log.info(`inspect: opened in a browser; for another one: ${this.url}`)
    const value = `${cookieName}=${cookie}; Path=${this.#path}; HttpOnly; SameSite=Strict`
    this.#servePage(response, { 'set-cookie': value })
  }

  #servePage(response: ServerResponse, headers: OutgoingHttpHeaders = {}): void {
    const type = { 'content-type': 'text/html; charset=utf-8' }
    writeHead(response, 200, { ...this.#headers, ...type, ...headers }).end(this.#options.page)
  }

  #stream(headers: IncomingHttpHeaders, response: ServerResponse): void {
    if (this.#pages === maxPages) {
      return this.#refuse(response, 503, `${maxPages} pages are open, which is the limit.`)
    }
    this.#pages++
    response.once('close', () => this.#pages--)
    for (const [name, value] of Object.entries(this.#headers)) {
      response.setHeader(name, value as string)
    }
    const next = Number(headers['last-event-id'])
    const { traffic, hello } = this.#options
    const isNumber = Number.isSafeInteger(next) && next >= 0 && next <= traffic.ring.end
    new PageStream(response, traffic, hello(), isNumber ? next : 0)
  }

  #hasCookie(header = ''): boolean {
    return header.split(/; */).some((pair) => {
      const [name, value = ''] = pair.split('=')
      return name === cookieName && this.#cookies.has(value)
    })
  }

  #refuse(response: ServerResponse, status: number, text: string): void {
    const type = { 'content-type': 'text/plain; charset=utf-8' }
    writeHead(response, status, { ...this.#headers, ...type }).end(`${text}\n`)
  }
}

const cookieName = 'mcp-proxy-inspect'

const askForUrl = 'Open the URL that the proxy has printed last.'
const usedUp = 'This URL was used already. Open the URL that the proxy has printed last.'
const exposed =
  'inspect: the traffic page is not encrypted, and other machines can reach it; a tunnel (ssh -L) is safer'

/**
 * Whether a browser sends the request for the page of this server, or for its user. DNS rebinding needs a
 * name, so each address is right, and the names of this machine.
 *
 * @param name the host that the server listens on
 */
function isFromHere(headers: IncomingHttpHeaders, name: string): boolean {
  const { host = '', origin, 'sec-fetch-site': site, 'sec-fetch-mode': mode } = headers
  const hostname = host.toLowerCase().replace(/:\d*$/, '')
  const isAddress = isIP(hostname.replace(/^\[(.*)\]$/, '$1')) !== 0
  if (!isAddress && hostname !== 'localhost' && hostname !== name.toLowerCase()) return false
  if (origin !== undefined) return origin === `http://${host}`
  // Someone may open the URL in another page, such as one that shows the log.
  return mode === 'navigate' || ownSites.includes(site)
}

const ownSites: readonly unknown[] = [undefined, 'none', 'same-origin']

const makeSecret = (): string => randomBytes(24).toString('base64url')

function isSame(given: string, secret: string): boolean {
  const [one, other] = [given, secret].map((text) => createHash('sha256').update(text).digest())
  return timingSafeEqual(one as Buffer, other as Buffer)
}

/** Returns the headers of all responses. The page may run its own script and style, and nothing else. */
function headersOf(page: string): OutgoingHttpHeaders {
  const hashOf = (tag: string): string => {
    const [, text = ''] = new RegExp(`<${tag}>([^]*?)</${tag}>`).exec(page) ?? []
    return `'sha256-${createHash('sha256').update(text).digest('base64')}'`
  }
  const policy = {
    'default-src': "'none'",
    'script-src': hashOf('script'),
    'style-src': hashOf('style'),
    'connect-src': "'self'",
    'img-src': 'data:',
    'base-uri': "'none'",
    'form-action': "'none'",
    'frame-ancestors': "'none'",
    'require-trusted-types-for': "'script'",
    'trusted-types': "'none'"
  }
  return {
    'content-security-policy': Object.entries(policy)
      .map(([name, value]) => `${name} ${value}`)
      .join('; '),
    'cache-control': 'no-store',
    'referrer-policy': 'no-referrer',
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-resource-policy': 'same-origin'
  }
}
const isAny = (address: string): boolean => address === '0.0.0.0' || address === '::'
