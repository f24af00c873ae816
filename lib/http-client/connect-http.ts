// The transport to a server over Streamable HTTP. It gives each frame to one of two parts.
// `ModernRequests` sends the requests of the modern revision, which need no session. `HttpSession`
// sends all other frames.

import { addAbortSignal } from 'node:stream'
import { ProxyError } from '../errors.ts'
import { limits } from '../limits.ts'
import { silent } from '../log.ts'
import { idAt } from '../message/frame.ts'
import type { Frame } from '../message/frame.ts'
import { methods } from '../protocol/methods.ts'
import { paths } from '../protocol/paths.ts'
import { isModernVersion } from '../protocol/revisions.ts'
import type { Callback, DestroyCallback } from '../streams/callbacks.ts'
import { failAfterReading } from '../streams/fail-after-reading.ts'
import { Transport } from '../streams/transport.ts'
import { HttpClient } from './http-client.ts'
import type { HttpOptions } from './http-options.ts'
import type { HttpPartOwner } from './http-part.ts'
import { HttpSession } from './http-session.ts'
import { ModernRequests } from './modern-requests.ts'

/**
 * Returns the transport to the server at a URL, over Streamable HTTP. The client may send requests
 * of the modern revision while it also has a session.
 *
 * A request that fails gets an error response, and the transport goes on. The transport is
 * destroyed when the first request or `initialize` fails, or when the server does not know the
 * session any more. `end()` waits for the responses to come, then ends the session with a DELETE.
 *
 * Errors: `ERR_CONNECTION`, `ERR_HTTP_STATUS`, `ERR_HTTP_ANSWER`, `ERR_TOKEN`, `ERR_TIMEOUT`,
 * `ERR_SESSION_UNKNOWN`.
 */
export function connectHttp(options: HttpOptions): HttpTransport {
  return new HttpTransport(options)
}

export class HttpTransport extends Transport {
  readonly #client: HttpClient
  readonly #session: HttpSession
  readonly #modern: ModernRequests
  readonly #closeTimeout: number
  /** Called once, when all requests of both parts have their responses. */
  #whenSettled: (() => void) | undefined

  constructor(options: HttpOptions) {
    super({ log: options.log })
    const { connectTimeout = limits.connectTimeout, closeTimeout = limits.closeTimeout } = options
    this.#client = new HttpClient({ ...options, url: new URL(options.url) }, (cause) =>
      this.fault(cause)
    )
    this.#closeTimeout = closeTimeout
    const owner: HttpPartOwner = {
      client: this.#client,
      log: options.log ?? silent,
      maxMessage: options.maxMessage ?? limits.maxMessage,
      connectTimeout,
      pass: (frame) => {
        if (!this.push(frame)) this.#client.pause()
      },
      isModern: () => this.#modern.hasAnswered,
      clientEnded: () => this.writableEnded,
      partOnSettled: () => this.#settle(),
      partOnFailed: (error) => this.#fail(error)
    }
    this.#session = new HttpSession(owner)
    this.#modern = new ModernRequests(owner)
    // This must be the last step, because a signal that has already aborted destroys the transport.
    if (options.signal) addAbortSignal(options.signal, this)
  }

  override _read(): void {
    this.#client.resume()
  }

  protected override send(frame: Frame, callback: Callback): void {
    if (frame.kind === 'request' && isModernVersion(frame.protocolVersion)) {
      this.#modern.send(frame, callback)
    } else if (frame.method === methods.cancelled && this.#cancelsModern(frame)) {
      callback()
    } else {
      this.#session.send(frame, callback)
    }
  }

  override _final(callback: Callback): void {
    this.#whenSettled = () => {
      this.#stop()
      void this.#session.end(this.#closeTimeout).then(() => {
        this.push(null)
        callback()
      })
    }
    this.#settle()
  }

  override _destroy(error: Error | null, callback: DestroyCallback): void {
    this.#session.destroy(error ?? new ProxyError('ERR_CLOSED', 'the transport was destroyed'))
    this.#modern.destroy()
    void this.#session
      .end(this.#closeTimeout)
      .then(() => this.#client.destroy())
      .then(() => callback(error))
  }

  // A cancellation names no revision. So the part that sent the request also handles its
  // cancellation. Returns whether `ModernRequests` sent the request.
  #cancelsModern(frame: Frame): boolean {
    const id = idAt(frame, paths.cancelledId)
    return id !== undefined && this.#modern.cancel(id)
  }

  #settle(): void {
    if (this.#whenSettled === undefined || !this.#session.settled || !this.#modern.settled) return
    const whenSettled = this.#whenSettled
    this.#whenSettled = undefined
    whenSettled()
  }

  #fail(error: ProxyError): void {
    this.#stop()
    failAfterReading(this, error)
  }

  #stop(): void {
    this.#session.stop()
    this.#modern.stop()
  }
}
