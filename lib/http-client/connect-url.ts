// The transport to a server at a URL that may speak Streamable HTTP or the older HTTP+SSE: found out
// as the specification says, by trying the first and reading what the refusal means.

import { HttpStatusError, ProxyError } from '../errors.ts'
import type { Frame } from '../message/frame.ts'
import { isModernVersion } from '../protocol/revisions.ts'
import type { Callback, DestroyCallback } from '../streams/callbacks.ts'
import { failAfterReading } from '../streams/fail-after-reading.ts'
import { OuterTransport } from '../streams/outer-transport.ts'
import { connectHttp } from './connect-http.ts'
import type { HttpOptions } from './connect-http.ts'
import { connectSse } from './connect-sse.ts'

/**
 * Gives the transport to the server at a URL: Streamable HTTP, or HTTP+SSE if the first message is
 * refused with 400, 404 or 405 (2025-11-25, Transports, Backwards Compatibility).
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
  #writing: { frame: Frame; callback: Callback } | undefined
  /** Why the server was taken for one of HTTP+SSE. */
  #refusal: HttpStatusError | undefined
  #decided = false

  constructor(options: HttpOptions) {
    super(options.signal)
    this.#options = { ...options, signal: undefined }
    this.attach(connectHttp(this.#options))
  }

  override _write(frame: Frame, _encoding: BufferEncoding, callback: Callback): void {
    this.#writing = { frame, callback }
    this.inner?.write(frame, (error) => {
      if (error) return // what it means is told when the transport closes
      // Servers of HTTP+SSE know nothing of the modern revision: what they say to it tells nothing.
      this.#decided ||= !isModernVersion(frame.protocolVersion)
      this.#writing = undefined
      callback()
    })
  }

  override _final(callback: Callback): void {
    if (this.inner === undefined) callback()
    else this.inner.end(() => callback()) // what an error means is told when the transport closes
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
    const refused = error instanceof HttpStatusError && refusals.includes(error.received)
    if (refused && writing !== undefined && !this.#decided && this.#refusal === undefined) {
      this.#refusal = error
      this.attach(connectSse(this.#options))
      this._write(writing.frame, 'utf8', writing.callback)
    } else if (error === undefined) {
      this.push(null)
    } else {
      failAfterReading(this, this.#decided ? error : this.#neither(error))
    }
  }

  #neither(error: Error): Error {
    if (this.#refusal === undefined || !(error instanceof ProxyError)) return error
    const message = `no MCP server answers there: not over Streamable HTTP (${this.#refusal.message})`
    return new ProxyError(error.code, `${message}, and not over HTTP+SSE`, { cause: error })
  }
}
