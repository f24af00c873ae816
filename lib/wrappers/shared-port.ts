// A client's transport to a shared server.
//
// The server must not wait for a client that does not read: the other clients would wait with it. So a
// port queues the frames that its client has not read. When the queue would exceed `maxQueue` bytes,
// the port is destroyed.

import { Duplex } from 'node:stream'
import { ProxyError } from '../errors.ts'
import type { Frame } from '../message/frame.ts'
import type { Callback, DestroyCallback } from '../streams/callbacks.ts'
import { failAfterReading } from '../streams/fail-after-reading.ts'
import type { Broadcast } from './broadcast.ts'

/** What a port needs of its shared server. */
export interface PortOwner {
  /** Sends a frame of the port to the server. Calls back when the port may send the next one. */
  forward(port: SharedPort, frame: Frame, callback: Callback): void
  /** Called when the port closes. Cancels the requests that it still has in flight. */
  remove(port: SharedPort): void
}

export class SharedPort extends Duplex {
  /** The number under which the shared server keeps this port. */
  number = 0
  /** The port's requests in flight, by the ids that the server has for them. */
  readonly calls = new Set<number>()
  readonly wants: (broadcast: Broadcast) => boolean
  readonly #owner: PortOwner
  readonly #maxQueue: number
  #queue: Frame[] = []
  /** The bytes in the queue. */
  #queueSize = 0
  /** The readable side has room for a frame. */
  #hasRoom = false
  #whenSettled: (() => void) | undefined

  constructor(owner: PortOwner, maxQueue: number, wants: (broadcast: Broadcast) => boolean) {
    super({ objectMode: true, readableHighWaterMark: 1 })
    this.#owner = owner
    this.#maxQueue = maxQueue
    this.wants = wants
  }

  /** Takes a frame for the client. */
  deliver(frame: Frame): void {
    // A single frame may be larger than the limit: refuse it only if others wait before it.
    if (this.#queue.length > 0 && this.#queueSize + frame.bytes.length > this.#maxQueue) {
      const message = `the client has not read ${this.#queueSize} bytes (see --max-queue)`
      this.destroy(new ProxyError('ERR_CLIENT_SLOW', message))
      return
    }
    this.#queue.push(frame)
    this.#queueSize += frame.bytes.length
    this.#flow()
  }

  /** Called when the server closes. The client can still read the queued frames, then the port fails. */
  fail(error: ProxyError): void {
    for (const frame of this.#queue.splice(0)) this.push(frame)
    failAfterReading(this, error)
  }

  override _read(): void {
    this.#hasRoom = true
    this.#flow()
  }

  override _write(frame: Frame, _encoding: BufferEncoding, callback: Callback): void {
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
    this.#queue = []
    callback(error)
  }

  #flow(): void {
    while (this.#hasRoom) {
      const frame = this.#queue.shift()
      if (frame === undefined) return this.#settle()
      this.#queueSize -= frame.bytes.length
      this.#hasRoom = this.push(frame)
    }
  }

  #settle(): void {
    if (this.calls.size > 0 || this.#queue.length > 0) return
    this.#whenSettled?.()
    this.#whenSettled = undefined
  }
}
