// Reads an event stream of the server. If the connection breaks, the stream can continue on another
// connection. For this, the reader keeps the id of the last event and builds the request that asks
// for the events after it.
//
// An attempt to continue is empty if it brings nothing new. If the events have ids, a changed id is
// new. If they have none, each message is new. The pauses double with each empty attempt in a row.

import type { IncomingHttpHeaders } from 'node:http'
import { describe, ProxyError } from '../errors.ts'
import { SseParser } from '../framing/sse.ts'
import type { Log } from '../log.ts'
import type { Envelope } from '../message/envelope.ts'
import type { Frame } from '../message/frame.ts'
import { fromServer, refuse } from '../message/refusal.ts'
import { headerNames } from '../protocol/headers.ts'
import type { HttpClient } from './http-client.ts'
import type { HttpRequest } from './http-exchange.ts'

/** The owner of an event stream. It receives the frames. */
export interface EventsOwner {
  readonly client: HttpClient
  readonly log: Log
  readonly maxMessage: number
  /**
   * Whether the server may send a response on the stream of a GET: the rest of a broken stream (if
   * its events have ids), or the response to a request that got 202.
   */
  readonly resumes: boolean
  /** The headers that name the session and the revision. */
  readonly sessionHeaders: Record<string, string>
  /** Takes a frame that the server sent. */
  deliver(frame: Frame): void
  /**
   * Sends an error response to the server, because a request of the server was not a valid message.
   */
  sendBack(response: Frame): void
}

/** The first pause before an attempt, in ms. With `retry` a server can ask for a longer pause. */
const minPause = 100
/** The pause doubles up to this time, in ms. It is longer only if the server asks for more. */
const maxPause = 30_000
/** The longest time that a timer can wait, in milliseconds. */
const maxTime = 2 ** 31 - 1

export const isEventStream = (headers: IncomingHttpHeaders): boolean =>
  /^text\/event-stream\b/i.test(headers['content-type'] ?? '')

export class EventReader {
  /** The number of empty attempts in a row. */
  failures = 0
  /**
   * Why an event could not be read (the last such event). The lost event may have been a response.
   */
  fault: ProxyError | undefined
  readonly #owner: EventsOwner
  readonly #onNamedEvent: ((name: string, data: string) => void) | undefined
  #parser: SseParser | undefined
  /** Empty if no event had an id. A server can also reset the id with an empty one. */
  #lastEventId = ''
  #retry = 0
  /** When the last attempt opened the stream, in ms of `performance.now()`. */
  #startTime = Infinity

  /** @param onNamedEvent takes an event that has a name, such as `endpoint` */
  constructor(owner: EventsOwner, onNamedEvent?: (name: string, data: string) => void) {
    this.#owner = owner
    this.#onNamedEvent = onNamedEvent
  }

  /** Whether the server has opened the stream at least once. */
  get started(): boolean {
    return this.#parser !== undefined
  }

  /** Whether the proxy can ask the server for the events after the last one. */
  get resumable(): boolean {
    return this.#owner.resumes && this.#lastEventId !== ''
  }

  /**
   * Call this when a connection opens the stream. It drops an event that the last connection did
   * not finish.
   */
  start(): void {
    this.#startTime = performance.now()
    this.#parser = new SseParser({
      maxMessage: this.#owner.maxMessage,
      onFrame: (frame) => this.#onFrame(frame),
      onInvalid: (error, envelope) => this.#onInvalid(error, envelope),
      onEvent: (name, data) => this.#onNamedEvent?.(name, data),
      onId: (id) => this.#onId(id),
      onRetry: (time) => (this.#retry = Math.min(time, maxTime))
    })
  }

  feed(chunk: Buffer): void {
    this.#parser?.feed(chunk)
  }

  /** The request that opens the stream. If possible, it asks for the events after the last one. */
  get request(): HttpRequest {
    const headers: Record<string, string> = {
      accept: 'text/event-stream',
      ...this.#owner.sessionHeaders
    }
    // undici writes a header as latin1. This conversion sends the id as the UTF-8 bytes that came
    // in the event.
    const lastEventId = Buffer.from(this.#lastEventId).toString('latin1')
    if (this.resumable) headers[headerNames.lastEventId] = lastEventId
    return { method: 'GET', headers }
  }

  /** Counts one more attempt. Returns how many milliseconds to wait before it. */
  nextPause(): number {
    this.#startTime = Infinity
    const pause = Math.min(minPause * 2 ** this.failures++, maxPause)
    return Math.max(pause, this.#retry)
  }

  /** A stream that was open for a long time is no empty attempt, even if it brought nothing. */
  forgiveLongStream(): void {
    if (performance.now() - this.#startTime >= maxPause) this.failures = 0
  }

  #onId(id: string): void {
    if (id !== this.#lastEventId) this.failures = 0
    this.#lastEventId = id
  }

  // An exception must not reach the parser, because the parser would drop the other frames of the
  // chunk.
  #onFrame(frame: Frame): void {
    if (this.#lastEventId === '') this.failures = 0
    try {
      this.#owner.deliver(frame)
    } catch (cause) {
      const message = `cannot handle a ${frame.kind} of ${this.#owner.client.name}`
      this.fault = new ProxyError('ERR_HTTP_ANSWER', message, { cause })
      this.#owner.log.warn(describe(this.fault))
    }
  }

  #onInvalid(error: ProxyError, found?: Envelope): void {
    const envelope = fromServer(found)
    const isTooLarge = error.code === 'ERR_FRAME_TOO_LARGE'
    const message = `${this.#owner.client.name} sent an invalid message`
    const failure = new ProxyError('ERR_HTTP_ANSWER', message, { cause: error })
    this.#owner.log.warn(describe(failure))
    const isResponse = envelope?.kind === 'response' && !isTooLarge
    const { back, onward } = refuse(isResponse ? failure : error, envelope)
    if (onward !== undefined) this.#onFrame(onward)
    else if (back !== undefined) this.#owner.sendBack(back)
    else this.fault = error
  }
}
