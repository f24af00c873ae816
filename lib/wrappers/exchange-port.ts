// A port for one request, without streams. It gives the request to the shared server, and each frame that
// the server has for the client to the exchange. The next frame follows when the client can take it. Until
// then the port queues it, with the same limit as in a `SharedPort`.

import { describe, internalError } from '../errors.ts'
import type { ProxyError } from '../errors.ts'
import type { Log } from '../log.ts'
import type { Frame } from '../message/frame.ts'
import type { Id } from '../protocol/json-rpc.ts'
import type { Exchange } from '../streams/exchange.ts'
import { FrameQueue } from '../streams/frame-queue.ts'
import type { Port, PortCalls, PortOwner } from './shared-port.ts'

export class ExchangePort implements Port {
  number = 0
  readonly calls = new OneCall()
  readonly wants = undefined
  destroyed = false
  readonly #owner: PortOwner
  readonly #exchange: Exchange
  readonly #maxQueue: number
  readonly #log: Log
  readonly #onEnd: ((error?: Error) => void) | undefined
  /** The frames that wait until the client can take them. Most exchanges have none. */
  #queue: FrameQueue | undefined
  /** Whether the client can take a frame. */
  #hasRoom = true
  /** Set while `#flow` runs, because `send` may call back at once. */
  #isFlowing = false
  /** The error of the server, which has closed. */
  #failure: ProxyError | undefined

  /** @param onEnd called when the exchange is over, with the error that ended it, if there was one */
  constructor(
    owner: PortOwner,
    exchange: Exchange,
    maxQueue: number,
    log: Log,
    onEnd?: (error?: Error) => void
  ) {
    this.#owner = owner
    this.#exchange = exchange
    this.#maxQueue = maxQueue
    this.#log = log
    this.#onEnd = onEnd
    exchange.onClose = (error) => this.#exchangeOnClose(error)
  }

  /** Gives the request to the server. */
  start(): void {
    try {
      this.#exchange.begin()
      this.#owner.forward(this, this.#exchange.request, nothing)
    } catch (cause) {
      this.fault(cause)
    }
  }

  deliver(frame: Frame): void {
    if (this.#hasRoom && !this.#isFlowing) return this.#flow(frame)
    this.#queue ??= new FrameQueue(this.#maxQueue)
    const error = this.#queue.push(frame)
    if (error !== undefined) this.#exchange.destroy(error)
  }

  fail(error: ProxyError, answer: () => void): void {
    this.#failure = error
    answer()
    this.#settle()
  }

  /** An exception ends only this exchange. */
  fault(cause: unknown): void {
    this.#log.error(describe(internalError(cause)))
    this.#exchange.destroy(internalError())
  }

  /** Sends frames as long as the client can take them. */
  #flow(first: Frame | undefined): void {
    this.#isFlowing = true
    try {
      for (let frame = first; frame !== undefined; frame = this.#next()) {
        this.#hasRoom = false
        this.#exchange.send(frame, this.#onTaken)
      }
    } catch (cause) {
      this.fault(cause)
    }
    this.#isFlowing = false
    this.#settle()
  }

  /** Returns the next frame, if the client can take it. */
  #next(): Frame | undefined {
    return this.#hasRoom ? this.#queue?.shift() : undefined
  }

  readonly #onTaken = (): void => {
    this.#hasRoom = true
    if (!this.#isFlowing) this.#flow(this.#next())
  }

  /** Ends the exchange when the client has everything. */
  #settle(): void {
    if (this.destroyed || !this.#hasRoom || this.#isFlowing) return
    if (this.calls.size === 0) this.#exchange.destroy(this.#failure)
  }

  // The client may have gone before its response came: then the server's request is cancelled.
  #exchangeOnClose(error?: Error): void {
    this.destroyed = true
    this.#queue = undefined
    this.#owner.remove(this)
    this.#onEnd?.(error)
  }
}

/** The only request of a port. A table for it would cost more than the rest of the port. */
class OneCall implements PortCalls {
  #key: Id | undefined
  #id = 0

  get size(): number {
    return this.#key === undefined ? 0 : 1
  }

  has(key: Id): boolean {
    return this.#key === key
  }

  get(key: Id): number | undefined {
    return this.has(key) ? this.#id : undefined
  }

  set(key: Id, id: number): void {
    this.#key = key
    this.#id = id
  }

  delete(key: Id): boolean {
    const isKnown = this.has(key)
    if (isKnown) this.#key = undefined
    return isKnown
  }

  get values(): number[] {
    return this.#key === undefined ? [] : [this.#id]
  }
}

const nothing = (): void => {}
