// Reads an event stream of the server. The stream may break and go on over another connection: the
// reader keeps the id of the last event, and makes the request that resumes the stream after it.

import type { IncomingHttpHeaders } from 'node:http'
import { describe, ProxyError } from '../errors.ts'
import { SseParser } from '../framing/sse.ts'
import { limits } from '../limits.ts'
import type { Log } from '../log.ts'
import type { Envelope } from '../message/envelope.ts'
import type { Frame } from '../message/frame.ts'
import { refuse } from '../message/refusal.ts'
import { headerNames } from '../protocol/headers.ts'
import type { HttpClient } from './http-client.ts'
import type { HttpRequest } from './http-exchange.ts'

/** The owner of a stream: it gets the frames. */
export interface EventsOwner {
  readonly client: HttpClient
  readonly log: Log
  readonly maxMessage: number
  /** A broken stream can be resumed if its events have ids. */
  readonly resumes: boolean
  /** The headers that name the session and the revision. */
  readonly sessionHeaders: Record<string, string>
  /** Takes a frame that the server sent. */
  deliver(frame: Frame): void
  /** Sends an error response to the server, for a request of the server that is no valid message. */
  sendBack(response: Frame): void
  /** Takes an event that has a name, such as `endpoint`. */
  onNamedEvent?(name: string, data: string): void
}

/** The pause between two attempts doubles up to this, in milliseconds. A server may ask for longer. */
const maxPause = 30_000
/** The longest time that a timer can wait, in milliseconds. */
const maxTime = 2 ** 31 - 1

export const isEventStream = (headers: IncomingHttpHeaders): boolean =>
  /^text\/event-stream\b/i.test(headers['content-type'] ?? '')

export class EventReader {
  /** Attempts in a row that gave no stream. */
  failures = 0
  /** Why the last unreadable event could not be read. It may have been a response. */
  fault: ProxyError | undefined
  readonly #owner: EventsOwner
  #parser: SseParser | undefined
  /** Empty without an id. A server also takes its last id back with an empty one. */
  #lastEventId = ''
  #retry = limits.retry

  constructor(owner: EventsOwner) {
    this.#owner = owner
  }

  /** The server has given the stream at least once. */
  get started(): boolean {
    return this.#parser !== undefined
  }

  /** The server can be asked for the events after the last one. */
  get resumable(): boolean {
    return this.#owner.resumes && this.#lastEventId !== ''
  }

  /** A connection brings the stream. Drops an event that the connection before it did not finish. */
  start(): void {
    this.failures = 0
    this.#parser = new SseParser({
      maxMessage: this.#owner.maxMessage,
      onFrame: (frame) => this.#onFrame(frame),
      onInvalid: (error, envelope) => this.#onInvalid(error, envelope),
      onEvent: (name, data) => this.#owner.onNamedEvent?.(name, data),
      onId: (id) => (this.#lastEventId = id),
      onRetry: (time) => (this.#retry = Math.min(time, maxTime))
    })
  }

  feed(chunk: Buffer): void {
    this.#parser?.feed(chunk)
  }

  /** The request for the stream: for all of it, or for the events after the last one. */
  get request(): HttpRequest {
    const headers: Record<string, string> = {
      accept: 'text/event-stream',
      ...this.#owner.sessionHeaders
    }
    // The characters of an id are UTF-8 in a header, too.
    const lastEventId = Buffer.from(this.#lastEventId).toString('latin1')
    if (this.resumable) headers[headerNames.lastEventId] = lastEventId
    return { method: 'GET', headers }
  }

  /** Counts one more attempt, and gives the milliseconds to wait before it. */
  nextPause(): number {
    const pause = Math.min(this.#retry * 2 ** this.failures++, maxPause)
    return Math.max(pause, this.#retry)
  }

  // An exception must not reach the parser: the rest of the chunk holds other frames.
  #onFrame(frame: Frame): void {
    try {
      this.#owner.deliver(frame)
    } catch (cause) {
      const message = `cannot handle a ${frame.kind} of ${this.#owner.client.name}`
      this.fault = new ProxyError('ERR_HTTP_ANSWER', message, { cause })
      this.#owner.log.warn(describe(this.fault))
    }
  }

  #onInvalid(error: ProxyError, envelope?: Envelope): void {
    this.#owner.log.warn(`${this.#owner.client.name} sent an invalid message: ${describe(error)}`)
    const { back, onward } = refuse(error, envelope)
    if (onward !== undefined) this.#onFrame(onward)
    else if (back !== undefined) this.#owner.sendBack(back)
    else this.fault = error
  }
}
