// The transport to a server that may speak Streamable HTTP or the older HTTP+SSE. The proxy
// connects over Streamable HTTP first. If the server refuses the first frame, the proxy connects
// over HTTP+SSE and sends this frame again.
//
// A modern client sends requests of the modern revision first. A server of HTTP+SSE answers them
// with 405, because its URL takes no POST. So this status also leads to HTTP+SSE, and no server has
// handled the requests that are sent again.

import { HttpStatusError, ProxyError } from '../errors.ts'
import type { Frame } from '../message/frame.ts'
import { legacyRefusals } from '../protocol/http-statuses.ts'
import type { Id } from '../protocol/json-rpc.ts'
import { isModernVersion } from '../protocol/revisions.ts'
import type { Callback, DestroyCallback } from '../streams/callbacks.ts'
import { failAfterReading } from '../streams/fail-after-reading.ts'
import { OuterTransport } from '../streams/outer-transport.ts'
import { connectHttp } from './connect-http.ts'
import { connectSse } from './connect-sse.ts'
import type { HttpOptions } from './http-options.ts'

/**
 * Returns the transport to the server at a URL. It uses Streamable HTTP, or HTTP+SSE if the server
 * refuses the first frame with 400, 404 or 405 (a request of the modern revision: only with 405).
 *
 * Errors: the errors of `connectHttp` and `connectSse`.
 */
export function connectUrl(options: HttpOptions): UrlTransport {
  return new UrlTransport(options)
}

export class UrlTransport extends OuterTransport {
  readonly #options: HttpOptions
  /** The frame that the inner transport (HTTP or SSE) has not accepted yet. */
  #writing: { frame: Frame; callback: Callback } | undefined
  /** The error from Streamable HTTP. Set when the proxy has changed to HTTP+SSE. */
  #refusal: HttpStatusError | undefined
  /** True when the server has accepted a frame. Then the proxy keeps the inner transport. */
  #decided = false
  /** Whether the client has ended, so that it sends no more frames. */
  #ended = false
  /**
   * The requests of the modern revision without a response. It is used until the transport is
   * known.
   */
  readonly #modern = new Map<Id, Frame>()

  constructor(options: HttpOptions) {
    super({ signal: options.signal, log: options.log })
    this.#options = { ...options, signal: undefined }
    this.attach(connectHttp(this.#options))
  }

  protected override send(frame: Frame, callback: Callback): void {
    this.#writing = { frame, callback }
    this.inner?.write(frame, (error) => {
      if (error) return // `innerOnClose` gets the same error and handles it
      // A modern request decides nothing before its response, because an HTTP+SSE server may answer
      // it with any status.
      if (!isModern(frame)) this.#decide()
      this.#writing = undefined
      callback()
    })
    if (!this.#decided && isModern(frame)) this.#modern.set(frame.id as Id, frame)
  }

  override _final(callback: Callback): void {
    this.#ended = true
    if (this.inner === undefined) callback()
    else this.inner.end(() => callback()) // `innerOnClose` handles an error of `end`
  }

  override _destroy(error: Error | null, callback: DestroyCallback): void {
    const writing = this.#writing
    this.#writing = undefined
    writing?.callback(error ?? new ProxyError('ERR_CLOSED', 'the transport was destroyed'))
    super._destroy(error, callback)
  }

  protected override innerOnFrame(frame: Frame): void {
    if (this.#modern.size > 0 && frame.kind === 'response' && this.#refuses(frame)) return
    this.pass(frame)
  }

  protected override innerOnClose(error: Error | undefined): void {
    const writing = this.#writing
    const isRefused = error instanceof HttpStatusError && legacyRefusals.has(error.received)
    if (isRefused && writing !== undefined && !this.#decided && this.#refusal === undefined) {
      this.#fallBack(error)
    } else if (error === undefined) {
      this.push(null)
    } else {
      failAfterReading(this, this.#decided ? error : this.#explain(error))
    }
  }

  /**
   * Handles a response while a modern request waits for its own. Returns whether the server refuses
   * Streamable HTTP. Then the client does not get the response, because the request is sent again.
   */
  #refuses({ id, failure, errorCode }: Frame): boolean {
    if (isNotAllowed(failure) && this.#refusal === undefined) {
      const http = this.inner
      this.#fallBack(failure)
      http?.destroy()
      return true
    }
    this.#modern.delete(id as Id)
    if (errorCode === undefined) this.#decide()
    return false
  }

  /** Connects over HTTP+SSE, and sends the frames again that have no response. */
  #fallBack(refusal: HttpStatusError): void {
    this.#refusal = refusal
    const sse = connectSse(this.#options)
    this.attach(sse)
    for (const frame of this.#modern.values()) sse.write(frame)
    const writing = this.#writing
    if (writing !== undefined && !isModern(writing.frame)) {
      this._write(writing.frame, 'utf8', writing.callback)
    }
    if (this.#ended) sse.end()
  }

  #decide(): void {
    this.#decided = true
    this.#modern.clear()
  }

  /**
   * Returns an error that names both refusals if the server refused both transports. Else it
   * returns `error`.
   */
  #explain(error: Error): Error {
    if (this.#refusal === undefined || !(error instanceof ProxyError)) return error
    const message = `no MCP server answers there: not over Streamable HTTP (${this.#refusal.message})`
    return new ProxyError(error.code, `${message}, and not over HTTP+SSE`, { cause: error })
  }
}

const isNotAllowed = (error: unknown): error is HttpStatusError =>
  error instanceof HttpStatusError && error.received === 405

const isModern = (frame: Frame): boolean =>
  frame.kind === 'request' && isModernVersion(frame.protocolVersion)
