// A port: the transport of one client to a shared server. It queues the frames that its client has not
// read. A frame that would make the queue larger than `maxQueue` bytes destroys the port.
//
// A port is a stream. But a client and a port that `meet` has joined pass the frames to each other directly.
// The buffers of this stream would take 4,000 instructions for a call, which is a thirtieth of a small one.

import type { Duplex } from 'node:stream'
import type { ProxyError } from '../errors.ts'
import type { Log } from '../log.ts'
import type { Frame } from '../message/frame.ts'
import { IdTable } from '../message/id-table.ts'
import type { Id } from '../protocol/json-rpc.ts'
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

/** The requests of a port: an `IdTable`, or less where there is only one. */
export interface PortCalls {
  readonly size: number
  /** A copy of the values. */
  readonly values: number[]
  has(key: Id): boolean
  get(key: Id): number | undefined
  set(key: Id, id: number): void
  delete(key: Id): boolean
}

/** What the shared server knows of a port. */
export interface Port {
  /** The number of this port in the table of the shared server. */
  number: number
  /**
   * The ids of the port's requests that have no response yet, as the server got them. The key of a
   * request is the id that the client gave it.
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
  readonly calls = new IdTable<number>()
  readonly wants: Port['wants']
  readonly #owner: PortOwner
  readonly #queue: FrameQueue
  /** The client that `meet` has joined to this port. Otherwise a reader reads the readable side. */
  #client: Duplex | undefined
  /** Whether a frame of `#client` is on its way to the server. */
  #isSending = false
  /** Whether the client or the readable side has room for a frame. */
  #hasRoom = false
  /** The error of the server, which has closed. */
  #failure: ProxyError | undefined
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

  /**
   * Passes the frames of the client to the server, and those of the server to the client. Nothing else may
   * read or write the port. The caller joins the ends of both (see `joinPort`).
   */
  meet(client: Duplex): void {
    this.#client = client
    client.on('data', (frame: Frame) => this.#take(frame, client)).on('drain', () => this.#onRoom())
    this.resume()
    this.#onRoom()
  }

  deliver(frame: Frame): void {
    if (this.#hasRoom && this.#queue.length === 0) {
      this.#hasRoom = this.#give(frame)
      return this.#settle()
    }
    const error = this.#queue.push(frame)
    if (error !== undefined) this.destroy(error)
  }

  fail(error: ProxyError, answer?: () => void): void {
    answer?.()
    this.#failure = error
    this.#flow()
  }

  override _read(): void {
    if (this.#client === undefined) this.#onRoom()
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

  #take(frame: Frame, client: Duplex): void {
    this.#isSending = true
    this._write(frame, 'utf8', this.#onSent)
    if (this.#isSending) client.pause()
  }

  readonly #onSent: Callback = (error) => {
    this.#isSending = false
    if (error) this.destroy(error)
    else if (this.#client?.isPaused() === true) this.#client.resume()
  }

  #give(frame: Frame): boolean {
    return this.#client === undefined ? this.push(frame) : this.#client.write(frame)
  }

  #onRoom(): void {
    this.#hasRoom = true
    this.#flow()
  }

  #flow(): void {
    while (this.#hasRoom && this.#queue.length > 0) {
      this.#hasRoom = this.#give(this.#queue.shift() as Frame)
    }
    this.#settle()
  }

  #settle(): void {
    if (this.#queue.length > 0) return
    const failure = this.#failure
    this.#failure = undefined
    if (failure !== undefined) return failAfterReading(this, failure)
    if (this.calls.size > 0) return
    this.#whenSettled?.()
    this.#whenSettled = undefined
  }
}
