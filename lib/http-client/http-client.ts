// HTTP as the transports to servers use it: requests whose answers come in pieces and can be paused,
// with the caller's headers, a token where there is authorization, and redirects within the origin.

import type { IncomingHttpHeaders } from 'node:http'
import type { Dispatcher } from 'undici'
import { HttpStatusError, ProxyError } from '../errors.ts'
import { ServerGoneError } from '../streams/fail-after-reading.ts'
import { createAgent } from './agent.ts'
import type { AgentOptions } from './agent.ts'
import type { TokenSource } from './auth/client-credentials.ts'

export interface HttpClientOptions extends Omit<AgentOptions, 'origin'> {
  url: URL
  /** Sent with every request. */
  headers?: Record<string, string> | undefined
  /** Where the token for `Authorization` comes from. */
  tokens?: TokenSource | undefined
}

export interface HttpRequest {
  method: 'GET' | 'POST' | 'DELETE'
  /** Where to, if not to the client's own URL. */
  url?: URL | undefined
  headers: Record<string, string>
  body?: Buffer | undefined
  /** Milliseconds until the answer must begin (0: any). */
  timeout?: number | undefined
}

/** What becomes of a request. After `onEnd` or `onError` nothing follows. */
export interface ReplyHandler {
  onReply(status: number, headers: IncomingHttpHeaders): void
  onData(chunk: Buffer): void
  onEnd(): void
  /** The request failed, or its answer was cut off. Not called after `abort`. */
  onError(error: ProxyError): void
}

const maxRedirects = 5

export class HttpClient {
  readonly url: URL
  paused = false
  readonly #options: HttpClientOptions
  readonly #headers: Record<string, string> = {}
  readonly #exchanges = new Set<HttpExchange>()
  #agent: Promise<Dispatcher> | undefined
  readonly #abort = new AbortController()

  constructor(options: HttpClientOptions) {
    this.url = options.url
    this.#options = options
    // In one spelling, so that what has to be said of a request takes the place of what is said of all.
    for (const [name, value] of Object.entries(options.headers ?? {})) {
      this.#headers[name.toLowerCase()] = value
    }
  }

  /** The URL without what may be secret in it. */
  get name(): string {
    return this.url.origin + this.url.pathname
  }

  send(request: HttpRequest, handler: ReplyHandler): HttpExchange {
    const exchange = new HttpExchange(this, request, handler, this.#exchanges)
    this.#exchanges.add(exchange)
    void this.start(exchange)
    return exchange
  }

  /** Holds all answers, those still to come included. */
  pause(): void {
    this.paused = true
    for (const exchange of this.#exchanges) exchange.pause()
  }

  resume(): void {
    if (!this.paused) return
    this.paused = false
    for (const exchange of this.#exchanges) exchange.resume()
  }

  /** Aborts what is under way and closes the connections. */
  async destroy(): Promise<void> {
    this.#abort.abort()
    for (const exchange of this.#exchanges) exchange.abort()
    await this.#agent?.then(
      (agent) => agent.destroy(),
      () => {} // there is none: whoever asked for it has been told
    )
  }

  /** Dispatches an exchange: anew, when it was redirected or its token refused. */
  async start(exchange: HttpExchange): Promise<void> {
    try {
      const agent = await (this.#agent ??= createAgent({ ...this.#options, origin: this.url }))
      const headers = { ...this.#headers, ...exchange.request.headers }
      const { tokens } = this.#options
      let refuseToken: (() => void) | undefined
      if (tokens !== undefined) {
        const token = await tokens.token(this.#abort.signal)
        headers.authorization = `Bearer ${token}`
        refuseToken = () => tokens.refused(token)
      }
      if (!exchange.ended) exchange.dispatch(agent, headers, refuseToken)
    } catch (error) {
      exchange.fail(error)
    }
  }
}

/** One request and its answer. */
export class HttpExchange implements Dispatcher.DispatchHandler {
  readonly request: HttpRequest
  /** Where it goes to: elsewhere than it was meant for, once it was redirected. */
  url: URL
  ended = false
  readonly #client: HttpClient
  readonly #handler: ReplyHandler
  readonly #exchanges: Set<HttpExchange>
  /** Tells that the token sent is no good, if one was. */
  #refuseToken: (() => void) | undefined
  #controller: Dispatcher.DispatchController | undefined
  #redirects = 0
  #tokenRefused = false
  /** The answer at hand is not for the handler: the request is made again when it has ended. */
  #again = false

  constructor(
    client: HttpClient,
    request: HttpRequest,
    handler: ReplyHandler,
    all: Set<HttpExchange>
  ) {
    this.#client = client
    this.request = request
    this.#handler = handler
    this.#exchanges = all
    this.url = request.url ?? client.url
  }

  dispatch(agent: Dispatcher, headers: Record<string, string>, refuseToken?: () => void): void {
    this.#refuseToken = refuseToken
    const { origin, pathname, search } = this.url
    const { method, body = null, timeout: headersTimeout = null } = this.request
    agent.dispatch({ origin, path: pathname + search, method, headers, body, headersTimeout }, this)
  }

  pause(): void {
    this.#controller?.pause()
  }

  resume(): void {
    if (this.#controller?.paused === true) this.#controller.resume()
  }

  /** Ends the exchange without another word to its handler. */
  abort(): void {
    this.#end()
    this.#controller?.abort(new ProxyError('ERR_CLOSED', 'aborted'))
  }

  fail(cause: unknown): void {
    if (this.ended) return
    this.#end()
    this.#handler.onError(cause instanceof ProxyError ? cause : this.#failure(cause))
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.ended) controller.abort(new ProxyError('ERR_CLOSED', 'aborted'))
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: IncomingHttpHeaders
  ): void {
    if (status < 200) return // the answer proper is still to come
    if (this.#client.paused) this.pause()
    if (status === 401 && this.#refuseToken !== undefined && !this.#tokenRefused) {
      this.#refuseToken()
      this.#tokenRefused = true
      this.#again = true
    } else if (status >= 301 && status <= 308 && status !== 304 && headers.location !== undefined) {
      this.#redirect(status, headers.location)
    }
    if (!this.#again && !this.ended) this.#handler.onReply(status, headers)
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (!this.#again) this.#handler.onData(chunk)
  }

  onResponseEnd(): void {
    if (this.#again) {
      this.#again = false
      void this.#client.start(this)
      return
    }
    this.#end()
    this.#handler.onEnd()
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.fail(error)
  }

  #failure(cause: unknown): ProxyError {
    const { name } = this.#client
    if ((cause as NodeJS.ErrnoException).code !== 'UND_ERR_HEADERS_TIMEOUT') {
      return new ProxyError('ERR_CONNECTION', `cannot reach ${name}`, { cause })
    }
    const message = `${name} did not answer in time (see --connect-timeout)`
    return new ProxyError('ERR_TIMEOUT', message)
  }

  #end(): void {
    this.ended = true
    this.#exchanges.delete(this)
  }

  // Some servers redirect /mcp to /mcp/. Elsewhere the headers must not go, secrets being in them.
  #redirect(status: number, location: string): void {
    const target = URL.canParse(location, this.url.href) ? new URL(location, this.url) : undefined
    const sameMethod = status === 307 || status === 308 || this.request.method === 'GET'
    if (target?.origin === this.url.origin && sameMethod && ++this.#redirects <= maxRedirects) {
      this.url = target
      this.#again = true
      return
    }
    const to = target === undefined ? 'nowhere' : target.origin + target.pathname
    const message = `${this.#client.name} redirects to ${to} (${status}): use that URL if you trust it`
    this.abort()
    this.#handler.onError(new ProxyError('ERR_HTTP_STATUS', message))
  }
}

export const isEventStream = (headers: IncomingHttpHeaders): boolean =>
  /^text\/event-stream\b/i.test(headers['content-type'] ?? '')

/** How much of a body that tells of a failure is looked at, in bytes. */
const maxExcerpt = 64 * 1024

/** The beginning of a body that tells of a failure. */
export class Excerpt {
  readonly #parts: Buffer[] = []
  #size = 0

  feed(chunk: Buffer): void {
    if (this.#size < maxExcerpt) this.#parts.push(chunk)
    this.#size += chunk.length
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#parts)
  }

  /** The error that says what the server answered instead of a message, as one line. */
  error(name: string, status: number): HttpStatusError {
    const said = this.bytes.toString().replace(/\s+/g, ' ').trim().slice(0, 200)
    return new HttpStatusError(`${name} answered ${status}${said && `: ${said}`}`, status)
  }
}

/** The server has forgotten the session. */
export class SessionUnknownError extends ServerGoneError {
  constructor(name: string) {
    super('ERR_SESSION_UNKNOWN', `${name} no longer knows the session`)
  }
}
