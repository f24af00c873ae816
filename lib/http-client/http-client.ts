// The HTTP client of a transport. It sends requests to one server, and adds the configured headers
// and a token to each. It can pause and resume the reading of all responses together.

import type { Dispatcher } from 'undici'
import { moveToHeaders } from '../message/trace-context.ts'
import { userAgent } from '../version.ts'
import type { Credentials } from './auth/credentials.ts'
import { createAgent } from './connections/agent.ts'
import type { AgentOptions } from './connections/agent.ts'
import { CookieJar } from './connections/cookies.ts'
import { targetOf } from './connections/target.ts'
import type { Target } from './connections/target.ts'
import { HttpExchange } from './http-exchange.ts'
import type { ExchangeOwner, HttpRequest, ResponseHandler } from './http-exchange.ts'

export interface HttpClientOptions extends Omit<AgentOptions, 'origin' | 'lookup'> {
  url: URL
  /**
   * The headers to send with every request (default: none). They override `User-Agent` and
   * `Accept-Encoding`. The headers of the protocol override them. With `http:`, anybody on the
   * network path can read them.
   */
  headers?: Record<string, string> | undefined
  /**
   * Moves the trace context in `params._meta` of each message to the headers of its POST (default false).
   */
  moveTraceContext?: boolean | undefined
  /** Gives the header `Authorization` of each request (default: only that of `headers`). */
  credentials?: Credentials | undefined
  /** The cookies of earlier clients of the same user (default: none). */
  cookies?: CookieJar | undefined
}

export class HttpClient implements ExchangeOwner {
  readonly url: URL
  readonly target: Target
  readonly cookies: CookieJar
  paused = false
  readonly exchangeOnFault: (cause: unknown) => void
  readonly #options: HttpClientOptions
  /** The headers of every request. */
  readonly #headers: Record<string, string> = {
    'user-agent': userAgent,
    'accept-encoding': 'identity'
  }
  readonly #entries: [string, string][]
  /** How many requests wait for credentials. A person may have to sign in. */
  #authorizing = 0
  #authorizedAt = -Infinity
  readonly #exchanges = new Set<HttpExchange>()
  #agent: Promise<Dispatcher> | undefined
  readonly #abort = new AbortController()

  /** @param onFault called with an exception of a handler that nothing else has caught */
  constructor(options: HttpClientOptions, onFault: (cause: unknown) => void) {
    this.exchangeOnFault = onFault
    this.url = options.url
    this.target = targetOf(options.url)
    this.cookies = options.cookies ?? new CookieJar()
    this.#options = options
    // The names become lower-case, so that the headers of a request override the configured
    // headers.
    for (const [name, value] of Object.entries(options.headers ?? {})) {
      this.#headers[name.toLowerCase()] = value
    }
    this.#entries = Object.entries(this.#headers)
  }

  /**
   * The URL as logs and errors show it. User, password and query are removed because they may be
   * secret.
   */
  get name(): string {
    return this.url.origin + this.url.pathname
  }

  send(request: HttpRequest, handler: ResponseHandler): HttpExchange {
    const exchange = new HttpExchange(this, this.#traced(request), handler)
    this.#exchanges.add(exchange)
    void this.start(exchange)
    return exchange
  }

  #traced(request: HttpRequest): HttpRequest {
    if (this.#options.moveTraceContext !== true || request.body === undefined) return request
    const { bytes, headers } = moveToHeaders(request.body)
    return { ...request, headers: { ...request.headers, ...headers }, body: bytes }
  }

  /** Stops the reading of all responses, also of responses that begin later. */
  pause(): void {
    this.paused = true
    for (const exchange of this.#exchanges) exchange.pause()
  }

  resume(): void {
    if (!this.paused) return
    this.paused = false
    for (const exchange of this.#exchanges) exchange.resume()
  }

  /** Aborts all exchanges and closes the connections. */
  async destroy(): Promise<void> {
    this.#abort.abort()
    for (const exchange of this.#exchanges) exchange.abort()
    await this.#agent?.then(
      (agent) => agent.destroy(),
      () => {} // no agent was created, so there is nothing to destroy
    )
  }

  async start(exchange: HttpExchange): Promise<void> {
    try {
      const agent = await (this.#agent ??= createAgent({ ...this.#options, origin: this.url }))
      let { headers } = exchange.request
      const { credentials } = this.#options
      if (this.cookies.isUsed) {
        const cookies = await this.cookies.header(exchange.url)
        // The user may have given a cookie too.
        const given = headers.cookie ?? this.#headers.cookie
        const cookie = [given ?? [], cookies ?? []].flat().join('; ')
        if (cookie !== '') headers = { ...headers, cookie }
      }
      if (credentials !== undefined) {
        const { request, url } = exchange
        const subject = { method: request.method, url }
        const given = credentials.authorize(subject, this.#abort.signal)
        const isReady = given === undefined || typeof given === 'string'
        const authorization = isReady ? given : await this.#whenAuthorized(given)
        if (authorization !== undefined) headers = { ...headers, authorization }
      }
      exchange.authorization = headers.authorization ?? this.#headers.authorization
      if (!exchange.ended) exchange.dispatch(agent, this.#listOf(headers), credentials)
    } catch (error) {
      exchange.fail(error)
    }
  }

  /**
   * Returns the names and values of all headers of a request, one after the other. V8 would need 17,000
   * instructions to make one object of two.
   *
   * @param own override the headers of every request
   */
  #listOf(own: Record<string, string>): string[] {
    const list: string[] = []
    for (const [name, value] of this.#entries) if (!Object.hasOwn(own, name)) list.push(name, value)
    for (const name in own) list.push(name, own[name] as string)
    return list
  }

  /**
   * How long no request has waited for a sign-in, in ms. Meanwhile the server had no request, so it
   * could not answer.
   */
  sinceSignIn(): number {
    return this.#authorizing > 0 ? 0 : now() - this.#authorizedAt
  }

  async #whenAuthorized(given: Promise<string | undefined>): Promise<string | undefined> {
    const begun = now()
    this.#authorizing++
    try {
      return await given
    } finally {
      this.#authorizing--
      // A token that is there already gives the server no more time.
      if (now() - begun > 100) this.#authorizedAt = now()
    }
  }

  exchangeOnEnd(exchange: HttpExchange): void {
    this.#exchanges.delete(exchange)
  }
}

/** A time in ms. `performance.now` loads node:perf_hooks, for which the first request would wait. */
function now(): number {
  const [seconds, nanoseconds] = process.hrtime()
  return seconds * 1000 + nanoseconds / 1e6
}
