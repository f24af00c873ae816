// Reading an event stream from a server over Streamable HTTP, together with those that take it up
// where it broke: they are one stream, on several connections.

import { describe } from '../errors.ts'
import type { ProxyError } from '../errors.ts'
import { SseParser } from '../framing/sse.ts'
import { limits } from '../limits.ts'
import type { Log } from '../log.ts'
import { refuse } from '../message/frame.ts'
import type { Envelope, Frame } from '../message/frame.ts'
import { headerNames } from '../protocol/headers.ts'
import type { HttpClient, HttpRequest } from './http-client.ts'

/** The transport that a stream belongs to. */
export interface EventsOwner {
  readonly client: HttpClient
  readonly log: Log
  readonly maxMessage: number
  /** The headers that name the session and the revision. */
  sessionHeaders(): Record<string, string>
  /** A stream that broke can be taken up again, if its events had ids. */
  readonly resumes: boolean
  /** A frame has come. */
  deliver(frame: Frame): void
  /** A frame of the proxy's own must go to the server. */
  answer(frame: Frame): void
}

/** The pause between two attempts doubles up to this, in milliseconds. A server may ask for longer. */
const maxPause = 30_000
/** The longest that a timer can wait. */
const maxTime = 2 ** 31 - 1

export class EventReader {
  /** Attempts in a row that gave no stream. */
  failures = 0
  /** What came that could not be read. It may have been what somebody waits for. */
  fault: ProxyError | undefined
  readonly #owner: EventsOwner
  #parser: SseParser | undefined
  /** Empty when there is none: that is how a server takes it back, too. */
  #lastEventId = ''
  #retry = limits.retry

  constructor(owner: EventsOwner) {
    this.#owner = owner
  }

  /** There has been a stream. */
  get begun(): boolean {
    return this.#parser !== undefined
  }

  /** The server can be asked for what follows the last event. */
  get resumable(): boolean {
    return this.#owner.resumes && this.#lastEventId !== ''
  }

  /** The stream has been opened. What the connection before broke off in mid-event is void. */
  begin(): void {
    this.failures = 0
    this.#parser = new SseParser({
      maxMessage: this.#owner.maxMessage,
      onFrame: (frame) => this.#owner.deliver(frame),
      onInvalid: (error, envelope) => this.#onInvalid(error, envelope),
      onId: (id) => (this.#lastEventId = id),
      onRetry: (time) => (this.#retry = Math.min(time, maxTime))
    })
  }

  feed(chunk: Buffer): void {
    this.#parser?.feed(chunk)
  }

  /** What asks for the stream, from where it broke. */
  get request(): HttpRequest {
    const headers: Record<string, string> = {
      accept: 'text/event-stream',
      ...this.#owner.sessionHeaders()
    }
    // In a header, too, its characters are UTF-8.
    const lastEventId = Buffer.from(this.#lastEventId).toString('latin1')
    if (this.resumable) headers[headerNames.lastEventId] = lastEventId
    return { method: 'GET', headers }
  }

  /** Counts one more attempt, and gives the milliseconds to wait before it. */
  nextPause(): number {
    const pause = Math.min(this.#retry * 2 ** this.failures++, maxPause)
    return Math.max(pause, this.#retry)
  }

  #onInvalid(error: ProxyError, envelope?: Envelope): void {
    this.#owner.log.warn(
      `${this.#owner.client.name} sent what is not a message: ${describe(error)}`
    )
    const { back, onward } = refuse(error, envelope)
    if (onward !== undefined) this.#owner.deliver(onward)
    else if (back !== undefined) this.#owner.answer(back)
    else this.fault = error
  }
}
