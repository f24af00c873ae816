// The part of `reconnect` that handles the first request of the client, and the queue of frames that
// wait. See `opening.ts` for what the first request is about.
//
// A server at a URL may turn into one of another era. Its error responses then show that. The request
// that got such an error goes to the next transport, because a server of the wrong era has not
// handled it.

import type { Duplex } from 'node:stream'
import type { ProxyError } from '../errors.ts'
import type { Frame } from '../message/frame.ts'
import { OuterTransport } from '../streams/outer-transport.ts'
import type { OuterTransportOptions } from '../streams/outer-transport.ts'
import { Opening } from './opening.ts'
import type { Translator } from './opening.ts'

export abstract class OpeningTransport extends OuterTransport {
  /**
   * The frames that no server has taken yet, oldest first. While there is no server, the writer
   * waits after one frame, so the queue does not grow.
   */
  protected queue: Frame[] = []
  /** The server whose session is being restored, or whose refusal is being examined. */
  protected nextServer: Duplex | undefined
  /** Undefined if the proxy does not translate, or when the first request has its response. */
  protected opening: Opening | undefined
  protected readonly translator: Translator | undefined
  /** The requests that were sent again after an error response. None is sent again twice. */
  readonly #repeated = new WeakSet<Frame>()

  constructor({
    translator,
    ...options
  }: OuterTransportOptions & { translator?: Translator | undefined }) {
    super(options)
    this.translator = translator
    this.opening = translator && new Opening(translator)
  }

  /** Writes a frame to the server, if one runs. Returns whether the server has room for more. */
  protected abstract sendNow(frame: Frame): boolean

  /** Lets the client write its next frames. */
  protected abstract releaseWriter(): void

  /** Writes queued frames to the server. Then the client may write its next frames. */
  protected sendAll(frames: Frame[]): void {
    let hasRoom = true
    for (const frame of frames) hasRoom = this.sendNow(frame)
    if (hasRoom) this.releaseWriter()
  }

  /** Whether the client still waits for the response to a request. */
  protected abstract isPending(request: Frame): boolean

  /**
   * Examines an error response that may show that the server is of another era than before. Returns
   * whether the client must not get it yet.
   */
  protected examine(request: Frame, response: Frame): boolean {
    const { inner } = this
    if (inner === undefined || this.#repeated.has(request)) return false
    const turning = this.translator?.hasTurned?.(request, response, inner)
    if (turning === undefined) return false
    this.#repeated.add(request)
    turning
      .then((hasTurned) => {
        if (this.destroyed || !this.isPending(request)) return
        if (!hasTurned) return this.innerOnFrame(response)
        this.queue.push(request)
        inner.destroy() // the next server gets the queue
      })
      .catch((cause: unknown) => this.fault(cause))
    return true
  }

  /** Finds out whether the server needs a translation, before it gets the first request. */
  protected ask(opening: Opening): void {
    this.#translateLater(opening)
  }

  /** Handles the response to the first request. Returns whether the client must not get it yet. */
  protected openingOnResponse(response: Frame): boolean {
    const opening = this.opening as Opening
    if (!opening.isRefusal(response)) return false
    this.#translateLater(opening, response)
    return true
  }

  /** Called when the client has the response to its first request. Sends the frames that waited. */
  protected endOpening(): void {
    const request = this.opening?.request as Frame
    const held = this.queue.slice(this.queue.indexOf(request) + 1)
    this.opening = undefined
    this.sendAll(held)
  }

  /** Handles the failure of a server that has not answered the first request. Returns the same. */
  protected openingOnFailed(error: ProxyError): boolean {
    const opening = this.opening as Opening
    const response = opening.responseTo(error)
    if (opening.isRefusal(response)) {
      this.#translateLater(opening, response, error)
      return true
    }
    opening.end()
    return false
  }

  /** @param error the error of the server, if it has closed */
  #translateLater(opening: Opening, refusal?: Frame, error?: ProxyError): void {
    const server = this.detach()
    this.nextServer = server
    opening
      .translate(refusal, server)
      .then((next) => this.#onTranslated(opening, refusal, next, error))
      .catch((cause: unknown) => this.fault(cause))
  }

  #onTranslated(opening: Opening, refusal?: Frame, next?: Duplex, error?: ProxyError): void {
    const server = this.nextServer
    const { request } = opening
    this.nextServer = undefined
    if (this.destroyed || request === undefined) {
      for (const unused of [server, next]) unused?.destroy()
    } else if (next !== undefined) {
      this.queue = [request, ...this.queue.filter((frame) => frame !== request)]
      this.attach(next)
      this.sendNow(request)
    } else {
      opening.refused()
      const isOpen = server !== undefined && !server.destroyed
      if (isOpen) this.attach(server)
      if (refusal === undefined) this.#sendUnasked()
      else if (error === undefined) this.innerOnFrame(refusal)
      if (!isOpen) this.innerOnClose(error ?? server?.errored ?? undefined)
    }
  }

  /** The server has not got the first request, because it was asked for its era before. */
  #sendUnasked(): void {
    this.opening = undefined
    this.sendAll(this.queue)
  }
}
