// An event stream that is asked for with GET, and asked for again where it breaks.

import type { IncomingHttpHeaders } from 'node:http'
import type { HttpStatusError, ProxyError } from '../errors.ts'
import type { EventReader } from './event-reader.ts'
import { Excerpt, isEventStream } from './http-client.ts'
import type { HttpClient, HttpExchange, ReplyHandler } from './http-client.ts'

export interface GetOwner {
  readonly client: HttpClient
  /** The server will not give the stream. */
  getOnRefused(error: HttpStatusError): void
  /** The stream has ended, or could not be had this time. Returns whether to ask again. */
  getOnEnd(error?: ProxyError): boolean
}

export class GetStream implements ReplyHandler {
  readonly #owner: GetOwner
  readonly #events: EventReader
  #exchange: HttpExchange | undefined
  #status = 0
  #excerpt: Excerpt | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(owner: GetOwner, events: EventReader) {
    this.#owner = owner
    this.#events = events
  }

  open(): void {
    this.#excerpt = undefined
    this.#exchange = this.#owner.client.send(this.#events.request, this)
  }

  openLater(): void {
    this.#timer = setTimeout(() => this.open(), this.#events.nextPause())
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#exchange?.abort()
  }

  onReply(status: number, headers: IncomingHttpHeaders): void {
    this.#status = status
    if (status === 200 && isEventStream(headers)) this.#events.begin()
    else this.#excerpt = new Excerpt()
  }

  onData(chunk: Buffer): void {
    if (this.#excerpt === undefined) this.#events.feed(chunk)
    else this.#excerpt.feed(chunk)
  }

  onEnd(): void {
    const error = this.#excerpt?.error(this.#owner.client.name, this.#status)
    // A server in trouble, or one that has too much to do, may do better the next time.
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
