// A transport around an inner transport, which a subclass may replace. This class joins the two, with
// backpressure in both directions. The subclass decides what a frame or an end means.

import { addAbortSignal, Duplex } from 'node:stream'
import type { Frame } from '../message/frame.ts'
import type { Callback, DestroyCallback } from './callbacks.ts'

export abstract class OuterTransport extends Duplex {
  /** The inner transport, while there is one. */
  protected inner: Duplex | undefined

  constructor(signal?: AbortSignal) {
    super({ objectMode: true })
    // The signal may be aborted already, and the constructor of the subclass must run first.
    if (signal) process.nextTick(() => addAbortSignal(signal, this))
  }

  /** Called with each frame of the inner transport. */
  protected abstract innerOnFrame(frame: Frame): void

  /** Called when the inner transport has closed, with its error. `inner` is undefined by then. */
  protected abstract innerOnClose(error: Error | undefined): void

  /** Sets the inner transport. */
  protected attach(inner: Duplex): void {
    let failure: Error | undefined
    this.inner = inner
    inner
      .on('data', (frame: Frame) => this.innerOnFrame(frame))
      .on('error', (error) => (failure = error))
      // A transport that sends no more frames is of no use. An error may follow the end, so wait.
      .on('end', () => setImmediate(() => inner.destroy()))
      .on('close', () => {
        if (this.inner !== inner) return
        this.inner = undefined
        if (!this.destroyed) this.innerOnClose(failure)
      })
      .resume()
  }

  /** Passes a frame to the reader, and pauses the inner transport while the reader is slow. */
  protected pass(frame: Frame): void {
    if (!this.push(frame)) this.inner?.pause()
  }

  override _read(): void {
    this.inner?.resume()
  }

  override _destroy(error: Error | null, callback: DestroyCallback): void {
    if (this.inner === undefined) return callback(error)
    this.inner.once('close', () => callback(error)).destroy()
  }

  abstract override _write(frame: Frame, encoding: BufferEncoding, callback: Callback): void
  abstract override _final(callback: Callback): void
}
