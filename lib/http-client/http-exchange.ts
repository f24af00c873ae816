// One HTTP request and its response. The handler gets the response in chunks, decoded. The reading
// can be paused.
//
// The exchange sends its request again after a redirect within the origin, once after the server
// refused the credentials, and twice if they lacked a scope. It skips the first response and asks its
// client to dispatch the exchange again. A 401 can have another reason than missing credentials. If it
// has no `WWW-Authenticate`, the handler looks at its body first.

import type { IncomingHttpHeaders } from 'node:http'
import type { Dispatcher } from 'undici'
import { describe, ProxyError } from '../errors.ts'
import type { Credentials } from './auth/credentials.ts'
import { createDecoder } from './connections/decoder.ts'
import type { Decoder, DecoderOwner } from './connections/decoder.ts'
import type { CookieJar } from './connections/cookies.ts'
import { targetOf } from './connections/target.ts'
import type { Target } from './connections/target.ts'
import { isRedirect, maxRedirects, mayFollow, redirectError, redirectTarget } from './redirects.ts'

/**
 * The exchange waits at most this time (in ms) and reads at most this many bytes for the end of a
 * response that it skips. Then it closes the connection.
 */
const maxSkip = { time: 5000, bytes: 64 * 1024 }

/** How many times a request is sent again because its token lacked a scope. */
const maxStepUps = 2

/** The description of a request. */
export interface HttpRequest {
  method: 'GET' | 'POST' | 'DELETE'
  /** The URL to send the request to (default: the client's URL). */
  url?: URL | undefined
  headers: Record<string, string>
  body?: Buffer | undefined
  /** How long the server may take to begin the response, in milliseconds (0 or none: no limit). */
  timeout?: number | undefined
}

/** Receives the response. After `onEnd` or `onError` no other method is called. */
export interface ResponseHandler {
  onHeaders(status: number, headers: IncomingHttpHeaders): void
  onData(chunk: Buffer): void
  onEnd(): void
  /**
   * The request failed, or the connection broke during the response. Not called after `abort()`.
   */
  onError(error: ProxyError): void
  /**
   * Whether the body of a 401 without `WWW-Authenticate` gives a reason other than missing
   * credentials. The request is then not sent again. Without this method there is no such reason.
   */
  explains?(status: number, body: Buffer): boolean
}

/** The members of the client that an exchange uses. */
export interface ExchangeOwner {
  readonly url: URL
  /** The target of `url`. */
  readonly target: Target
  /** The URL as errors show it, without secrets. */
  readonly name: string
  readonly paused: boolean
  readonly cookies: CookieJar
  /** Sends the request of the exchange, for the first time or again. */
  start(exchange: HttpExchange): Promise<void>
  /** Called when the exchange has ended, has failed or was aborted. */
  exchangeOnEnd(exchange: HttpExchange): void
  /** The handler threw an exception when it was told about an error. */
  exchangeOnFault(cause: unknown): void
}

export class HttpExchange implements Dispatcher.DispatchHandler, DecoderOwner {
  readonly request: HttpRequest
  /** The URL of the request. After a redirect it is the target of the redirect. */
  url: URL
  /** The header `Authorization` of the request. It must be set before `dispatch`. */
  authorization: string | undefined
  ended = false
  readonly #owner: ExchangeOwner
  readonly #handler: ResponseHandler
  #credentials: Credentials | undefined
  #controller: Dispatcher.DispatchController | undefined
  #redirects = 0
  #refused = false
  /** How many times the server has refused the request because the token lacks a scope. */
  #insufficient = 0
  /**
   * True while the exchange skips a response. At the end of that response it sends the request
   * again.
   */
  #repeats = false
  #skipped = 0
  /** The 401 whose body the handler has to judge. Its chunks are kept instead of skipped. */
  #unexplained: { headers: IncomingHttpHeaders; chunks: Buffer[] } | undefined
  #status = 0
  /** The decoder of the body. Undefined if the response has no `Content-Encoding`. */
  #decoder: Decoder | undefined
  /** Whether the last byte of the response has arrived. */
  #received = false
  #timer: NodeJS.Timeout | undefined

  constructor(owner: ExchangeOwner, request: HttpRequest, handler: ResponseHandler) {
    this.#owner = owner
    this.request = request
    this.#handler = handler
    this.url = request.url ?? owner.url
  }

  /** @param headers names and values, one after the other */
  dispatch(agent: Dispatcher, headers: string[], credentials?: Credentials): void {
    this.#credentials = credentials
    const { url, target } = this.#owner
    const { origin, path } = this.url === url ? target : targetOf(this.url)
    const { method, body = null, timeout: headersTimeout = null } = this.request
    agent.dispatch({ origin, path, method, headers, body, headersTimeout }, this)
  }

  get name(): string {
    return this.#owner.name
  }

  pause(): void {
    this.#controller?.pause()
    this.#decoder?.pause()
  }

  resume(): void {
    this.#decoder?.resume()
    this.#resumeReading()
  }

  /** Ends the exchange. After this, no method of the handler is called. */
  abort(): void {
    this.#end()
    this.#decoder?.destroy()
    this.#controller?.abort(new ProxyError('ERR_CLOSED', 'aborted'))
  }

  fail(cause: unknown): void {
    if (this.ended) return
    this.#end()
    this.#tell(cause instanceof ProxyError ? cause : this.#connectionError(cause))
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
    if (status < 200) return // an interim response: the final one comes later
    this.#status = status
    const cookies = headers['set-cookie']
    if (cookies !== undefined) this.#owner.cookies.store(this.url, cookies)
    this.#decoder = createDecoder(headers, this)
    if (this.#owner.paused) this.pause()
    if (this.#mayExplain(status, headers)) {
      this.#unexplained = { headers, chunks: [] }
      this.#repeats = true
    } else if (this.#credentials !== undefined && (status === 401 || status === 403)) {
      this.#repeats = this.#mayAuthorize(this.#credentials, status, headers)
    } else if (isRedirect(status, headers)) {
      this.#redirect(status, headers.location as string)
    }
    if (this.#repeats) this.#skip()
    else if (!this.ended) this.#handler.onHeaders(status, headers)
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (!this.#repeats) {
      this.#onData(chunk)
      return
    }
    this.#unexplained?.chunks.push(chunk)
    if ((this.#skipped += chunk.length) > maxSkip.bytes) this.#stopSkipping()
  }

  onResponseEnd(): void {
    if (this.#repeats) {
      this.#repeat()
      return
    }
    this.#received = true
    if (this.#decoder === undefined) this.#finish()
    else this.#decoder.end()
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    // If the exchange skips this response, only the end of it is missing, so the request goes on.
    if (this.#repeats && !this.ended) {
      this.#repeat()
      return
    }
    this.#received = true
    if (this.#decoder === undefined) this.fail(error)
    else this.#decoder.end(error)
  }

  decoderOnData(chunk: Buffer): void {
    try {
      this.#handler.onData(chunk)
    } catch (cause) {
      this.#decoder?.destroy()
      this.#controller?.abort(new ProxyError('ERR_CLOSED', 'aborted'))
      this.fail(this.#handlingError(cause))
    }
  }

  decoderOnDrain(): void {
    if (!this.#owner.paused) this.#resumeReading()
  }

  decoderOnEnd(error?: Error): void {
    // The status says enough about a failure, so the body of an error need not be readable.
    const isUnreadable = error instanceof ProxyError && this.#status >= 300
    if (isUnreadable) this.decoderOnData(Buffer.from(` (${describe(error)})`))
    if (this.ended) return
    if (error === undefined || isUnreadable) this.#finish()
    else this.fail(error)
    // The exchange does not use the rest of the body.
    if (!this.#received) this.#controller?.abort(new ProxyError('ERR_CLOSED', 'aborted'))
  }

  #onData(chunk: Buffer): void {
    if (this.#decoder === undefined) {
      this.#handler.onData(chunk)
      return
    }
    this.#decoder.feed(chunk)
    if (this.#decoder.busy) this.#controller?.pause()
  }

  // After the last byte, the connection may already carry another exchange.
  #resumeReading(): void {
    const mayRead = !this.#received && this.#decoder?.busy !== true
    if (mayRead && this.#controller?.paused === true) this.#controller.resume()
  }

  #finish(): void {
    this.#end()
    try {
      this.#handler.onEnd()
    } catch (cause) {
      // undici ignores an exception at the end of a response. Without this `catch` the request
      // would wait for ever.
      this.#tell(this.#handlingError(cause))
    }
  }

  #handlingError(cause: unknown): ProxyError {
    const message = `cannot handle the response of ${this.#owner.name}`
    return new ProxyError('ERR_HTTP_ANSWER', message, { cause })
  }

  #mayExplain(status: number, headers: IncomingHttpHeaders): boolean {
    return (
      status === 401 &&
      this.#credentials !== undefined &&
      this.#handler.explains !== undefined &&
      headers['www-authenticate'] === undefined &&
      this.#decoder === undefined
    )
  }

  /** Sends the request again, or gives the 401 that was kept to the handler. */
  #judge(headers: IncomingHttpHeaders, body: Buffer): void {
    const isExplained = this.#handler.explains?.(401, body) === true
    if (!isExplained && this.#mayAuthorize(this.#credentials as Credentials, 401, headers)) {
      void this.#owner.start(this)
      return
    }
    this.#received = true
    this.#handler.onHeaders(401, headers)
    if (!this.ended) this.#handler.onData(body)
    if (!this.ended) this.#finish()
  }

  /** Returns whether the request is sent again, after the server refused its credentials. */
  #mayAuthorize(credentials: Credentials, status: number, headers: IncomingHttpHeaders): boolean {
    if (status === 401) {
      if (this.#refused) return false
      this.#refused = true
      return credentials.refused(this.authorization, headers)
    }
    if (++this.#insufficient > maxStepUps) return false
    return credentials.insufficient?.(this.authorization, headers) === true
  }

  // Reads the rest of a response and drops it. The rest may never end, so the time has a limit.
  #skip(): void {
    this.#skipped = 0
    this.resume()
    this.#timer = setTimeout(() => this.#stopSkipping(), maxSkip.time)
  }

  #stopSkipping(): void {
    this.#controller?.abort(new ProxyError('ERR_CLOSED', 'skipped'))
  }

  #repeat(): void {
    clearTimeout(this.#timer)
    this.#repeats = false
    const unexplained = this.#unexplained
    this.#unexplained = undefined
    if (unexplained === undefined) void this.#owner.start(this)
    else this.#judge(unexplained.headers, Buffer.concat(unexplained.chunks))
  }

  #tell(error: ProxyError): void {
    try {
      this.#handler.onError(error)
    } catch (cause) {
      this.#owner.exchangeOnFault(cause)
    }
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
    clearTimeout(this.#timer)
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
