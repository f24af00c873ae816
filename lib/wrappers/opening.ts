// The request that opens the conversation of a client with a server. It shows the era of the client,
// and the response to it shows the era of the server. If they differ, a translating transport takes
// the place of the server. The client then does not get the refusal, and the request goes to the new
// transport.
//
// Frames that follow the request wait for its response, because the proxy does not send them twice.

import type { Duplex } from 'node:stream'
import type { ProxyError } from '../errors.ts'
import type { Frame } from '../message/frame.ts'
import { errorFrame } from '../message/refusal.ts'

/** A request that opens a conversation, and what is known about the server. */
export interface OpeningRequest {
  request: Frame
  /** The server's refusal. Undefined if the server has not got the request. */
  refusal: Frame | undefined
  /** The transport to the server. Undefined if it has closed. */
  server: Duplex | undefined
}

export interface Translator {
  /**
   * Says what to do with a request of the client. `send`: it opens the conversation, and `translate`
   * is called if the server refuses it. `ask`: the same, but `translate` is called before the server
   * gets it. `ignore`: it does not open the conversation.
   */
  actionFor(request: Frame): 'send' | 'ask' | 'ignore'
  /**
   * Resolves to a transport that speaks the era of the client with the same server. Resolves to
   * undefined if the server needs no translation.
   */
  translate(opening: OpeningRequest): Promise<Duplex | undefined>
  /**
   * Whether an error of a server may mean that a translation is wrong, although the server has not
   * refused anything. Default: no error.
   */
  distrusts?(error: ProxyError): boolean
  /**
   * Called with each error response. Undefined if it says nothing about the era of the server.
   * Otherwise it resolves to whether the server is of another era than `server` is made for. The
   * proxy then connects again, and sends the request again. Default: it says nothing.
   */
  hasTurned?:
    ((request: Frame, response: Frame, server: Duplex) => Promise<boolean> | undefined) | undefined
  /**
   * Called with each server but the first, before the client uses it. Resolves to the transport to
   * use, because the server may be of another era than the one before. Default: `server`.
   */
  prepare?(server: Duplex): Promise<Duplex>
}

/** Whether a server that failed with this error may have refused the era of the client. */
export const mayRefuseEra = (translator: Translator, error: ProxyError): boolean =>
  error.code === 'ERR_HTTP_STATUS' || translator.distrusts?.(error) === true

export class Opening {
  readonly #translator: Translator
  #request: Frame | undefined
  /** Whether the server has not got the request. */
  #isAsking = false
  /** Whether a refusal is meant for the client: because of a translation, or in spite of it. */
  #isDecided = false

  constructor(translator: Translator) {
    this.#translator = translator
  }

  /** Call this for each frame of the client. Returns whether to call `translate` now. */
  sent(frame: Frame): boolean {
    if (frame.kind !== 'request' || this.#isDecided || this.#request !== undefined) return false
    const action = this.#translator.actionFor(frame)
    if (action === 'ignore') return false
    this.#request = frame
    this.#isAsking = action === 'ask'
    return this.#isAsking
  }

  /** The request that waits for its response. */
  get request(): Frame | undefined {
    return this.#request
  }

  /** Whether a frame of the client must wait. */
  holds(frame: Frame): boolean {
    return this.#request !== undefined && (this.#isAsking || frame !== this.#request)
  }

  /** Whether a frame from the server is the response to the request. */
  isResponse({ kind, id }: Frame): boolean {
    return kind === 'response' && this.#request !== undefined && id === this.#request.id
  }

  /** Whether this response is a refusal that may have its reason in the era. */
  isRefusal({ errorCode, failure }: Frame): boolean {
    if (this.#isDecided || errorCode === undefined) return false
    return failure === undefined || mayRefuseEra(this.#translator, failure)
  }

  /** Makes the response to the request of a transport that has failed. */
  responseTo(error: ProxyError): Frame {
    return errorFrame(this.#request?.id, error)
  }

  /** The refusal is meant for the client. */
  refused(): void {
    this.#isDecided = true
  }

  /** No frame waits any more. */
  end(): void {
    this.#request = undefined
  }

  async translate(
    refusal: Frame | undefined,
    server: Duplex | undefined
  ): Promise<Duplex | undefined> {
    const request = this.#request as Frame
    const next = await this.#translator.translate({ request, refusal, server })
    this.#isDecided = next !== undefined
    this.#isAsking = false
    return next
  }
}
