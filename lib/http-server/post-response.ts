// The HTTP response to one POST that has JSON-RPC requests in it. At first it is undecided whether
// the body is JSON or an event stream. If all JSON-RPC responses come first, the body is JSON. If
// the server sends another message first, or sends nothing for a while, the HTTP response becomes
// an event stream.

import type { OutgoingHttpHeaders, ServerResponse } from 'node:http'
import type { Log } from '../log.ts'
import type { Frame } from '../message/frame.ts'
import type { Id } from '../protocol/json-rpc.ts'
import type { DeadlineQueue, PendingItem } from '../streams/deadline-queue.ts'
import { Link } from '../streams/latest-set.ts'
import { withoutDetails } from './client-error.ts'
import { whenWritable } from './event-stream.ts'
import type { EventSink } from './event-stream.ts'
import type { Accept } from './request-context.ts'
import type { HttpResponse } from './request/http-response.ts'
import { writeHead } from './write-head.ts'

/** The transport that took the POST and owns its `PostResponse`. */
export interface PostResponseOwner {
  /** The log. It gets the details of errors, which clients do not get. */
  readonly log: Log
  /** An HTTP response that is still undecided at its deadline becomes an event stream. */
  readonly deadlines: DeadlineQueue
  /**
   * Returns the HTTP status and the additional headers of a JSON body. `frame` is the first
   * response in that body.
   */
  headFor(frame: Frame): { status: number; headers?: OutgoingHttpHeaders }
  /** Turns the HTTP response to `post` into an event stream, and returns that stream. */
  openStream(response: ServerResponse, post: PostResponse): EventSink
  /**
   * Called once: when each request has its response, or when the client cannot get them any more.
   */
  postOnEnd(post: PostResponse): void
  /**
   * Called when the HTTP response has closed.
   *
   * @param complete whether the client has received all of it, as far as the proxy knows
   */
  postOnClose?(post: PostResponse, complete: boolean): void
  /** Called with an exception that came while the HTTP response became an event stream. */
  fault(cause: unknown): void
}

export class PostResponse extends Link implements PendingItem {
  /**
   * The ids of the requests in the POST. There is at least one. The requests themselves are not
   * kept, because they may be large, and a response may take hours.
   */
  readonly ids: readonly Id[]
  /** The progress tokens of the requests that have one. */
  readonly tokens: readonly Id[]
  /** The number of this POST in the table of its session. */
  number = 0
  readonly #owner: PostResponseOwner
  readonly #http: HttpResponse
  readonly #accept: Accept
  /**
   * Whether the POST's body was an array. The JSON body of the HTTP response is then an array too.
   */
  readonly #batch: boolean
  /** How many requests have no JSON-RPC response yet. */
  #pendingRequests: number
  /** The JSON-RPC responses that wait until the whole batch has its responses. */
  readonly #waiting: Frame[] = []
  #stream: EventSink | undefined
  #ended = false

  constructor(
    owner: PostResponseOwner,
    response: HttpResponse,
    requests: Frame[],
    batch: boolean,
    accept: Accept
  ) {
    super()
    this.#owner = owner
    this.#http = response
    this.ids = requests.map(idOf)
    this.tokens = requests.some(hasToken) ? requests.filter(hasToken).map(tokenOf) : noTokens
    this.#batch = batch
    this.#accept = accept
    this.#pendingRequests = requests.length
    // A client that has already disconnected causes no further `close`.
    if (response.destroyed) process.nextTick(this.#httpOnClose)
    else response.whenClosed(this.#httpOnClose)
  }

  /**
   * Starts the time after which the HTTP response becomes an event stream. Call it when a server can
   * take the requests. Until then an error can still get its HTTP status.
   */
  start(): void {
    if (this.#ended) return
    if (!this.#accept.json) this.#open()
    else if (this.#accept.events) this.#owner.deadlines.add(this)
  }

  get ended(): boolean {
    return this.#ended
  }

  /** Whether no request waits for its response any more. */
  get settled(): boolean {
    return this.#pendingRequests === 0
  }

  /** The event stream that the HTTP response has become. Undefined as long as it is none. */
  get stream(): EventSink | undefined {
    return this.#stream
  }

  /** Whether the HTTP response is still undecided between JSON and an event stream. */
  get pending(): boolean {
    return !this.#ended && this.#stream === undefined
  }

  expire(): void {
    try {
      this.#open()
    } catch (cause) {
      // The headers may have been sent, so the client can get no error response.
      this.#http.destroy()
      this.#end()
      this.#owner.fault(cause)
    }
  }

  /** Whether the client accepts an event stream, which can carry more than JSON-RPC responses. */
  get streams(): boolean {
    return this.#accept.events
  }

  /** Whether the connection to the client is open. */
  get connected(): boolean {
    return this.#stream?.connected ?? !this.#http.destroyed
  }

  /**
   * Sends the response to one of the requests, or another message of the server.
   *
   * @param callback is called when the client can take more
   */
  send(frame: Frame, callback?: () => void): void {
    if (this.#ended) return callback?.()
    if (frame.kind !== 'response') {
      this.#open().send(frame, callback)
      return
    }
    const { failure } = frame
    const response = failure === undefined ? frame : withoutDetails(frame, failure, this.#owner.log)
    this.#pendingRequests--
    if (this.#stream !== undefined) this.#stream.send(response, callback)
    else this.#waiting.push(response)
    if (this.#pendingRequests > 0) {
      if (this.#stream === undefined) callback?.()
      return
    }
    if (this.#stream === undefined) this.#sendJson(callback)
    this.#end()
  }

  /**
   * Call this when the client has cancelled one of the requests, so this request gets no response.
   * If no request is left, the HTTP response ends: it is an event stream, or has the status 202.
   */
  cancel(): void {
    if (this.#ended || --this.#pendingRequests > 0) return
    if (this.#stream === undefined) {
      if (this.#waiting.length > 0) this.#sendJson()
      else writeHead(this.#http, 202).end()
    }
    this.#end()
  }

  #open(): EventSink {
    if (this.#stream !== undefined) return this.#stream
    this.#stream = this.#owner.openStream(this.#http, this)
    for (const frame of this.#waiting.splice(0)) this.#stream.send(frame)
    return this.#stream
  }

  #sendJson(callback?: () => void): void {
    const [first] = this.#waiting as [Frame]
    const { status, headers } = this.#owner.headFor(first)
    const { failure } = first
    const body = this.#batch ? joinArray(this.#waiting) : first.bytes
    writeHead(this.#http, failure?.code === 'ERR_INTERNAL' ? failure.status : status, {
      'content-type': 'application/json',
      'content-length': body.length,
      ...headers
    })
    this.#http.endWith(body)
    if (callback !== undefined) whenWritable(this.#http, callback)
  }

  #end(): void {
    if (this.#ended) return
    this.#ended = true
    this.#stream?.end()
    this.#owner.postOnEnd(this)
  }

  // A client that has lost its connection can resume an event stream, but not a JSON response.
  readonly #httpOnClose = (): void => {
    if (this.#stream === undefined) this.#end()
    this.#owner.postOnClose?.(this, this.#http.writableFinished)
  }
}

const noTokens: Id[] = []

const idOf = ({ id }: Frame): Id => id as Id
const hasToken = ({ progressToken }: Frame): boolean => progressToken !== undefined
const tokenOf = ({ progressToken }: Frame): Id => progressToken as Id

const comma = Buffer.from(',')

function joinArray(frames: Frame[]): Buffer {
  const parts = frames.flatMap(({ bytes }, index) => (index === 0 ? [bytes] : [comma, bytes]))
  return Buffer.concat([Buffer.from('['), ...parts, Buffer.from(']')])
}
