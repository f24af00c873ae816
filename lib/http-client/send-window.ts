// Decides when the next frame may follow, where each frame is a POST.
//
// A request can take hours, so the next frame does not wait for its response. But a writer must not run
// ahead of the server: the next frame waits while the frames that the server has not acknowledged are
// too many bytes. After a notification, a response or the first request it waits until that frame is
// finished, since the server must have it before the next one.

import type { Frame } from '../message/frame.ts'
import type { Callback } from '../streams/callbacks.ts'

export class SendWindow {
  readonly #maxBytes: number
  readonly #unacknowledged = new Set<Frame>()
  /** The size of the unacknowledged frames. */
  #bytes = 0
  #awaited: Frame | undefined
  #callback: Callback | undefined

  /** @param maxBytes how many bytes may be unacknowledged before the next frame waits (0: no limit) */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes || Infinity
  }

  get allAcknowledged(): boolean {
    return this.#unacknowledged.size === 0
  }

  /**
   * Adds a frame that was sent.
   *
   * @param awaited the next frame waits until this one is finished
   * @param callback called when the next frame may follow
   */
  add(frame: Frame, awaited: boolean, callback: Callback): void {
    this.#unacknowledged.add(frame)
    this.#bytes += frame.bytes.length
    this.#awaited = awaited ? frame : undefined
    this.#callback = callback
    this.#update()
  }

  /** The server has the frame. */
  acknowledge(frame: Frame): void {
    if (this.#unacknowledged.delete(frame)) this.#bytes -= frame.bytes.length
    this.#update()
  }

  /** The frame has its response, or needs none. */
  finish(frame: Frame): void {
    if (this.#awaited === frame) this.#awaited = undefined
    this.acknowledge(frame)
  }

  /** Calls the waiting callback: with an error if the frame was never sent. */
  release(error?: Error | null): void {
    const callback = this.#callback
    this.#callback = undefined
    callback?.(error)
  }

  #update(): void {
    if (this.#awaited === undefined && this.#bytes <= this.#maxBytes) this.release()
  }
}
