// What the transports of sessions share: the client's frames come in POSTs. Each frame is pushed to
// the readable side. When `push` says that the buffer is full, the next POST has to wait: its body is
// not read, or its 202 is not sent, until `_read` asks for more.

import { Duplex } from 'node:stream'
import { internalError } from '../errors.ts'
import type { Frame } from '../message/frame.ts'

export abstract class ClientTransport extends Duplex {
  /** The id of the session. */
  readonly id: string
  #full = false
  #waiting: (() => void)[] = []

  constructor(id: string) {
    super({ objectMode: true })
    this.id = id
  }

  /** Takes no more requests, and ends when those in flight have their responses. */
  abstract close(): void

  /** Whether the transport can take the client's next frame. A destroyed one takes it and drops it. */
  get hasRoom(): boolean {
    return !this.#full || this.destroyed
  }

  /** Calls back when the transport can take the client's next frame. */
  whenRoom(callback: () => void): void {
    if (this.hasRoom) callback()
    else this.#waiting.push(callback)
  }

  /**
   * Takes a frame of the client's.
   *
   * `push` runs the code of the reader, down to the server's transport. If that code throws, its state
   * is unknown and a later request could wait for ever, so the session ends.
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

  /** To be called by `_destroy`: a destroyed transport has room. */
  protected releaseWaiting(): void {
    if (this.#waiting.length === 0) return
    for (const callback of this.#waiting.splice(0)) callback()
  }
}
