// Writes frames to a byte stream, one frame a line.
//
// This gathers the frames of one turn of the event loop and sends them in one write. Each write
// wakes the process that reads, and that costs more time than all other work on a frame here. While
// the stream has not taken a write, new frames are gathered for the next write.

import type { Writable } from 'node:stream'
import { encodeLines } from '../framing/newline.ts'
import type { Frame } from '../message/frame.ts'
import type { Callback } from '../streams/callbacks.ts'

/** The size at which a batch is full, in bytes. A pipe holds this much. */
const batchSize = 64 * 1024

export class LineWriter {
  readonly #output: Writable
  /** The frames for the next write. */
  #gathered: Frame[] = []
  /** The size of `#gathered`, in bytes. */
  #size = 0
  /** The frames of the write that the stream has not taken yet. */
  #writing: Frame[] = []
  #scheduled = false
  /** Called when there is room again: the callbacks of the frames that came when it was full. */
  #whenRoom: Callback[] = []
  #whenEmpty: (() => void) | undefined

  /** @param output the stream. The caller must listen for its errors */
  constructor(output: Writable) {
    this.#output = output
  }

  /**
   * The frames of which the reader cannot have read all bytes. The frames of an unfinished write
   * are left out if they are several, because the reader may have read some of them.
   */
  get unflushed(): Frame[] {
    const writing = this.#writing.length === 1 ? this.#writing : []
    return [...writing, ...this.#gathered]
  }

  /**
   * Writes a frame.
   *
   * @param callback called when there is room for another frame
   * @param alone whether to write now, and not at the end of the turn. Set `alone` when the caller
   * expects no other frame in this turn
   */
  write(frame: Frame, callback?: Callback, alone = false): void {
    this.#gathered.push(frame)
    this.#size += frame.bytes.length
    if (callback !== undefined) this.whenRoom(callback)
    if (this.#scheduled || this.#writing.length > 0) return
    if (alone) return this.#send()
    this.#scheduled = true
    setImmediate(this.#onTurn)
  }

  /** Calls back when there is room for another frame. */
  whenRoom(callback: Callback): void {
    if (this.#size < batchSize) callback()
    else this.#whenRoom.push(callback)
  }

  /** Calls back when the stream has taken all frames. */
  whenEmpty(callback: () => void): void {
    if (this.#gathered.length === 0 && this.#writing.length === 0) callback()
    else this.#whenEmpty = callback
  }

  /** Writes all gathered frames in one write. Call this just before the end of the stream. */
  flush(): void {
    if (this.#gathered.length > 0) this.#output.write(encodeLines(this.#gathered.splice(0)))
    this.#size = 0
    this.#releaseWriter()
  }

  /** Calls the callback of a frame that waits for room, with `error` if there is one. */
  destroy(error?: Error): void {
    this.#releaseWriter(error)
  }

  readonly #onTurn = (): void => {
    this.#scheduled = false
    this.#send()
  }

  #send(): void {
    if (this.#gathered.length === 0 || !this.#output.writable) return
    this.#writing = this.#take()
    this.#output.write(encodeLines(this.#writing), this.#outputOnTaken)
    if (this.#size < batchSize) this.#releaseWriter()
  }

  /** Takes the frames for one write from those that are gathered. */
  #take(): Frame[] {
    let frames = this.#gathered
    if (this.#size <= batchSize) {
      this.#gathered = []
      this.#size = 0
      return frames
    }
    let size = 0
    // A large frame gets its own write, so that the proxy knows whether the stream took it.
    const end = frames.findIndex(({ bytes }) => (size += bytes.length) > batchSize)
    frames = frames.splice(0, Math.max(end, 1))
    for (const { bytes } of frames) this.#size -= bytes.length
    return frames
  }

  readonly #outputOnTaken = (error?: Error | null): void => {
    if (error) return // the transport that owns the stream handles this error
    this.#writing = []
    this.#send()
    if (this.#writing.length > 0 || this.#gathered.length > 0) return
    const callback = this.#whenEmpty
    this.#whenEmpty = undefined
    callback?.()
  }

  #releaseWriter(error?: Error): void {
    if (this.#whenRoom.length === 0) return
    for (const callback of this.#whenRoom.splice(0)) callback(error)
  }
}
