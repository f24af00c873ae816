// An event stream that a GET asks for. When it breaks, its owner decides whether to ask again.

import type { IncomingHttpHeaders } from 'node:http'
import type { HttpStatusError, ProxyError } from '../errors.ts'
import { ErrorBody } from './error-body.ts'
import { isEventStream } from './event-reader.ts'
import type { EventReader } from './event-reader.ts'
import type { HttpClient } from './http-client.ts'
import type { HttpExchange, ResponseHandler } from './http-exchange.ts'

export interface GetOwner {
  readonly client: HttpClient
  /** The server refused the stream, for good. */
  getOnRefused(error: HttpStatusError): void
  /** The stream ended, or an attempt failed for now. Returns whether to ask again after a pause. */
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

  /** Where the stream comes from, after redirects. Undefined before `open`. */
  get url(): URL | undefined {
    return this.#exchange?.url
  }

  open(): void {
    this.#errorBody = undefined
    this.#exchange = this.#owner.client.send(this.#events.request, this)
  }

  openLater(): void {
    this.#timer = setTimeout(() => this.open(), this.#events.nextPause())
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#exchange?.abort()
  }

  onHeaders(status: number, headers: IncomingHttpHeaders): void {
    this.#status = status
    if (status === 200 && isEventStream(headers)) this.#events.start()
    else this.#errorBody = new ErrorBody()
  }

  onData(chunk: Buffer): void {
    if (this.#errorBody === undefined) this.#events.feed(chunk)
    else this.#errorBody.feed(chunk)
  }

  onEnd(): void {
    const error = this.#errorBody?.error(this.#owner.client.name, this.#status)
    // A server that is broken or overloaded (5xx, 429) may give the stream at the next attempt.
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
