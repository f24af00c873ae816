// The HTTP response to one POST with requests in it. It starts undecided: it becomes JSON if the
// JSON-RPC responses are the first that the server sends, and an event stream if another message comes
// first, or if nothing comes for a while.

import type { OutgoingHttpHeaders, ServerResponse } from 'node:http'
import type { Frame } from '../message/frame.ts'
import type { Id } from '../protocol/json-rpc.ts'
import type { DeadlineQueue, PendingItem } from '../streams/deadline-queue.ts'
import { whenWritable } from './event-stream.ts'
import type { EventSink } from './event-stream.ts'
import type { Accept } from './request-context.ts'

/** The transport that took the POST. */
export interface PostResponseOwner {
  /** A response that is still undecided at its deadline becomes an event stream. */
  readonly deadlines: DeadlineQueue
  /** The status of a JSON body that begins with this JSON-RPC response, and headers to add. */
  headFor(frame: Frame): { status: number; headers?: OutgoingHttpHeaders }
  /** Makes the HTTP response an event stream. */
  openStream(response: ServerResponse): EventSink
  /** Called once: each request has its JSON-RPC response, or the client has gone for good. */
  postOnEnd(post: PostResponse): void
}

export class PostResponse implements PendingItem {
  /** The requests in the POST: at least one. */
  readonly requests: Frame[]
  readonly #owner: PostResponseOwner
  readonly #http: ServerResponse
  readonly #accept: Accept
  /** The body was an array, so a JSON response is one too. */
  readonly #batch: boolean
  /** How many requests have no JSON-RPC response yet. */
  #pendingRequests: number
  /** JSON-RPC responses that wait for the others of the batch. */
  readonly #waiting: Frame[] = []
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
    this.#http = response
    this.requests = requests
    this.#batch = batch
    this.#accept = accept
    this.#pendingRequests = requests.length
    if (!accept.json) this.#open()
    else if (accept.events) owner.deadlines.add(this)
    response.once('close', this.#httpOnClose)
  }

  get ended(): boolean {
    return this.#ended
  }

  /** Whether it is still undecided between JSON and an event stream. */
  get pending(): boolean {
    return !this.#ended && this.#stream === undefined
  }

  expire(): void {
    this.#open()
  }

  /** Whether one of the requests asked for progress under this token. */
  expects(token: Id): boolean {
    return this.requests.some(({ progressToken }) => progressToken === token)
  }

  /** Whether it can carry messages other than the JSON-RPC responses. */
  get streams(): boolean {
    return this.#accept.events
  }

  /** Whether there is an open connection to the client. */
  get connected(): boolean {
    return this.#stream?.connected ?? !this.#http.destroyed
  }

  /**
   * Sends a message that belongs to the requests, or the JSON-RPC response to one of them.
   *
   * @param callback called when the client can take more
   */
  send(frame: Frame, callback?: () => void): void {
    if (this.#ended) return callback?.()
    if (frame.kind !== 'response') {
      this.#open().send(frame, callback)
      return
    }
    this.#pendingRequests--
    if (this.#stream !== undefined) this.#stream.send(frame, callback)
    else this.#waiting.push(frame)
    if (this.#pendingRequests > 0) {
      if (this.#stream === undefined) callback?.()
      return
    }
    if (this.#stream === undefined) this.#sendJson(callback)
    this.#end()
  }

  #open(): EventSink {
    if (this.#stream !== undefined) return this.#stream
    this.#stream = this.#owner.openStream(this.#http)
    for (const frame of this.#waiting.splice(0)) this.#stream.send(frame)
    return this.#stream
  }

  #sendJson(callback?: () => void): void {
    const [first] = this.#waiting as [Frame]
    const { status, headers } = this.#owner.headFor(first)
    const { failure } = first
    const body = this.#batch ? joinArray(this.#waiting) : first.bytes
    this.#http.writeHead(failure?.code === 'ERR_INTERNAL' ? failure.status : status, {
      'content-type': 'application/json',
      'content-length': body.length,
      ...headers
    })
    endWith(this.#http, body)
    if (callback !== undefined) whenWritable(this.#http, callback)
  }

  #end(): void {
    if (this.#ended) return
    this.#ended = true
    this.#stream?.end()
    this.#owner.postOnEnd(this)
  }

  // The client can resume an event stream. Without a stream it cannot come back.
  readonly #httpOnClose = (): void => {
    if (this.#stream === undefined) this.#end()
  }
}

/** Up to this size, in bytes, copying a body takes less time than another system call. */
const maxCopy = 64 * 1024

// Node sends a string together with the headers. Latin-1 maps each byte to one character.
function endWith(response: ServerResponse, body: Buffer): void {
  if (body.length > maxCopy) response.end(body)
  else response.end(body.toString('latin1'), 'latin1')
}

const comma = Buffer.from(',')

function joinArray(frames: Frame[]): Buffer {
  const parts = frames.flatMap(({ bytes }, index) => (index === 0 ? [bytes] : [comma, bytes]))
  return Buffer.concat([Buffer.from('['), ...parts, Buffer.from(']')])
}
