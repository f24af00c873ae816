// A port: the transport of one client to a shared server. It queues the frames that its client has not
// read. A frame that would make the queue larger than `maxQueue` bytes destroys the port.

import type { ProxyError } from '../errors.ts'
import type { Log } from '../log.ts'
import type { Frame } from '../message/frame.ts'
import type { Callback, DestroyCallback } from '../streams/callbacks.ts'
import { failAfterReading } from '../streams/fail-after-reading.ts'
import { FrameQueue } from '../streams/frame-queue.ts'
import { Transport } from '../streams/transport.ts'
import type { Broadcast } from './broadcast.ts'

/** The methods of the shared server that a port calls. */
export interface PortOwner {
  /** Sends a frame from the port to the server. Calls back when the port may send another. */
  forward(port: Port, frame: Frame, callback: Callback): void
  /** Called when the port closes. Cancels the port's requests that have no response yet. */
  remove(port: Port): void
}

/** The requests of a port: a Map, or less where there is only one. */
export interface PortCalls {
  readonly size: number
  has(key: string): boolean
  get(key: string): number | undefined
  set(key: string, id: number): unknown
  delete(key: string): boolean
  values(): Iterable<number>
}

/** What the shared server knows of a port. */
export interface Port {
  /** The number of this port in the table of the shared server. */
  number: number
  /**
   * The ids of the port's requests that have no response yet, as the server got them. The key of a
   * request is its id as the client wrote it.
   */
  readonly calls: PortCalls
  /**
   * Tells whether the client gets a notification that belongs to no request. Undefined for a client
   * without a session. Such a client gets the notification if its request is the only one in flight.
   */
  readonly wants: ((broadcast: Broadcast) => boolean) | undefined
  readonly destroyed: boolean
  /** Queues a frame for the client. Destroys the port if the queue would be too large. */
  deliver(frame: Frame): void
  /**
   * Called when the server closes. The port fails after the client has read the queued frames.
   *
   * @param answer delivers the error to the requests that have no response yet
   */
  fail(error: ProxyError, answer: () => void): void
  /** Logs an exception, and destroys the port. */
  fault(cause: unknown): void
}

export class SharedPort extends Transport implements Port {
  number = 0
  readonly calls = new Map<string, number>()
  readonly wants: Port['wants']
  readonly #owner: PortOwner
  readonly #queue: FrameQueue
  /** Whether the readable side has room for a frame. */
  #hasRoom = false
  #whenSettled: (() => void) | undefined

  constructor(
    owner: PortOwner,
    maxQueue: number,
    wants?: (broadcast: Broadcast) => boolean,
    log?: Log
  ) {
    super({ log })
    this.#owner = owner
    this.#queue = new FrameQueue(maxQueue)
    this.wants = wants
  }

  deliver(frame: Frame): void {
    if (this.#hasRoom && this.#queue.length === 0) {
      this.#hasRoom = this.push(frame)
      return this.#settle()
    }
    const error = this.#queue.push(frame)
    if (error !== undefined) this.destroy(error)
  }

  fail(error: ProxyError, answer?: () => void): void {
    answer?.()
    for (const frame of this.#queue.take()) this.push(frame)
    failAfterReading(this, error)
  }

  override _read(): void {
    this.#hasRoom = true
    this.#flow()
  }

  protected override send(frame: Frame, callback: Callback): void {
    this.#owner.forward(this, frame, callback)
  }

  override _final(callback: Callback): void {
    this.#whenSettled = () => {
      this.push(null)
      callback()
    }
    this.#settle()
  }

  override _destroy(error: Error | null, callback: DestroyCallback): void {
    this.#owner.remove(this)
    this.#queue.take()
    callback(error)
  }

  protected override failToReader(response: Frame): void {
    this.deliver(response)
  }

  #flow(): void {
    while (this.#hasRoom) {
      const frame = this.#queue.shift()
      if (frame === undefined) return this.#settle()
      this.#hasRoom = this.push(frame)
    }
  }

  #settle(): void {
    if (this.calls.size > 0 || this.#queue.length > 0) return
    this.#whenSettled?.()
    this.#whenSettled = undefined
  }
}
