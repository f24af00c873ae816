// An event stream that the proxy opens with a GET. When the stream ends or breaks, the owner
// decides whether the proxy sends the GET again.

import type { IncomingHttpHeaders } from 'node:http'
import type { HttpStatusError, ProxyError } from '../errors.ts'
import { ErrorBody } from './error-body.ts'
import { isEventStream } from './event-reader.ts'
import type { EventReader } from './event-reader.ts'
import type { HttpClient } from './http-client.ts'
import type { HttpExchange, ResponseHandler } from './http-exchange.ts'

export interface GetOwner {
  readonly client: HttpClient
  /** Called when a part of the stream has arrived. */
  getOnData?(): void
  /** Called when the server has refused the stream. The proxy does not ask again. */
  getOnRefused(error: HttpStatusError): void
  /**
   * The stream ended, or an attempt failed but another may succeed. Returns whether to send the GET
   * again after a pause.
   */
  getOnEnd(error?: ProxyError): boolean
}

export class GetStream implements ResponseHandler {
  readonly #owner: GetOwner
  readonly #events: EventReader
  #exchange: HttpExchange | undefined
  #status = 0
  #errorBody: ErrorBody | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(owner: GetOwner, events: EventReader) {
    this.#owner = owner
    this.#events = events
  }

  /** The URL of the stream, after redirects. Undefined before `open`. */
  get url(): URL | undefined {
    return this.#exchange?.url
  }

  open(): void {
    this.#errorBody?.stop()
    this.#errorBody = undefined
    this.#exchange = this.#owner.client.send(this.#events.request, this)
  }

  openLater(): void {
    this.#timer = setTimeout(() => this.open(), this.#events.nextPause())
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#errorBody?.stop()
    this.#exchange?.abort()
  }

  onHeaders(status: number, headers: IncomingHttpHeaders): void {
    this.#status = status
    if (status === 200 && isEventStream(headers)) this.#events.start()
    else this.#errorBody = new ErrorBody(() => this.#onFull())
  }

  onData(chunk: Buffer): void {
    if (this.#errorBody === undefined) {
      this.#owner.getOnData?.()
      this.#events.feed(chunk)
    } else this.#errorBody.feed(chunk)
  }

  #onFull(): void {
    this.#exchange?.abort()
    this.onEnd()
  }

  onEnd(): void {
    this.#errorBody?.stop()
    const error = this.#errorBody?.error(this.#owner.client.name, this.#status)
    // A server that is broken or overloaded (5xx, 429) may open the stream at the next attempt.
    if (error !== undefined && this.#status < 500 && this.#status !== 429) {
      this.#owner.getOnRefused(error)
    } else {
      this.onError(error)
    }
  }

  onError(error?: ProxyError): void {
    if (this.#owner.getOnEnd(error)) this.openLater()
  }
}
