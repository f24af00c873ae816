// Writes frames to a byte stream, one a line.
//
// The frames of one turn of the event loop are gathered and go out in one write: each system call
// wakes the process that reads, which costs more than all else that is done to a frame here. While the
// stream has not taken a write, frames are gathered for the next one.

import type { Writable } from 'node:stream'
import { encodeLines } from '../framing/newline.ts'
import type { Frame } from '../message/frame.ts'
import type { Callback } from '../streams/callbacks.ts'

/** The bytes that go out in one write: what a pipe holds. */
const batchSize = 64 * 1024

export class LineWriter {
  readonly #output: Writable
  /** The frames for the next write. */
  #gathered: Frame[] = []
  /** The bytes in them. */
  #size = 0
  /** The frames of the write that the stream has not taken yet. */
  #writing: Frame[] = []
  #scheduled = false
  /** The callback of a frame that filled the batch. */
  #whenRoom: Callback | undefined
  #whenEmpty: (() => void) | undefined

  /** @param output its owner listens for its errors */
  constructor(output: Writable) {
    this.#output = output
  }

  /**
   * The frames that the reader cannot have had whole. When a write of several frames is not taken, some
   * of them may have been read, so none of these counts.
   */
  get unflushed(): Frame[] {
    const writing = this.#writing.length === 1 ? this.#writing : []
    return [...writing, ...this.#gathered]
  }

  /**
   * Writes a frame.
   *
   * @param callback called when there is room for another frame
   * @param alone write at once, and not at the end of the turn. Set it when no other frame is expected
   * in this turn
   */
  write(frame: Frame, callback?: Callback, alone = false): void {
    this.#gathered.push(frame)
    this.#size += frame.bytes.length
    if (this.#size < batchSize) callback?.()
    // A frame without a callback must not replace the callback of the frame before it.
    else if (callback !== undefined) this.#whenRoom = callback
    if (this.#scheduled || this.#writing.length > 0) return
    if (alone) return this.#send()
    this.#scheduled = true
    setImmediate(this.#onTurn)
  }

  /** Calls back when the stream has taken all frames. */
  whenEmpty(callback: () => void): void {
    if (this.#gathered.length === 0 && this.#writing.length === 0) callback()
    else this.#whenEmpty = callback
  }

  /** Gives the stream all frames at once: its owner is about to end it. */
  flush(): void {
    if (this.#gathered.length > 0) this.#output.write(encodeLines(this.#gathered.splice(0)))
    this.#releaseWriter()
  }

  /** Calls back a writer that waits for room. */
  destroy(error?: Error): void {
    this.#releaseWriter(error)
  }

  readonly #onTurn = (): void => {
    this.#scheduled = false
    this.#send()
  }

  #send(): void {
    if (this.#gathered.length === 0 || !this.#output.writable) return
    let size = 0
    // A large frame goes alone: then it is known whether the stream took it.
    const end = this.#gathered.findIndex(({ bytes }) => (size += bytes.length) > batchSize)
    const count = end === -1 ? this.#gathered.length : Math.max(end, 1)
    this.#writing = this.#gathered.splice(0, count)
    for (const { bytes } of this.#writing) this.#size -= bytes.length
    this.#output.write(encodeLines(this.#writing), this.#outputOnTaken)
    if (this.#size < batchSize) this.#releaseWriter()
  }

  readonly #outputOnTaken = (error?: Error | null): void => {
    if (error) return // the owner of the stream gets it too
    this.#writing = []
    this.#send()
    if (this.#writing.length > 0 || this.#gathered.length > 0) return
    const callback = this.#whenEmpty
    this.#whenEmpty = undefined
    callback?.()
  }

  #releaseWriter(error?: Error): void {
    const callback = this.#whenRoom
    this.#whenRoom = undefined
    callback?.(error)
  }
}
