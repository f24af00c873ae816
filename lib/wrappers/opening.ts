// The first request of a client, which opens the conversation with the server. Its response shows
// whether the client and the server are of the same era. If the server refuses the request, the
// caller may put a translating transport in the place of the server. The client then does not get
// the refusal, and the request goes to the new transport.
//
// Frames that follow the request wait for its response, because the proxy does not send them twice.

import type { Duplex } from 'node:stream'
import type { ProxyError } from '../errors.ts'
import type { Frame } from '../message/frame.ts'
import { errorFrame } from '../message/refusal.ts'
import { methods } from '../protocol/methods.ts'

/** A server that has refused the first request of a client. */
export interface Refusal {
  request: Frame
  response: Frame
  /** The transport to the server. Undefined if it has closed. */
  server: Duplex | undefined
}

/**
 * Resolves to a transport that speaks the era of the client with the same server. Resolves to
 * undefined if the refusal has another reason.
 */
export type Translate = (refusal: Refusal) => Promise<Duplex | undefined>

export class Opening {
  readonly #translate: Translate
  #request: Frame | undefined
  /** Whether the server of this conversation is translated, so that a refusal is meant. */
  #translated = false

  constructor(translate: Translate) {
    this.#translate = translate
  }

  /** Call this for each frame of the client until a server has answered. */
  sent(frame: Frame): void {
    const { kind, method } = frame
    if (kind !== 'request' || this.#translated || this.#request !== undefined) return
    if (method === methods.initialize || method === methods.discover) this.#request = frame
  }

  /** The request that waits for its response. */
  get request(): Frame | undefined {
    return this.#request
  }

  /** Whether a frame of the client must wait for the response to the request. */
  holds(frame: Frame): boolean {
    return this.#request !== undefined && frame !== this.#request
  }

  /** Whether a frame from the server is the response to the request. */
  isResponse({ kind, id }: Frame): boolean {
    return kind === 'response' && this.#request !== undefined && id === this.#request.id
  }

  /** Whether this response, or this error of the transport, is a refusal that may mean the era. */
  isRefusal({ errorCode, failure }: Pick<Frame, 'errorCode' | 'failure'>): boolean {
    if (this.#translated || errorCode === undefined) return false
    return failure === undefined || failure.code === 'ERR_HTTP_STATUS'
  }

  /** Makes the response to the request of a transport that has failed. */
  responseTo(error: ProxyError): Frame {
    return errorFrame(this.#request?.id, error)
  }

  /** The request has its response, so no frame waits any more. */
  end(): void {
    this.#request = undefined
  }

  async translate(response: Frame, server: Duplex | undefined): Promise<Duplex | undefined> {
    const request = this.#request as Frame
    const next = await this.#translate({ request, response, server })
    this.#translated = next !== undefined
    return next
  }
}
