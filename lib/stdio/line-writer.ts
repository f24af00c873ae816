// Writes frames to a byte stream, one a line. Those of one turn of the event loop go out together: each
// call to the system wakes the process that reads, and costs more than all else that is done to a
// frame here.

import type { Writable } from 'node:stream'
import { encodeLines } from '../framing/newline.ts'
import type { Frame } from '../message/frame.ts'
import type { Callback } from '../streams/callbacks.ts'

/** How much goes out together, in bytes: what a pipe holds. */
const batchSize = 64 * 1024

export class LineWriter {
  readonly #output: Writable
  #gathered: Frame[] = []
  #size = 0
  /** Given to the stream, which has not said that the system has them. */
  #writing: Frame[] = []
  #scheduled = false
  /** Of the frame after which there is no room for another. */
  #whenRoom: Callback | undefined
  #whenEmpty: (() => void) | undefined

  /** @param output errors are for its owner to hear of */
  constructor(output: Writable) {
    this.#output = output
  }

  /**
   * What nobody can have read, since the system has not taken it. Of several frames that it was given
   * together some may have been.
   */
  get unflushed(): Frame[] {
    const writing = this.#writing.length === 1 ? this.#writing : []
    return [...writing, ...this.#gathered]
  }

  /**
   * @param callback called when there is room for another
   * @param alone no other is to be expected in this turn: it goes out at once
   */
  write(frame: Frame, callback?: Callback, alone = false): void {
    this.#gathered.push(frame)
    this.#size += frame.bytes.length
    if (this.#size < batchSize) callback?.()
    // What an owner says of its own waits for nothing, nor takes the place of a frame that does.
    else if (callback !== undefined) this.#whenRoom = callback
    if (this.#scheduled || this.#writing.length > 0) return
    if (alone) return this.#send()
    this.#scheduled = true
    setImmediate(this.#onTurn)
  }

  /** Calls back when the system has all that was written. */
  whenEmpty(callback: () => void): void {
    if (this.#gathered.length === 0 && this.#writing.length === 0) callback()
    else this.#whenEmpty = callback
  }

  /** Gives the stream all that there is, for an owner who is about to let go of it. */
  flush(): void {
    if (this.#gathered.length > 0) this.#output.write(encodeLines(this.#gathered.splice(0)))
    this.#goOn()
  }

  /** Nothing more will be written. */
  destroy(error?: Error): void {
    this.#goOn(error)
  }

  readonly #onTurn = (): void => {
    this.#scheduled = false
    this.#send()
  }

  #send(): void {
    if (this.#gathered.length === 0 || !this.#output.writable) return
    let size = 0
    // Large ones go alone: of one it is known whether it was taken.
    const end = this.#gathered.findIndex(({ bytes }) => (size += bytes.length) > batchSize)
    const count = end === -1 ? this.#gathered.length : Math.max(end, 1)
    this.#writing = this.#gathered.splice(0, count)
    for (const { bytes } of this.#writing) this.#size -= bytes.length
    this.#output.write(encodeLines(this.#writing), this.#onTaken)
    if (this.#size < batchSize) this.#goOn()
  }

  readonly #onTaken = (error?: Error | null): void => {
    if (error) return // the stream's owner hears of it
    this.#writing = []
    this.#send()
    if (this.#writing.length > 0 || this.#gathered.length > 0) return
    const tell = this.#whenEmpty
    this.#whenEmpty = undefined
    tell?.()
  }

  #goOn(error?: Error): void {
    const goOn = this.#whenRoom
    this.#whenRoom = undefined
    goOn?.(error)
  }
}
