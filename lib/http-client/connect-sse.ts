// The transport to a server over HTTP+SSE, the transport of revision 2024-11-05: one event stream
// brings all that the server says, and its first event tells where to POST what is said to it.

import type { IncomingHttpHeaders } from 'node:http'
import { addAbortSignal, Duplex } from 'node:stream'
import { describe, ProxyError } from '../errors.ts'
import { SseParser } from '../framing/sse.ts'
import { limits } from '../limits.ts'
import { silent } from '../log.ts'
import type { Log } from '../log.ts'
import { errorFrame, refuse } from '../message/frame.ts'
import type { Envelope, Frame } from '../message/frame.ts'
import { PendingRequests } from '../message/pending-requests.ts'
import type { Id } from '../protocol/json-rpc.ts'
import type { Callback, DestroyCallback } from '../streams/callbacks.ts'
import { failAfterReading } from '../streams/fail-after-reading.ts'
import type { HttpOptions } from './connect-http.ts'
import { Excerpt, HttpClient, isEventStream, SessionUnknownError } from './http-client.ts'
import type { HttpExchange } from './http-client.ts'
import { SendWindow } from './send-window.ts'

/**
 * Gives the transport to the server whose event stream is at a URL (HTTP+SSE, 2024-11-05).
 *
 * The session lives as long as the stream does: when the stream breaks, the transport is destroyed.
 * `end()` waits for the answers still owed, then closes it.
 *
 * Errors: `ERR_CONNECTION`, `ERR_HTTP_STATUS`, `ERR_HTTP_ANSWER`, `ERR_TOKEN`, `ERR_TIMEOUT`
 * (no endpoint was named in `connectTimeout`), `ERR_SESSION_UNKNOWN`.
 */
export function connectSse(options: HttpOptions): SseTransport {
  return new SseTransport(options)
}

export class SseTransport extends Duplex {
  readonly #client: HttpClient
  readonly #log: Log
  readonly #owed = new PendingRequests()
  readonly #stream: HttpExchange
  readonly #timer: NodeJS.Timeout | undefined
  #events: SseParser | undefined
  #excerpt: Excerpt | undefined
  #status = 0
  #endpoint: URL | undefined
  /** The frame that is to be sent when there is an endpoint. */
  #waiting: { frame: Frame; callback: Callback } | undefined
  readonly #sendWindow: SendWindow
  /** The first request. */
  #opening: Frame | undefined
  /** Set when the server has forgotten the session, with what it refused because of that. */
  #forgotten: SessionUnknownError | undefined

  constructor(options: HttpOptions) {
    super({ objectMode: true })
    this.#client = new HttpClient({ ...options, url: new URL(options.url) })
    this.#log = options.log ?? silent
    const { connectTimeout = limits.connectTimeout, maxMessage = limits.maxMessage } = options
    this.#sendWindow = new SendWindow(maxMessage)
    if (connectTimeout > 0) this.#timer = setTimeout(() => this.#late(), connectTimeout)
    const parser = new SseParser({
      maxMessage,
      onFrame: (frame) => this.#onFrame(frame),
      onInvalid: (error, envelope) => this.#onInvalid(error, envelope),
      onEvent: (name, data) => this.#onEvent(name, data)
    })
    this.#stream = this.#client.send(
      { method: 'GET', headers: { accept: 'text/event-stream' } },
      {
        onReply: (status, headers) => this.#streamOnReply(status, headers, parser),
        onData: (chunk) => {
          this.#events?.feed(chunk)
          this.#excerpt?.feed(chunk)
        },
        onEnd: () => this.#streamOnEnd(),
        onError: (error) => this.#lost(error)
      }
    )
    // Last of all, since a signal may have been given already.
    if (options.signal) addAbortSignal(options.signal, this)
  }

  override _read(): void {
    this.#client.resume()
  }

  override _write(frame: Frame, _encoding: BufferEncoding, callback: Callback): void {
    if (this.#endpoint === undefined) this.#waiting = { frame, callback }
    else this.#send(frame, callback)
  }

  override _final(callback: Callback): void {
    this.#owed.whenSettled(() => {
      clearTimeout(this.#timer)
      this.#stream.abort()
      this.push(null)
      callback()
    })
  }

  override _destroy(error: Error | null, callback: DestroyCallback): void {
    clearTimeout(this.#timer)
    this.#waiting?.callback(error ?? new ProxyError('ERR_CLOSED', 'the transport was destroyed'))
    this.#waiting = undefined
    this.#sendWindow.stop()
    void this.#client.destroy().then(() => callback(error))
  }

  #streamOnReply(status: number, headers: IncomingHttpHeaders, parser: SseParser): void {
    if (status === 200 && isEventStream(headers)) this.#events = parser
    else this.#excerpt = new Excerpt()
    this.#status = status
  }

  #streamOnEnd(): void {
    const { name } = this.#client
    if (this.#excerpt !== undefined) this.#lost(this.#excerpt.error(name, this.#status))
    else this.#lost(new ProxyError('ERR_CONNECTION', `${name} ended its event stream`))
  }

  #onEvent(name: string, data: string): void {
    if (name !== 'endpoint' || this.#endpoint !== undefined) return
    const { url } = this.#stream
    const endpoint = URL.canParse(data, url.href) ? new URL(data, url) : undefined
    // Headers and tokens go where the endpoint says, so it must not say somewhere else.
    if (endpoint?.origin !== url.origin) {
      const message = `${this.#client.name} names an endpoint of another origin`
      this.#lost(new ProxyError('ERR_HTTP_ANSWER', message))
      return
    }
    clearTimeout(this.#timer)
    this.#endpoint = endpoint
    if (this.#waiting === undefined) return
    const { frame, callback } = this.#waiting
    this.#waiting = undefined
    this.#send(frame, callback)
  }

  #send(frame: Frame, callback: Callback): void {
    const isRequest = frame.kind === 'request'
    const opens = isRequest && this.#opening === undefined
    if (opens) this.#opening = frame
    this.#owed.sent(frame)
    this.#post(frame)
    this.#sendWindow.sent(frame, opens || !isRequest, callback)
  }

  #onFrame(frame: Frame): void {
    if (!this.push(frame)) this.#client.pause()
    // There are servers that acknowledge a request only when they have answered it.
    const opening = this.#opening
    const isAnswer = frame.kind === 'response' && frame.id === opening?.id
    if (opening !== undefined && isAnswer) this.#sendWindow.done(opening)
    this.#owed.answered(frame)
  }

  #onInvalid(error: ProxyError, envelope?: Envelope): void {
    this.#log.warn(`${this.#client.name} sent what is not a message: ${describe(error)}`)
    const { back, onward } = refuse(error, envelope)
    if (onward !== undefined) this.#onFrame(onward)
    if (back !== undefined) this.#post(back)
  }

  #post(frame: Frame): void {
    const excerpt = new Excerpt()
    let status = 0
    let accepted = false
    this.#client.send(
      {
        method: 'POST',
        url: this.#endpoint,
        headers: { 'content-type': 'application/json' },
        body: frame.bytes
      },
      {
        onReply: (code) => {
          status = code
          accepted = status < 300
          if (accepted) this.#sendWindow.done(frame)
        },
        onData: (chunk) => excerpt.feed(chunk),
        onEnd: () => {
          if (status === 404) this.#forget(frame)
          else if (!accepted) this.#failed(frame, excerpt.error(this.#client.name, status))
        },
        onError: (error) => {
          if (!accepted) this.#failed(frame, error)
        }
      }
    )
  }

  #forget(frame: Frame): void {
    this.#forgotten ??= new SessionUnknownError(this.#client.name)
    this.#forgotten.undelivered.push(frame)
    this.#sendWindow.done(frame)
    this.#lost(this.#forgotten)
  }

  #failed(frame: Frame, error: ProxyError): void {
    this.#log.warn(`a ${frame.kind} was not taken: ${describe(error)}`)
    this.#sendWindow.done(frame)
    if (frame.kind === 'request' && this.#owed.has(frame.id as Id)) {
      this.#onFrame(errorFrame(frame.id, error))
    }
  }

  #late(): void {
    const message = `${this.#client.name} named no endpoint in time (see --connect-timeout)`
    this.#lost(new ProxyError('ERR_TIMEOUT', message))
  }

  #lost(error: ProxyError): void {
    this.#stream.abort()
    failAfterReading(this, error)
  }
}
