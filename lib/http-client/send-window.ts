// What is on its way to a server that takes each frame in a POST of its own, and when the next may
// follow.
//
// A request may take hours, so the next frame doesn't wait for its answer, as long as the server can
// be seen to take what it is sent. What is no request is acknowledged at once, and has to be there
// before what follows; so has what opens the session.

import type { Frame } from '../message/frame.ts'
import type { Callback } from '../streams/callbacks.ts'

export class SendWindow {
  readonly #maxBytes: number
  /** The frames that nothing has been heard of, and the sum of their bytes. */
  readonly #unacknowledged = new Set<Frame>()
  #bytes = 0
  #awaited: Frame | undefined
  #callback: Callback | undefined

  /** @param maxBytes how much may be under way before the next frame waits (0: any) */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes || Infinity
  }

  /** Everything that was sent has been heard of. */
  get allHeard(): boolean {
    return this.#unacknowledged.size === 0
  }

  /**
   * Notes a frame that was sent.
   *
   * @param awaited the next frame may not follow before this one is `done`
   * @param callback called when the next frame may follow
   */
  sent(frame: Frame, awaited: boolean, callback: Callback): void {
    this.#unacknowledged.add(frame)
    this.#bytes += frame.bytes.length
    this.#awaited = awaited ? frame : undefined
    this.#callback = callback
    this.#goOn()
  }

  /** The server has the frame. */
  heard(frame: Frame): void {
    if (this.#unacknowledged.delete(frame)) this.#bytes -= frame.bytes.length
    this.#goOn()
  }

  /** Nothing has to wait for the frame any longer. */
  done(frame: Frame): void {
    if (this.#awaited === frame) this.#awaited = undefined
    this.heard(frame)
  }

  /** Nothing more will follow. */
  stop(error?: Error | null): void {
    const callback = this.#callback
    this.#callback = undefined
    callback?.(error)
  }

  #goOn(): void {
    if (this.#awaited === undefined && this.#bytes <= this.#maxBytes) this.stop()
  }
}
