// The transport to a client that has no session: it lives for one POST with one request in it. It
// yields that request, takes what belongs to it, and ends with the response. A client that closes
// the connection destroys it.

import type { ServerResponse } from 'node:http'
import { Duplex } from 'node:stream'
import { ProxyError } from '../errors.ts'
import { errorFrame, makeFrame } from '../frame.ts'
import type { Frame, Id } from '../frame.ts'
import type { Body } from '../framing/body.ts'
import { limits } from '../limits.ts'
import { EventStream } from './event-stream.ts'
import { Exchange } from './exchange.ts'
import type { Accept } from './exchange.ts'
import type { Callback, DestroyCallback } from './types.ts'

export interface PostOptions {
  response: ServerResponse
  body: Body
  accept: Accept
  /** The status that goes with an answer as JSON (200 for all). */
  statusOf?: ((answer: Frame) => number) | undefined
  /** Milliseconds; see `limits`. */
  keepAlive?: number | undefined
  streamAfter?: number | undefined
}

export class PostTransport extends Duplex {
  readonly #exchange: Exchange
  readonly #request: Frame | undefined

  constructor({ response, body, accept, ...options }: PostOptions) {
    super({ objectMode: true })
    this.#request = body.frames[0]
    this.#exchange = new Exchange({
      ...body,
      response,
      accept,
      streamAfter: options.streamAfter ?? limits.streamAfter,
      headers: () => ({}),
      statusOf: options.statusOf,
      openStream: () => new EventStream(response, options.keepAlive ?? limits.keepAlive),
      onEnd: () => this.#exchangeOnEnd()
    })
    response.once('close', () => this.destroy())
    for (const frame of body.frames) this.push(frame)
  }

  /** The proxy is about to stop: a subscription, which would go on for ever, ends as it should. */
  endSubscription(): void {
    if (this.#request?.method !== 'subscriptions/listen') return
    const { id = null } = this.#request
    const _meta = { 'io.modelcontextprotocol/subscriptionId': id }
    const result = { resultType: 'complete', _meta }
    this.#exchange.send(makeFrame({ jsonrpc: '2.0', id, result }), () => {})
  }

  override _read(): void {
    // All there is to read came with the POST.
  }

  override _write(frame: Frame, _encoding: BufferEncoding, callback: Callback): void {
    const belongs = frame.kind === 'response' ? this.#exchange.owes(frame.id as Id) : this.#takes(frame)
    if (belongs) this.#exchange.send(frame, () => callback())
    else callback()
  }

  override _final(callback: Callback): void {
    this.#fail(new ProxyError('ERR_CLOSED', 'the server ended before it answered'))
    callback()
  }

  override _destroy(error: Error | null, callback: DestroyCallback): void {
    const closed = new ProxyError('ERR_CLOSED', 'the server ended before it answered')
    this.#fail(error instanceof ProxyError ? error : closed)
    callback(error)
  }

  // A question has nowhere to be answered: the next POST is another transport.
  #takes(frame: Frame): boolean {
    return frame.kind === 'notification' && this.#exchange.streams
  }

  #exchangeOnEnd(): void {
    if (!this.destroyed) this.push(null)
  }

  #fail(error: ProxyError): void {
    for (const id of [...this.#exchange.owed]) {
      this.#exchange.send(errorFrame(id, error), () => {})
    }
  }
}
