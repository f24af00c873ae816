// Sends frames to a server, and calls back when the server has taken them.
//
// A server mostly takes a frame at once. Node then calls the callback of the write in a later tick, and
// calls equal callbacks of several writes in one tick. So all writes have the same callback, and the
// caller of a frame that was taken at once does not wait for it.

import type { Duplex } from 'node:stream'
import type { Frame } from '../message/frame.ts'
import type { Callback } from '../streams/callbacks.ts'
import { Queue } from '../streams/queue.ts'

export class FrameSender {
  readonly #server: Duplex
  /** How many frames were taken at once, and Node has not called back for them yet. */
  #taken = 0
  /** The callbacks of the frames that the server has not taken. */
  readonly #waiting = new Queue<Callback>()

  constructor(server: Duplex) {
    this.#server = server
  }

  /**
   * Sends a frame. Calls back when the server has taken it, and also if the server has failed: its
   * `close` tells why.
   */
  send(frame: Frame, callback: Callback): void {
    const server = this.#server
    server.write(frame, this.#onTaken)
    if (server.writableLength > 0) {
      this.#waiting.push(callback)
    } else {
      this.#taken++
      callback()
    }
  }

  // Node calls back once for each frame. It need not be the same frame.
  readonly #onTaken = (): void => {
    if (this.#taken > 0) this.#taken--
    else this.#waiting.shift()?.()
  }
}
