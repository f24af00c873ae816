// The client without a session. A `PostExchange` is one POST with one JSON-RPC request, and what the server
// sends for it. A `PostTransport` is its transport: the readable side yields the request, the writable side
// sends the server's notifications and the response to the client, and the transport then ends. A
// `NotificationTransport` lives for one POST with one notification, until the server has taken the
// notification. If the client closes the connection, all of them are destroyed.

import { describe, internalError, ProxyError, toProxyError } from '../errors.ts'
import type { Body } from '../framing/body.ts'
import type { Replacement } from '../json/splice.ts'
import { limits } from '../limits.ts'
import type { Log } from '../log.ts'
import type { CallCounter } from '../message/client-requests.ts'
import { makeFrame } from '../message/frame.ts'
import type { Frame } from '../message/frame.ts'
import { errorFrame } from '../message/refusal.ts'
import { answerTo, idText } from '../message/response-to.ts'
import { completeResult, jsonRpcVersion } from '../protocol/json-rpc.ts'
import { metaKeys } from '../protocol/meta-keys.ts'
import { methods } from '../protocol/methods.ts'
import type { Callback, DestroyCallback } from '../streams/callbacks.ts'
import type { DeadlineQueue } from '../streams/deadline-queue.ts'
import type { Exchange } from '../streams/exchange.ts'
import { publishMessage } from '../streams/facts.ts'
import type { FactClient } from '../streams/facts.ts'
import { Transport } from '../streams/transport.ts'
import { EventStream } from './event-stream.ts'
import type { EventSink } from './event-stream.ts'
import { PostResponse } from './post-response.ts'
import type { PostResponseOwner } from './post-response.ts'
import type { WaitingBodies } from './request/body-budget.ts'
import type { HttpResponse } from './request/http-response.ts'
import type { Accept } from './request-context.ts'
import { writeHead } from './write-head.ts'

export interface PostOptions {
  response: HttpResponse
  /** The body of the POST: one request. */
  body: Body
  accept: Accept
  /** Returns the HTTP status for a JSON-RPC response (default: always 200). */
  statusOf?: ((response: Frame) => number) | undefined
  /**
   * An event stream that is silent for this long gets a comment, in ms (default 15 000; 0: never).
   */
  keepAlive?: number | undefined
  /**
   * Decides when the HTTP response becomes an event stream. Many transports may share one queue.
   */
  deadlines: DeadlineQueue
  /** Counts the body until the server has shown that it has the request (default: not counted). */
  waiting?: WaitingBodies | undefined
  /** What facts about this client say about it. */
  client: FactClient
  /** Called once, at the end of the exchange. */
  onEnd: (exchange: PostExchange, error: Error | null) => void
  /** Counts the request while it is in flight (default: nothing counts it). */
  calls?: CallCounter | undefined
  /** The log. It gets the details of errors, which clients do not get. */
  log: Log
}

export class PostExchange implements Exchange, PostResponseOwner {
  readonly request: Frame
  readonly client: FactClient
  readonly log: Log
  readonly deadlines: DeadlineQueue
  onClose: (error?: Error) => void = nothing
  /** The number of this exchange in the table of the endpoint. */
  number = 0
  /** Called when the request has its response. */
  onResponse: () => void = nothing
  readonly #onEnd: PostOptions['onEnd']
  readonly #calls: CallCounter | undefined
  readonly #keepAlive: number
  readonly #statusOf: ((response: Frame) => number) | undefined
  readonly #post: PostResponse
  readonly #waiting: WaitingBodies | undefined
  /** The size that `#waiting` counts for this exchange. */
  #waitingSize: number
  #whenServed: (() => void) | undefined
  #destroyed = false

  constructor(options: PostOptions) {
    const { response, body, accept } = options
    this.request = body.frames[0] as Frame
    this.client = options.client
    this.log = options.log
    this.#onEnd = options.onEnd
    this.#waiting = options.waiting
    this.#waitingSize = options.waiting?.add(this.request.bytes.length) ?? 0
    this.deadlines = options.deadlines
    this.#calls = options.calls
    if (this.#calls !== undefined) this.#calls.calls++
    this.#keepAlive = options.keepAlive ?? limits.keepAlive
    this.#statusOf = options.statusOf
    this.#post = new PostResponse(this, response, body.frames, body.batch, accept)
  }

  /**
   * Resolves when the server has sent its first message for this client, or when this is destroyed.
   */
  served(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#destroyed) resolve()
      else this.#whenServed = resolve
    })
  }

  /**
   * Call this when the subscription has ended. If the request of the client is
   * `subscriptions/listen`, this sends its response, so that the client learns of the end.
   */
  endSubscription(): void {
    if (this.request.method !== methods.listen) return
    const key = metaKeys.subscriptionId
    const result = { resultType: completeResult, _meta: { [key]: 0 } }
    const subscriptionId = { path: ['result', '_meta', key], text: idText(this.request) }
    this.#respond(makeFrame({ jsonrpc: jsonRpcVersion, id: 0, result }), [subscriptionId])
  }

  headFor(frame: Frame): { status: number } {
    return { status: this.#statusOf?.(frame) ?? 200 }
  }

  openStream(response: HttpResponse): EventSink {
    return new EventStream(response, this.#keepAlive)
  }

  postOnEnd(): void {
    this.onResponse()
  }

  postOnClose(): void {
    this.destroy()
  }

  fault(cause: unknown): void {
    this.log.error(describe(internalError(cause)))
    this.destroy(internalError())
  }

  begin(): void {
    this.#post.start()
  }

  send(frame: Frame, callback: () => void): void {
    this.#onServed()
    const belongs = frame.kind === 'response' ? this.#isResponse(frame) : this.#takes(frame)
    if (belongs) {
      publishMessage(this.client, 'server', frame)
      this.#post.send(frame, callback)
    } else callback()
    // A stdio server may end a subscription with `notifications/cancelled`. Over HTTP, only a
    // response ends a subscription.
    if (frame.method === methods.cancelled) this.endSubscription()
  }

  /** Sends the error as the response, if the request has none yet. */
  fail(cause: Error | null = null): void {
    if (this.#isOver) return
    this.#respond(errorFrame(0, toProxyError(cause, 'the server ended without a response')))
  }

  destroy(error: Error | null = null): void {
    if (this.#destroyed) return
    this.#destroyed = true
    if (this.#calls !== undefined) this.#calls.calls--
    this.#onServed()
    this.fail(error)
    this.#onEnd(this, error)
    this.onClose(error ?? undefined)
  }

  /** Whether the client has its response, or cannot get one any more. */
  get #isOver(): boolean {
    return this.#post.ended || this.#post.settled
  }

  #onServed(): void {
    this.#whenServed?.()
    if (this.#waitingSize === 0) return
    this.#waiting?.remove(this.#waitingSize)
    this.#waitingSize = 0
  }

  // Returns false for a request of the server, so the request is dropped. The client would send its
  // response in another POST, which is another exchange.
  #takes(frame: Frame): boolean {
    return frame.kind === 'notification' && this.#post.streams
  }

  #isResponse({ id }: Frame): boolean {
    return id === this.request.id && !this.#isOver
  }

  #respond(response: Frame, others: Replacement[] = []): void {
    if (this.#isOver) return
    const answer = answerTo(this.request, response, others)
    publishMessage(this.client, 'server', answer)
    this.#post.send(answer)
  }
}

/** The transport of an exchange. */
export class PostTransport extends Transport {
  readonly #exchange: PostExchange

  constructor(exchange: PostExchange) {
    super({ log: exchange.log })
    this.#exchange = exchange
    exchange.onResponse = () => {
      if (!this.destroyed) this.push(null)
    }
    exchange.onClose = (error) => this.destroy(error)
    this.push(exchange.request)
  }

  // The constructor has pushed the only frame. It is read when the server can take it.
  override _read(): void {
    this.#exchange.begin()
  }

  protected override send(frame: Frame, callback: Callback): void {
    this.#exchange.send(frame, callback)
  }

  override _final(callback: Callback): void {
    this.#exchange.fail()
    callback()
  }

  override _destroy(error: Error | null, callback: DestroyCallback): void {
    this.#exchange.destroy(error)
    callback(error)
  }
}

const nothing = (): void => {}

export interface NotificationOptions {
  response: HttpResponse
  frame: Frame
  /** What facts about this client say about it. */
  client: FactClient
  /** Sends an error to the client as the HTTP response. */
  sendError: (error: ProxyError) => void
  log: Log
}

export class NotificationTransport extends Transport {
  /** What facts about this client say about it. */
  readonly client: FactClient
  /** The number of this transport in the table of the endpoint. */
  number = 0
  readonly #response: HttpResponse
  readonly #sendError: (error: ProxyError) => void

  constructor({ response, frame, client, sendError, log }: NotificationOptions) {
    super({ log })
    this.client = client
    this.#response = response
    this.#sendError = sendError
    response.once('close', () => this.destroy())
    this.push(frame)
    this.push(null)
  }

  // An error response without an id is about the notification. All other frames are not.
  protected override send({ kind, id, failure }: Frame, callback: Callback): void {
    if (kind === 'response' && id === undefined) {
      const message = 'the server has refused the notification'
      this.#sendError(failure ?? new ProxyError('ERR_REQUEST', message))
    }
    callback()
  }

  // A server that fails may end first. `setImmediate` waits for its error.
  override _final(callback: Callback): void {
    setImmediate(() => {
      if (!this.#response.headersSent) writeHead(this.#response, 202).end()
      callback()
    })
  }

  override _destroy(error: Error | null, callback: DestroyCallback): void {
    if (!this.#response.headersSent) {
      this.#sendError(toProxyError(error, 'the server ended before it took the notification'))
    }
    callback(error)
  }
}
