// The frames of a shared server that a client has not taken yet. The server must not wait for a client that
// does not read, because all other clients would wait too. So the queue has a limit.

import { ProxyError } from '../errors.ts'
import type { Frame } from '../message/frame.ts'
import { Queue } from './queue.ts'

export class FrameQueue {
  readonly #frames = new Queue<Frame>()
  readonly #maxSize: number
  /** The size of all frames in the queue, in bytes. */
  #size = 0

  /** @param maxSize in bytes. A frame that would make the queue larger is refused */
  constructor(maxSize: number) {
    this.#maxSize = maxSize
  }

  get length(): number {
    return this.#frames.length
  }

  /**
   * Adds a frame, or returns `ERR_CLIENT_SLOW` if it is refused. An empty queue takes a frame of any size,
   * because one frame may be larger than the limit.
   */
  push(frame: Frame): ProxyError | undefined {
    const { length } = frame.bytes
    if (this.length > 0 && this.#size + length > this.#maxSize) {
      const message = `the client has not read ${this.#size} bytes (see --max-queue)`
      return new ProxyError('ERR_CLIENT_SLOW', message)
    }
    this.#frames.push(frame)
    this.#size += length
    return undefined
  }

  /** Removes the first frame and returns it, or returns undefined if there is none. */
  shift(): Frame | undefined {
    const frame = this.#frames.shift()
    this.#size -= frame?.bytes.length ?? 0
    return frame
  }

  /** Removes all frames and returns them. */
  take(): Frame[] {
    this.#size = 0
    return this.#frames.take()
  }
}
