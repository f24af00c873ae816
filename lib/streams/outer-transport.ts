// A transport that wraps an inner transport. A subclass may replace the inner transport with
// another. If the reader is slow, this class pauses the inner transport. The subclass decides what
// to do with each frame, and when the inner transport closes.

import { addAbortSignal, Duplex } from 'node:stream'
import type { Frame } from '../message/frame.ts'
import type { Callback, DestroyCallback } from './callbacks.ts'

export abstract class OuterTransport extends Duplex {
  /** The inner transport. It is undefined before `attach` and after the inner transport closed. */
  protected inner: Duplex | undefined

  constructor(signal?: AbortSignal) {
    // One frame in work, and one that waits. More would be too many, because a frame may be large.
    super({ objectMode: true, writableHighWaterMark: 2 })
    // An already aborted signal destroys this transport, so the subclass's constructor runs first.
    if (signal) process.nextTick(() => addAbortSignal(signal, this))
  }

  /** Called with each frame of the inner transport. */
  protected abstract innerOnFrame(frame: Frame): void

  /** Called with the error when the inner transport has closed. `inner` is then undefined. */
  protected abstract innerOnClose(error: Error | undefined): void

  /** Sets the inner transport and starts to read from it. */
  protected attach(inner: Duplex): void {
    let failure: Error | undefined
    this.inner = inner
    inner
      .on('data', (frame: Frame) => this.innerOnFrame(frame))
      .on('error', (error) => (failure = error))
      // An ended inner transport is of no use. `setImmediate` waits for an error after `end`.
      .on('end', () => setImmediate(() => inner.destroy()))
      .on('close', () => {
        if (this.inner !== inner) return
        this.inner = undefined
        if (!this.destroyed) this.innerOnClose(failure)
      })
      .resume()
  }

  /** Gives a frame to the reader. If the reader has no room, pauses the inner transport. */
  protected pass(frame: Frame): void {
    if (!this.push(frame)) this.inner?.pause()
  }

  override _read(): void {
    this.inner?.resume()
  }

  override _destroy(error: Error | null, callback: DestroyCallback): void {
    if (this.inner === undefined || this.inner.closed) return callback(error)
    this.inner.once('close', () => callback(error)).destroy()
  }

  abstract override _write(frame: Frame, encoding: BufferEncoding, callback: Callback): void
  abstract override _final(callback: Callback): void
}
