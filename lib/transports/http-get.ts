// The event stream that a server may offer on GET, for what it says unasked. It is opened when the
// session is, and opened again where it broke, for as long as the session lives.

import type { IncomingHttpHeaders } from 'node:http'
import type { ProxyError } from '../errors.ts'
import { describe } from '../errors.ts'
import { refuse } from '../frame.ts'
import type { Frame } from '../frame.ts'
import { SseParser } from '../framing/sse.ts'
import { limits } from '../limits.ts'
import type { Log } from '../log.ts'
import type { Exchange, HttpClient, ReplyHandler } from './http-client.ts'

export interface GetOwner {
  readonly client: HttpClient
  readonly maxMessage: number
  readonly log: Log
  sessionHeaders(): Record<string, string>
  deliver(frame: Frame): void
  answer(frame: Frame): void
  /** The server has forgotten the session. */
  getOnRefused(): void
}

/** The longest pause between two attempts, in milliseconds. */
const maxPause = 30_000

export class Get implements ReplyHandler {
  readonly #owner: GetOwner
  #exchange: Exchange | undefined
  #events: SseParser | undefined
  #lastEventId: string | undefined
  #retry = limits.retry
  #failures = 0
  #timer: NodeJS.Timeout | undefined

  constructor(owner: GetOwner) {
    this.#owner = owner
    this.#open()
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#exchange?.abort()
  }

  onReply(status: number, headers: IncomingHttpHeaders): void {
    if (status === 200 && /^text\/event-stream\b/i.test(headers['content-type'] ?? '')) {
      this.#failures = 0
      this.#events = this.#eventParser()
      return
    }
    if (status >= 500) return // the end of the answer comes, and then the next attempt
    this.stop()
    if (status === 404) this.#owner.getOnRefused()
    // 405 is how a server says that it offers none. Others mean the same, less clearly.
    else this.#owner.log.debug(`${this.#owner.client.name} offers no stream on GET (${status})`)
  }

  onData(chunk: Buffer): void {
    this.#events?.feed(chunk)
  }

  onEnd(): void {
    this.#openLater()
  }

  onError(error: ProxyError): void {
    this.#owner.log.debug(describe(error))
    this.#openLater()
  }

  #open(): void {
    this.#events = undefined
    const headers = {
      accept: 'text/event-stream',
      ...(this.#lastEventId !== undefined && { 'last-event-id': this.#lastEventId }),
      ...this.#owner.sessionHeaders()
    }
    this.#exchange = this.#owner.client.send({ method: 'GET', headers }, this)
  }

  #openLater(): void {
    const pause = Math.min(this.#retry * 2 ** this.#failures++, maxPause)
    this.#timer = setTimeout(() => this.#open(), pause)
  }

  #eventParser(): SseParser {
    return new SseParser({
      maxMessage: this.#owner.maxMessage,
      onFrame: (frame) => this.#owner.deliver(frame),
      onInvalid: (error, envelope) => {
        const { back, onward } = refuse(error, envelope)
        if (onward !== undefined) this.#owner.deliver(onward)
        if (back !== undefined) this.#owner.answer(back)
      },
      onId: (id) => (this.#lastEventId = id),
      onRetry: (time) => (this.#retry = time)
    })
  }
}
