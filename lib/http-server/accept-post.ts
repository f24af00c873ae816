// The transport to a client that has no session: it lives for one POST with one request in it. It
// yields that request, takes what belongs to it, and ends with the response. A client that closes
// the connection destroys it.

import type { ServerResponse } from 'node:http'
import { Duplex } from 'node:stream'
import { ProxyError } from '../errors.ts'
import type { Body } from '../framing/body.ts'
import type { Replacement } from '../json/splice.ts'
import { limits } from '../limits.ts'
import { answerTo, idText } from '../message/answer.ts'
import { makeFrame } from '../message/frame.ts'
import type { Frame } from '../message/frame.ts'
import { errorFrame } from '../message/refusal.ts'
import { metaKeys } from '../protocol/meta-keys.ts'
import { methods } from '../protocol/methods.ts'
import type { Callback, DestroyCallback } from '../streams/callbacks.ts'
import type { DeadlineQueue } from '../streams/deadline-queue.ts'
import { EventStream } from './event-stream.ts'
import type { EventSink } from './event-stream.ts'
import { PostResponse } from './post-response.ts'
import type { Accept, PostResponseOwner } from './post-response.ts'

export interface PostOptions {
  response: ServerResponse
  /** One request. */
  body: Body
  accept: Accept
  /** The status that goes with an answer as JSON (200 for all). */
  statusOf?: ((answer: Frame) => number) | undefined
  /** Milliseconds; see `limits`. */
  keepAlive?: number | undefined
  /** Whose end opens an event stream. Many may have the same. */
  deadlines: DeadlineQueue
}

export class PostTransport extends Duplex implements PostResponseOwner {
  readonly deadlines: DeadlineQueue
  readonly #keepAlive: number
  readonly #statusOf: (answer: Frame) => number
  readonly #post: PostResponse
  readonly #request: Frame

  constructor({ response, body, accept, ...options }: PostOptions) {
    super({ objectMode: true })
    this.#request = body.frames[0] as Frame
    this.deadlines = options.deadlines
    this.#keepAlive = options.keepAlive ?? limits.keepAlive
    this.#statusOf = options.statusOf ?? (() => 200)
    this.#post = new PostResponse(this, response, body.frames, body.batch, accept)
    response.once('close', () => this.destroy())
    this.push(this.#request)
  }

  /** A subscription, which would go on for ever, ends as it should: something behind us stops. */
  endSubscription(): void {
    if (this.#request.method !== methods.listen) return
    const key = metaKeys.subscriptionId
    const result = { resultType: 'complete', _meta: { [key]: 0 } }
    const own = { path: ['result', '_meta', key], text: idText(this.#request) }
    this.#answer(makeFrame({ jsonrpc: '2.0', id: 0, result }), [own])
  }

  headOf(answer: Frame): { status: number } {
    return { status: this.#statusOf(answer) }
  }

  openStream(response: ServerResponse): EventSink {
    return new EventStream(response, this.#keepAlive)
  }

  postOnEnd(): void {
    if (!this.destroyed) this.push(null)
  }

  override _read(): void {
    // All there is to read came with the POST.
  }

  override _write(frame: Frame, _encoding: BufferEncoding, callback: Callback): void {
    const belongs = frame.kind === 'response' ? this.#isAnswer(frame) : this.#takes(frame)
    if (belongs) this.#post.send(frame, callback)
    else callback()
    // On stdio a server may end a subscription with this. Over HTTP only its answer does.
    if (frame.method === methods.cancelled) this.endSubscription()
  }

  override _final(callback: Callback): void {
    this.#fail()
    callback()
  }

  override _destroy(error: Error | null, callback: DestroyCallback): void {
    this.#fail(error)
    callback(error)
  }

  // A question has nowhere to be answered: the next POST is another transport.
  #takes(frame: Frame): boolean {
    return frame.kind === 'notification' && this.#post.streams
  }

  #isAnswer({ id }: Frame): boolean {
    return id === this.#request.id && !this.#post.ended
  }

  #fail(cause?: Error | null): void {
    if (this.#post.ended) return
    const error =
      cause instanceof ProxyError
        ? cause
        : new ProxyError('ERR_CLOSED', 'the server ended before it answered')
    this.#answer(errorFrame(0, error))
  }

  #answer(response: Frame, others: Replacement[] = []): void {
    if (this.#post.ended) return
    this.#post.send(answerTo(this.#request, response, others))
  }
}
