// A transport around another that may be replaced while it lives. It only joins the two, with
// backpressure both ways; what a frame or an end means is up to the class made of it.

import { addAbortSignal, Duplex } from 'node:stream'
import type { Frame } from '../message/frame.ts'
import type { Callback, DestroyCallback } from './callbacks.ts'

export abstract class OuterTransport extends Duplex {
  /** The transport inside, while there is one. */
  protected inner: Duplex | undefined

  constructor(signal?: AbortSignal) {
    super({ objectMode: true })
    // A signal may have been given already: those made of this class are to be complete by then.
    if (signal) process.nextTick(() => addAbortSignal(signal, this))
  }

  /** A frame came from inside. */
  protected abstract innerOnFrame(frame: Frame): void

  /** The transport inside has closed, with the error that closed it, and `inner` is unset. */
  protected abstract innerOnClose(error: Error | undefined): void

  /** Takes a transport in the place of the one that was. */
  protected attach(inner: Duplex): void {
    let failure: Error | undefined
    this.inner = inner
    inner
      .on('data', (frame: Frame) => this.innerOnFrame(frame))
      .on('error', (error) => (failure = error))
      // One that says no more is of no use, even if it still listens. First it may tell why.
      .on('end', () => setImmediate(() => inner.destroy()))
      .on('close', () => {
        if (this.inner !== inner) return
        this.inner = undefined
        if (!this.destroyed) this.innerOnClose(failure)
      })
      .resume()
  }

  /** Hands a frame out, and stops the transport inside while nobody takes them. */
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
