// Writes frames as `LineWriter` does. But a response waits for a short time if a progress
// notification of its request was written just before it (see streams/spacing.ts).

import type { Frame } from '../message/frame.ts'
import type { Callback } from '../streams/callbacks.ts'
import { Spacing } from '../streams/spacing.ts'
import { LineWriter } from './line-writer.ts'

export class SpacedWriter extends LineWriter {
  readonly #spacing = new Spacing((frame) => super.write(frame))

  /** Call this for each frame that comes from the reader of the output. */
  received(frame: Frame): void {
    this.#spacing.received(frame)
  }

  override get unflushed(): Frame[] {
    return [...super.unflushed, ...this.#spacing.held]
  }

  override write(frame: Frame, callback?: Callback, alone = false): void {
    if (!this.#spacing.holds(frame, callback)) super.write(frame, callback, alone)
  }

  override whenEmpty(callback: () => void): void {
    this.#spacing.whenReleased(() => super.whenEmpty(callback))
  }

  override flush(): void {
    this.#spacing.flush()
    super.flush()
  }

  override destroy(error?: Error): void {
    this.#spacing.destroy(error)
    super.destroy(error)
  }
}
