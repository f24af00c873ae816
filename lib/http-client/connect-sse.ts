// The transport to a server over HTTP+SSE. The server sends all its messages on one event stream.
// The first event, `endpoint`, names a URL. The proxy sends each frame to this URL in a POST.
// Frames wait until this event arrives.
//
// The session lasts as long as the stream. The transport fails when the stream ends, or when the
// server answers a POST with 404.

import { addAbortSignal } from 'node:stream'
import { describe, ProxyError } from '../errors.ts'
import { limits } from '../limits.ts'
import type { Frame } from '../message/frame.ts'
import { jsonOf } from '../message/id.ts'
import { PendingRequests } from '../message/pending-requests.ts'
import { errorFrame } from '../message/refusal.ts'
import type { Id } from '../protocol/json-rpc.ts'
import type { Callback, DestroyCallback } from '../streams/callbacks.ts'
import { failAfterReading } from '../streams/fail-after-reading.ts'
import { Transport } from '../streams/transport.ts'
import { ErrorBody } from './error-body.ts'
import { EventReader } from './event-reader.ts'
import type { EventsOwner } from './event-reader.ts'
import { GetStream } from './get-stream.ts'
import type { GetOwner } from './get-stream.ts'
import { HttpClient } from './http-client.ts'
import type { HttpOptions } from './http-options.ts'
import { ackTimeout, SendWindow } from './send-window.ts'
import { isFirstRefusal, reportsLostSession, SessionUnknownError } from './session-unknown-error.ts'
import { SilenceTimer } from './silence-timer.ts'

/**
 * Returns the transport to the server whose event stream is at a URL, over HTTP+SSE.
 *
 * The transport is destroyed when the stream ends or breaks. `end()` waits until all requests have
 * their responses. Then it closes the stream.
 *
 * Errors: `ERR_CONNECTION`, `ERR_HTTP_STATUS`, `ERR_HTTP_ANSWER`, `ERR_TOKEN`, `ERR_TIMEOUT` (the
 * server named no endpoint within `connectTimeout`), `ERR_SESSION_UNKNOWN`.
 */
export function connectSse(options: HttpOptions): SseTransport {
  return new SseTransport(options)
}

export class SseTransport extends Transport implements EventsOwner, GetOwner {
  readonly resumes = false
  readonly sessionHeaders = {}
  readonly client: HttpClient
  readonly maxMessage: number
  readonly #pending = new PendingRequests()
  readonly #sendWindow: SendWindow
  readonly #stream: GetStream
  readonly #connectTimeout: number
  #timer: NodeJS.Timeout | undefined
  /** Set until the response to the first request has come. */
  #silence: SilenceTimer | undefined
  #endpoint: URL | undefined
  /** The frame that the transport sends as soon as it knows the URL for its POSTs. */
  #waiting: { frame: Frame; callback: Callback } | undefined
  #firstRequest: Frame | undefined
  /** Set when the server does not know the session any more. */
  #unknown: SessionUnknownError | undefined

  constructor(options: HttpOptions) {
    super({ log: options.log })
    const { connectTimeout = limits.connectTimeout, maxMessage = limits.maxMessage } = options
    this.#connectTimeout = connectTimeout
    this.client = new HttpClient({ ...options, url: new URL(options.url) }, (cause) =>
      this.fault(cause)
    )
    this.maxMessage = maxMessage
    this.#sendWindow = new SendWindow(maxMessage)
    if (connectTimeout > 0) this.#timer = setTimeout(() => this.#onTimeout(), connectTimeout)
    this.#stream = new GetStream(
      this,
      new EventReader(this, (name, data) => this.#onNamedEvent(name, data))
    )
    this.#stream.open()
    // This must be the last step, because a signal that has already aborted destroys the transport.
    if (options.signal) addAbortSignal(options.signal, this)
  }

  override _read(): void {
    this.client.resume()
  }

  protected override send(frame: Frame, callback: Callback): void {
    if (this.#endpoint === undefined) this.#waiting = { frame, callback }
    else this.#send(frame, callback)
  }

  override _final(callback: Callback): void {
    this.#pending.whenSettled(() => {
      clearTimeout(this.#timer)
      this.#stream.stop()
      this.push(null)
      callback()
    })
  }

  override _destroy(error: Error | null, callback: DestroyCallback): void {
    clearTimeout(this.#timer)
    this.#silence?.stop()
    this.#waiting?.callback(error ?? new ProxyError('ERR_CLOSED', 'the transport was destroyed'))
    this.#waiting = undefined
    this.#sendWindow.release()
    void this.client.destroy().then(() => callback(error))
  }

  deliver(received: Frame): void {
    const frame = this.#pending.match(received)
    if (this.#pending.isStray(frame)) {
      this.log.debug(`dropped a response to no pending request (id ${jsonOf(frame.id)})`)
      return
    }
    if (!this.push(frame)) this.client.pause()
    // Some servers answer the POST only after they have sent the response on the stream. So the
    // response also tells that the server has the request.
    const first = this.#firstRequest
    const isFirst = frame.kind === 'response' && frame.id === first?.id
    if (first !== undefined && isFirst) {
      this.#silence?.stop()
      this.#sendWindow.finish(first)
    }
    this.#pending.answered(frame)
  }

  sendBack(response: Frame): void {
    if (this.#sendWindow.addRefusal(response)) this.#post(response)
  }

  #onNamedEvent(name: string, data: string): void {
    if (name !== 'endpoint' || this.#endpoint !== undefined) return
    const url = this.#stream.url as URL
    const endpoint = URL.canParse(data, url.href) ? new URL(data, url) : undefined
    // The proxy sends headers and tokens, which may be secret, to the endpoint. So the endpoint
    // must have the same origin as the event stream.
    if (endpoint?.origin !== url.origin) {
      const message = `${this.client.name} names an endpoint of another origin`
      this.#fail(new ProxyError('ERR_HTTP_ANSWER', message))
      return
    }
    clearTimeout(this.#timer)
    this.#endpoint = endpoint
    if (this.#waiting === undefined) return
    const { frame, callback } = this.#waiting
    this.#waiting = undefined
    this.#send(frame, callback)
  }

  getOnData(): void {
    this.#silence?.refresh()
  }

  getOnRefused(error: ProxyError): void {
    this.#fail(error)
  }

  getOnEnd(error?: ProxyError): boolean {
    const message = `${this.client.name} ended its event stream`
    this.#fail(error ?? new ProxyError('ERR_CONNECTION', message))
    return false
  }

  #send(frame: Frame, callback: Callback): void {
    const isRequest = frame.kind === 'request'
    const isFirst = isRequest && this.#firstRequest === undefined
    if (isFirst) this.#firstRequest = frame
    if (isFirst && this.#connectTimeout > 0) {
      this.#silence = new SilenceTimer(this.client, this.#connectTimeout, (error) =>
        this.#fail(error)
      )
    }
    this.#pending.sent(frame)
    this.#post(frame)
    this.#sendWindow.add(frame, isFirst || !isRequest, callback, isFirst ? 0 : ackTimeout)
  }

  #post(frame: Frame): void {
    let body: ErrorBody | undefined
    let status = 0
    const end = (): void => {
      body?.stop()
      if (body === undefined || this.destroyed) return
      if (status === 404 && isFirstRefusal(frame)) this.#onUnknown([frame], frame)
      else if (reportsLostSession(status, body.text)) this.#onUnknown([], frame)
      else this.#onRefused(frame, body.error(this.client.name, status))
    }
    const isCall = frame.kind === 'request' && frame !== this.#firstRequest
    const exchange = this.client.send(
      {
        method: 'POST',
        url: this.#endpoint,
        headers: { 'content-type': 'application/json' },
        body: frame.bytes,
        // Some servers answer the POST of a call only after the call's response, which may take
        // hours.
        timeout: isCall ? 0 : this.#connectTimeout
      },
      {
        onHeaders: (code) => {
          status = code
          if (status < 300) {
            this.#sendWindow.finish(frame)
            return
          }
          body = new ErrorBody(() => {
            exchange.abort()
            end()
          })
        },
        onData: (chunk) => body?.feed(chunk),
        onEnd: end,
        onError: (error) => {
          body?.stop()
          if (status === 0 || body !== undefined) this.#onRefused(frame, error)
        }
      }
    )
  }

  #onUnknown(undelivered: Frame[], frame: Frame): void {
    this.#unknown ??= new SessionUnknownError(this.client.name)
    this.#unknown.undelivered.push(...undelivered)
    this.#sendWindow.finish(frame)
    this.#fail(this.#unknown)
  }

  #onRefused(frame: Frame, error: ProxyError): void {
    this.log.warn(`cannot deliver a ${frame.kind}: ${describe(error)}`)
    this.#sendWindow.finish(frame)
    if (frame.kind === 'request' && this.#pending.has(frame.id as Id)) {
      this.deliver(errorFrame(frame.id, error))
    }
  }

  #onTimeout(): void {
    // A person may have had to sign in first.
    const rest = this.#connectTimeout - this.client.sinceSignIn()
    if (rest > 0) {
      this.#timer = setTimeout(() => this.#onTimeout(), rest)
      return
    }
    const message = `${this.client.name} named no endpoint in time (see --connect-timeout)`
    this.#fail(new ProxyError('ERR_TIMEOUT', message))
  }

  #fail(error: ProxyError): void {
    this.#stream.stop()
    failAfterReading(this, error)
  }
}
