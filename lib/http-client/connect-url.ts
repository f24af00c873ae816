// The transport to a server that may speak Streamable HTTP or the older HTTP+SSE. The proxy
// connects over Streamable HTTP first. If the server refuses the first frame, the proxy connects
// over HTTP+SSE and sends this frame again.

import { HttpStatusError, ProxyError } from '../errors.ts'
import type { Frame } from '../message/frame.ts'
import { legacyRefusals } from '../protocol/http-statuses.ts'
import { isModernVersion } from '../protocol/revisions.ts'
import type { Callback, DestroyCallback } from '../streams/callbacks.ts'
import { failAfterReading } from '../streams/fail-after-reading.ts'
import { OuterTransport } from '../streams/outer-transport.ts'
import { connectHttp } from './connect-http.ts'
import { connectSse } from './connect-sse.ts'
import type { HttpOptions } from './http-options.ts'

/**
 * Returns the transport to the server at a URL. It uses Streamable HTTP, or HTTP+SSE if the server
 * refuses the first frame with 400, 404 or 405.
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

  constructor(options: HttpOptions) {
    super({ signal: options.signal, log: options.log })
    this.#options = { ...options, signal: undefined }
    this.attach(connectHttp(this.#options))
  }

  protected override send(frame: Frame, callback: Callback): void {
    this.#writing = { frame, callback }
    this.inner?.write(frame, (error) => {
      if (error) return // innerOnClose gets this error, too, and handles it
      // A modern request decides nothing, because an HTTP+SSE server may answer it with any status.
      this.#decided ||= !isModernVersion(frame.protocolVersion)
      this.#writing = undefined
      callback()
    })
  }

  override _final(callback: Callback): void {
    if (this.inner === undefined) callback()
    else this.inner.end(() => callback()) // innerOnClose handles an error
  }

  override _destroy(error: Error | null, callback: DestroyCallback): void {
    const writing = this.#writing
    this.#writing = undefined
    writing?.callback(error ?? new ProxyError('ERR_CLOSED', 'the transport was destroyed'))
    super._destroy(error, callback)
  }

  protected override innerOnFrame(frame: Frame): void {
    this.pass(frame)
  }

  protected override innerOnClose(error: Error | undefined): void {
    const writing = this.#writing
    const isRefused = error instanceof HttpStatusError && legacyRefusals.has(error.received)
    if (isRefused && writing !== undefined && !this.#decided && this.#refusal === undefined) {
      this.#refusal = error
      this.attach(connectSse(this.#options))
      this._write(writing.frame, 'utf8', writing.callback)
    } else if (error === undefined) {
      this.push(null)
    } else {
      failAfterReading(this, this.#decided ? error : this.#explain(error))
    }
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
