// One HTTP request and its response. The response comes in pieces, and reading can be paused.
//
// A redirect within the origin, or a token that the server refuses, leads to the same request again:
// the exchange skips that response and asks its client to dispatch it anew.

import type { IncomingHttpHeaders } from 'node:http'
import type { Dispatcher } from 'undici'
import { ProxyError } from '../errors.ts'
import { isRedirect, maxRedirects, mayFollow, redirectError, redirectTarget } from './redirects.ts'

/** The description of a request. */
export interface HttpRequest {
  method: 'GET' | 'POST' | 'DELETE'
  /** Where to send it (default: the client's URL). */
  url?: URL | undefined
  headers: Record<string, string>
  body?: Buffer | undefined
  /** Milliseconds until the response must begin (0 or none: no limit). */
  timeout?: number | undefined
}

/** Gets the response. Nothing follows `onEnd` or `onError`. */
export interface ResponseHandler {
  onHeaders(status: number, headers: IncomingHttpHeaders): void
  onData(chunk: Buffer): void
  onEnd(): void
  /** The request failed, or the connection broke in the middle of the response. Not after `abort`. */
  onError(error: ProxyError): void
}

/** The client, as its exchanges see it. */
export interface ExchangeOwner {
  readonly url: URL
  /** The URL as errors show it. */
  readonly name: string
  readonly paused: boolean
  /** Dispatches the exchange, for the first time or again. */
  start(exchange: HttpExchange): Promise<void>
  /** The exchange ended, failed or was aborted. */
  exchangeOnEnd(exchange: HttpExchange): void
}

export class HttpExchange implements Dispatcher.DispatchHandler {
  readonly request: HttpRequest
  /** Where the request goes: after a redirect, its target. */
  url: URL
  ended = false
  readonly #owner: ExchangeOwner
  readonly #handler: ResponseHandler
  /** Reports that the server refused the token. Undefined without a token. */
  #refuseToken: (() => void) | undefined
  #controller: Dispatcher.DispatchController | undefined
  #redirects = 0
  #refusedToken = false
  /** The response under way is skipped, and the request repeated after it. */
  #repeats = false

  constructor(owner: ExchangeOwner, request: HttpRequest, handler: ResponseHandler) {
    this.#owner = owner
    this.request = request
    this.#handler = handler
    this.url = request.url ?? owner.url
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

  /** Ends the exchange. Its handler hears nothing more. */
  abort(): void {
    this.#end()
    this.#controller?.abort(new ProxyError('ERR_CLOSED', 'aborted'))
  }

  fail(cause: unknown): void {
    if (this.ended) return
    this.#end()
    this.#handler.onError(cause instanceof ProxyError ? cause : this.#connectionError(cause))
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
    if (status < 200) return // the final response follows
    if (this.#owner.paused) this.pause()
    if (status === 401 && this.#refuseToken !== undefined && !this.#refusedToken) {
      this.#refuseToken()
      this.#refusedToken = true
      this.#repeats = true
    } else if (isRedirect(status, headers)) {
      this.#redirect(status, headers.location as string)
    }
    if (!this.#repeats && !this.ended) this.#handler.onHeaders(status, headers)
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (!this.#repeats) this.#handler.onData(chunk)
  }

  onResponseEnd(): void {
    if (this.#repeats) {
      this.#repeats = false
      void this.#owner.start(this)
      return
    }
    this.#end()
    try {
      this.#handler.onEnd()
    } catch (cause) {
      // undici ignores exceptions at the end of a response, and the request would wait for ever.
      const message = `cannot handle the response of ${this.#owner.name}`
      this.#handler.onError(new ProxyError('ERR_HTTP_ANSWER', message, { cause }))
    }
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.fail(error)
  }

  #connectionError(cause: unknown): ProxyError {
    const { name } = this.#owner
    if ((cause as NodeJS.ErrnoException).code !== 'UND_ERR_HEADERS_TIMEOUT') {
      return new ProxyError('ERR_CONNECTION', `cannot reach ${name}`, { cause })
    }
    const message = `${name} did not answer in time (see --connect-timeout)`
    return new ProxyError('ERR_TIMEOUT', message)
  }

  #end(): void {
    this.ended = true
    this.#owner.exchangeOnEnd(this)
  }

  #redirect(status: number, location: string): void {
    const target = redirectTarget(location, this.url)
    const follows = mayFollow(target, this.url, status, this.request.method)
    if (target !== undefined && follows && ++this.#redirects <= maxRedirects) {
      this.url = target
      this.#repeats = true
      return
    }
    this.abort()
    this.#handler.onError(redirectError(this.#owner.name, target, status))
  }
}
