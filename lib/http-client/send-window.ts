// Decides when the proxy may send the next frame, if it sends each frame in its own POST.
//
// A request can take hours, so the next frame does not wait for its response. But a client must not
// send faster than the server reads. So the next frame waits while the unacknowledged frames
// together have too many bytes. This wait has no limit: a server may acknowledge a call only when
// the call is done, and without the wait the frames would fill the memory.
//
// After a notification, a response or the first request, the next frame waits until this frame is
// finished, because the server must get them in order. After a notification or a response it waits
// for 5 s at most, and then for no other one until the server has acknowledged a frame: all of them
// together delay a frame by 5 s. After the first request it waits until the sender of that request gives
// up.

import type { Frame } from '../message/frame.ts'
import type { Callback } from '../streams/callbacks.ts'

/** How long a notification or response may delay the next frame, in milliseconds. */
export const ackTimeout = 5000

/** How many error responses of the proxy may be on their way at a time. */
const maxRefusals = 16

export class SendWindow {
  readonly #maxBytes: number
  readonly #unacknowledged = new Set<Frame>()
  /** The total size of the unacknowledged frames, in bytes. */
  #bytes = 0
  /** The error responses that the proxy sends for invalid messages of the server. */
  readonly #refusals = new Set<Frame>()
  #awaited: Frame | undefined
  /** Whether the last frame with a time limit was not acknowledged in time. */
  #isLate = false
  #timer: NodeJS.Timeout | undefined
  #callback: Callback | undefined

  /**
   * @param maxBytes the next frame waits while more than this many bytes are unacknowledged (0: no
   * limit)
   */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes || Infinity
  }

  get allAcknowledged(): boolean {
    return this.#unacknowledged.size === 0
  }

  /**
   * Adds a frame that was sent.
   *
   * @param awaited if true, the next frame waits until `finish(frame)` is called
   * @param callback called when the proxy may send the next frame
   * @param timeout how long the next frame waits for an awaited frame, in ms (0: no limit)
   */
  add(frame: Frame, awaited: boolean, callback: Callback, timeout = 0): void {
    this.#unacknowledged.add(frame)
    this.#bytes += frame.bytes.length
    const waits = awaited && !(this.#isLate && timeout > 0)
    this.#awaited = waits ? frame : undefined
    this.#callback = callback
    if (waits && timeout > 0) this.#timer = setTimeout(() => this.#expire(frame), timeout)
    this.#update()
  }

  #expire(frame: Frame): void {
    this.finish(frame)
    this.#isLate = true
  }

  /**
   * Adds an error response that the proxy sends for an invalid message of the server. Returns false
   * if too many are on their way. Then the proxy drops this one, because a server that only sends
   * invalid messages could fill the memory.
   */
  addRefusal(response: Frame): boolean {
    if (this.#refusals.size === maxRefusals) return false
    this.#refusals.add(response)
    return true
  }

  /** Call this when the server has received the frame. */
  acknowledge(frame: Frame): void {
    this.#isLate = false
    this.#refusals.delete(frame)
    if (this.#unacknowledged.delete(frame)) this.#bytes -= frame.bytes.length
    this.#update()
  }

  /** Call this when the frame has its response, or when it gets none. */
  finish(frame: Frame): void {
    if (this.#awaited === frame) {
      clearTimeout(this.#timer)
      this.#awaited = undefined
    }
    this.acknowledge(frame)
  }

  /**
   * Calls the callback of the last frame, if the next frame still waits. Pass `error` if the last
   * frame may not have reached the server.
   */
  release(error?: Error | null): void {
    clearTimeout(this.#timer)
    const callback = this.#callback
    this.#callback = undefined
    callback?.(error)
  }

  #update(): void {
    if (this.#awaited === undefined && this.#bytes <= this.#maxBytes) this.release()
  }
}
