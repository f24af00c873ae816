// One POST with requests in it, and the response that will carry the answers: as JSON if they are
// the first that the server says, as an event stream if something else is, or if they take long.

import type { OutgoingHttpHeaders, ServerResponse } from 'node:http'
import type { Frame, Id } from '../frame.ts'
import type { EventSink } from './event-stream.ts'
import { whenWritable } from './event-stream.ts'

export interface ExchangeOptions {
  response: ServerResponse
  /** The requests that came in the POST, one at the least. */
  frames: Frame[]
  /** They came as an array. */
  batch: boolean
  accept: Accept
  /** Milliseconds until an event stream is opened (0: not for that reason). */
  streamAfter: number
  headers(): OutgoingHttpHeaders
  /** The status that goes with an answer as JSON (200 for all). */
  statusOf?: ((answer: Frame) => number) | undefined
  /** Opens the event stream on the response. */
  openStream(): EventSink
  /** The exchange has come to its end: all is answered, or nobody is there to be answered. */
  onEnd(): void
}

/** What the client can take as an answer. */
export interface Accept {
  json: boolean
  events: boolean
}

export class Exchange {
  readonly #options: ExchangeOptions
  readonly #owed = new Set<Id>()
  readonly #tokens = new Set<Id>()
  #answers: Frame[] = []
  #stream: EventSink | undefined
  #timer: NodeJS.Timeout | undefined
  #ended = false

  constructor(options: ExchangeOptions) {
    this.#options = options
    for (const { id, progressToken } of options.frames) {
      this.#owed.add(id as Id)
      if (progressToken !== undefined) this.#tokens.add(progressToken)
    }
    const { accept, response, streamAfter } = options
    if (!accept.json) this.#open()
    else if (accept.events && streamAfter > 0) {
      this.#timer = setTimeout(() => this.#open(), streamAfter)
    }
    response.once('close', this.#responseOnClose)
  }

  get owed(): Iterable<Id> {
    return this.#owed
  }

  owes(id: Id): boolean {
    return this.#owed.has(id)
  }

  /** Whether progress under this token belongs here. */
  expects(token: Id): boolean {
    return this.#tokens.has(token)
  }

  /** Whether what is no answer can be sent here. */
  get streams(): boolean {
    return this.#options.accept.events
  }

  /** Whether somebody is there to get it, and need not come back first. */
  get connected(): boolean {
    return this.#stream?.connected ?? !this.#options.response.destroyed
  }

  /** Sends a frame on its way; `callback` is called when the client can take more. */
  send(frame: Frame, callback?: () => void): void {
    if (this.#ended) return callback?.()
    if (frame.kind !== 'response') {
      this.#open().send(frame, callback)
      return
    }
    this.#owed.delete(frame.id as Id)
    if (this.#stream !== undefined) this.#stream.send(frame, callback)
    else this.#answers.push(frame)
    if (this.#owed.size > 0) {
      if (this.#stream === undefined) callback?.()
      return
    }
    if (this.#stream === undefined) this.#answerAsJson(callback)
    this.#end()
  }

  #open(): EventSink {
    clearTimeout(this.#timer)
    if (this.#stream !== undefined) return this.#stream
    this.#stream = this.#options.openStream()
    for (const answer of this.#answers.splice(0)) this.#stream.send(answer)
    return this.#stream
  }

  #answerAsJson(callback?: () => void): void {
    const { response, batch } = this.#options
    const [first] = this.#answers as [Frame]
    const status = this.#options.statusOf?.(first) ?? 200
    const body = batch ? joinArray(this.#answers) : first.bytes
    this.#answers = []
    response.writeHead(status, {
      'content-type': 'application/json',
      'content-length': body.length,
      ...this.#options.headers()
    })
    response.end(body)
    if (callback !== undefined) whenWritable(response, callback)
  }

  #end(): void {
    if (this.#ended) return
    this.#ended = true
    clearTimeout(this.#timer)
    this.#stream?.end()
    this.#options.onEnd()
  }

  // Without a stream there is no way back to what the client asked. With one there is.
  readonly #responseOnClose = (): void => {
    if (this.#stream === undefined) this.#end()
  }
}

const comma = Buffer.from(',')

function joinArray(frames: Frame[]): Buffer {
  const parts = frames.flatMap(({ bytes }, index) => (index === 0 ? [bytes] : [comma, bytes]))
  return Buffer.concat([Buffer.from('['), ...parts, Buffer.from(']')])
}
