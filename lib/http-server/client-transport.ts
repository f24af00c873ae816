// The base class of the transports with a session. The client's frames come in POSTs, and `receive`
// pushes each frame to the readable side. When `push` returns false, the buffer is full, and the
// client has to wait. Until `_read` is called, the proxy does not read the body of the next POST,
// and does not send the 202 for the last one.

import { Duplex } from 'node:stream'
import { internalError } from '../errors.ts'
import type { Frame } from '../message/frame.ts'

export abstract class ClientTransport extends Duplex {
  /** The id of the session. */
  readonly id: string
  #full = false
  #waiting: (() => void)[] = []

  // The buffer takes one frame, because a frame may be very large.
  constructor(id: string) {
    super({ objectMode: true, readableHighWaterMark: 1 })
    this.id = id
  }

  /**
   * Refuses new requests, and ends the session when no connected client waits for a response. It
   * may be called again, to check whether the client is still connected.
   */
  abstract close(): void

  /**
   * Whether `receive` can take the next frame. A destroyed transport takes frames and drops them.
   */
  get hasRoom(): boolean {
    return !this.#full || this.destroyed
  }

  /** Calls `callback` as soon as the transport can take the client's next frame. */
  whenRoom(callback: () => void): void {
    if (this.hasRoom) callback()
    else this.#waiting.push(callback)
  }

  /**
   * Takes a frame of the client.
   *
   * `push` also runs the code that reads the frame and writes it to the server. If that code
   * throws, its state is unknown, and later requests might never get a response. So the session
   * ends.
   */
  receive(frame: Frame): void {
    try {
      if (!this.push(frame)) this.#full = true
    } catch (error) {
      this.once('error', () => {}).destroy(internalError())
      throw error
    }
  }

  override _read(): void {
    this.#full = false
    this.releaseWaiting()
  }

  /**
   * Calls all waiting callbacks. `_destroy` must call this, because a destroyed transport has room.
   */
  protected releaseWaiting(): void {
    if (this.#waiting.length === 0) return
    for (const callback of this.#waiting.splice(0)) callback()
  }
}
