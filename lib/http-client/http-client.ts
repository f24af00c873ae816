// The HTTP client of a transport: sends requests to one server, each with the configured headers and a
// token, and pauses or resumes all responses at once.

import type { Dispatcher } from 'undici'
import type { TokenSource } from './auth/token-source.ts'
import { createAgent } from './connections/agent.ts'
import type { AgentOptions } from './connections/agent.ts'
import { HttpExchange } from './http-exchange.ts'
import type { ExchangeOwner, HttpRequest, ResponseHandler } from './http-exchange.ts'

export interface HttpClientOptions extends Omit<AgentOptions, 'origin'> {
  url: URL
  /**
   * Sent with every request (default: none). The headers that the protocol needs override them. Over
   * `http:` anybody on the way can read them.
   */
  headers?: Record<string, string> | undefined
  /** Gives the token for the header `Authorization` (default: no token). */
  tokens?: TokenSource | undefined
}

export class HttpClient implements ExchangeOwner {
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
    // Lower-cased, so that a request's own headers override the configured ones.
    for (const [name, value] of Object.entries(options.headers ?? {})) {
      this.#headers[name.toLowerCase()] = value
    }
  }

  /** The URL without user, password and query, which may hold secrets. */
  get name(): string {
    return this.url.origin + this.url.pathname
  }

  send(request: HttpRequest, handler: ResponseHandler): HttpExchange {
    const exchange = new HttpExchange(this, request, handler)
    this.#exchanges.add(exchange)
    void this.start(exchange)
    return exchange
  }

  /** Stops reading all responses, and those that begin later. */
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
      () => {} // there is no agent: each exchange has failed with the reason
    )
  }

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

  exchangeOnEnd(exchange: HttpExchange): void {
    this.#exchanges.delete(exchange)
  }
}
