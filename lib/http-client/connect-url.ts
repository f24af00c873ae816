// The transport to a server at a URL that may speak Streamable HTTP or the older HTTP+SSE. It connects
// over Streamable HTTP first. If the server refuses the first frame, it connects over HTTP+SSE, and
// sends that frame again.

import { HttpStatusError, ProxyError } from '../errors.ts'
import type { Frame } from '../message/frame.ts'
import { isModernVersion } from '../protocol/revisions.ts'
import type { Callback, DestroyCallback } from '../streams/callbacks.ts'
import { failAfterReading } from '../streams/fail-after-reading.ts'
import { OuterTransport } from '../streams/outer-transport.ts'
import { connectHttp } from './connect-http.ts'
import { connectSse } from './connect-sse.ts'
import type { HttpOptions } from './http-options.ts'

/**
 * Gives the transport to the server at a URL: over Streamable HTTP, or over HTTP+SSE if the server
 * refuses the first frame with 400, 404 or 405.
 *
 * Errors: those of `connectHttp` and `connectSse`.
 */
export function connectUrl(options: HttpOptions): UrlTransport {
  return new UrlTransport(options)
}

/** The statuses with which a server of HTTP+SSE refuses a POST to its event stream. */
const refusals = [400, 404, 405]

export class UrlTransport extends OuterTransport {
  readonly #options: HttpOptions
  /** The frame that the transport inside has not accepted yet. */
  #writing: { frame: Frame; callback: Callback } | undefined
  /** The refusal over Streamable HTTP. */
  #refusal: HttpStatusError | undefined
  /** The server has accepted a frame, so the transport inside is the right one. */
  #decided = false

  constructor(options: HttpOptions) {
    super(options.signal)
    this.#options = { ...options, signal: undefined }
    this.attach(connectHttp(this.#options))
  }

  override _write(frame: Frame, _encoding: BufferEncoding, callback: Callback): void {
    this.#writing = { frame, callback }
    this.inner?.write(frame, (error) => {
      if (error) return // innerOnClose gets the error, too
      // A server of HTTP+SSE may answer a modern request with anything, so it decides nothing.
      this.#decided ||= !isModernVersion(frame.protocolVersion)
      this.#writing = undefined
      callback()
    })
  }

  override _final(callback: Callback): void {
    if (this.inner === undefined) callback()
    else this.inner.end(() => callback()) // innerOnClose gets the error
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
    const isRefused = error instanceof HttpStatusError && refusals.includes(error.received)
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

  /** The error that names both refusals, if the server refused both transports. */
  #explain(error: Error): Error {
    if (this.#refusal === undefined || !(error instanceof ProxyError)) return error
    const message = `no MCP server answers there: not over Streamable HTTP (${this.#refusal.message})`
    return new ProxyError(error.code, `${message}, and not over HTTP+SSE`, { cause: error })
  }
}
