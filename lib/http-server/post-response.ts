// One POST with requests in it, and the response that will carry the answers: as JSON if they are
// the first that the server says, as an event stream if something else is, or if they take long.

import type { OutgoingHttpHeaders, ServerResponse } from 'node:http'
import type { Frame } from '../message/frame.ts'
import type { Id } from '../protocol/json-rpc.ts'
import type { DeadlineQueue, PendingItem } from '../streams/deadline-queue.ts'
import { whenWritable } from './event-stream.ts'
import type { EventSink } from './event-stream.ts'

/** The transport that a POST belongs to. */
export interface PostResponseOwner {
  /** When it is at its end, an event stream is opened. */
  readonly deadlines: DeadlineQueue
  /** The status and the headers that go with an answer as JSON, besides those that any has. */
  headOf(answer: Frame): { status: number; headers?: OutgoingHttpHeaders }
  /** Opens the event stream on the response. */
  openStream(response: ServerResponse): EventSink
  /** The exchange has come to its end: all is answered, or nobody is there to be answered. */
  postOnEnd(exchange: PostResponse): void
}

/** What the client can take as an answer. */
export interface Accept {
  json: boolean
  events: boolean
}

export class PostResponse implements PendingItem {
  /** What came in the POST: one request at the least, and nothing else. */
  readonly requests: Frame[]
  readonly #owner: PostResponseOwner
  readonly #response: ServerResponse
  readonly #accept: Accept
  /** They came as an array. */
  readonly #batch: boolean
  #unanswered: number
  readonly #answers: Frame[] = []
  #stream: EventSink | undefined
  #ended = false

  constructor(
    owner: PostResponseOwner,
    response: ServerResponse,
    requests: Frame[],
    batch: boolean,
    accept: Accept
  ) {
    this.#owner = owner
    this.#response = response
    this.requests = requests
    this.#batch = batch
    this.#accept = accept
    this.#unanswered = requests.length
    if (!accept.json) this.#open()
    else if (accept.events) owner.deadlines.add(this)
    response.once('close', this.#responseOnClose)
  }

  get ended(): boolean {
    return this.#ended
  }

  get pending(): boolean {
    return !this.#ended && this.#stream === undefined
  }

  expire(): void {
    this.#open()
  }

  /** Whether progress under this token belongs here. */
  expects(token: Id): boolean {
    return this.requests.some(({ progressToken }) => progressToken === token)
  }

  /** Whether what is no answer can be sent here. */
  get streams(): boolean {
    return this.#accept.events
  }

  /** Whether somebody is there to get it, and need not come back first. */
  get connected(): boolean {
    return this.#stream?.connected ?? !this.#response.destroyed
  }

  /**
   * Sends a frame on its way: what belongs to the requests, and one answer to each.
   *
   * @param callback called when the client can take more
   */
  send(frame: Frame, callback?: () => void): void {
    if (this.#ended) return callback?.()
    if (frame.kind !== 'response') {
      this.#open().send(frame, callback)
      return
    }
    this.#unanswered--
    if (this.#stream !== undefined) this.#stream.send(frame, callback)
    else this.#answers.push(frame)
    if (this.#unanswered > 0) {
      if (this.#stream === undefined) callback?.()
      return
    }
    if (this.#stream === undefined) this.#answerAsJson(callback)
    this.#end()
  }

  #open(): EventSink {
    if (this.#stream !== undefined) return this.#stream
    this.#stream = this.#owner.openStream(this.#response)
    for (const answer of this.#answers.splice(0)) this.#stream.send(answer)
    return this.#stream
  }

  #answerAsJson(callback?: () => void): void {
    const response = this.#response
    const [first] = this.#answers as [Frame]
    const { status, headers } = this.#owner.headOf(first)
    const body = this.#batch ? joinArray(this.#answers) : first.bytes
    response.writeHead(status, {
      'content-type': 'application/json',
      'content-length': body.length,
      ...headers
    })
    endWith(response, body)
    if (callback !== undefined) whenWritable(response, callback)
  }

  #end(): void {
    if (this.#ended) return
    this.#ended = true
    this.#stream?.end()
    this.#owner.postOnEnd(this)
  }

  // Without a stream there is no way back to what the client asked. With one there is.
  readonly #responseOnClose = (): void => {
    if (this.#stream === undefined) this.#end()
  }
}

/** Up to here, in bytes, copying a body takes less time than another call to the system. */
const maxCopy = 64 * 1024

// A string goes out together with the headers. As Latin-1 it stands for any bytes.
function endWith(response: ServerResponse, body: Buffer): void {
  if (body.length > maxCopy) response.end(body)
  else response.end(body.toString('latin1'), 'latin1')
}

const comma = Buffer.from(',')

function joinArray(frames: Frame[]): Buffer {
  const parts = frames.flatMap(({ bytes }, index) => (index === 0 ? [bytes] : [comma, bytes]))
  return Buffer.concat([Buffer.from('['), ...parts, Buffer.from(']')])
}
