// A transport that wraps an inner transport. A subclass may replace the inner transport with
// another. If the reader is slow, this class pauses the inner transport. The subclass decides what
// to do with each frame, and when the inner transport closes.

import { addAbortSignal } from 'node:stream'
import type { Duplex } from 'node:stream'
import type { Frame } from '../message/frame.ts'
import type { Callback, DestroyCallback } from './callbacks.ts'
import { sendResponse } from './send-response.ts'
import { Transport } from './transport.ts'
import type { TransportOptions } from './transport.ts'

export interface OuterTransportOptions extends TransportOptions {
  /** An abort of this signal destroys the transport. */
  signal?: AbortSignal | undefined
}

export abstract class OuterTransport extends Transport {
  /** The inner transport. It is undefined before `attach` and after the inner transport closed. */
  protected inner: Duplex | undefined

  constructor({ signal, ...options }: OuterTransportOptions = {}) {
    super(options)
    // An already aborted signal destroys this transport, so the subclass's constructor runs first.
    if (signal) process.nextTick(() => addAbortSignal(signal, this))
  }

  /** Called with each frame of the inner transport. */
  protected abstract innerOnFrame(frame: Frame): void

  /** Called with the error when the inner transport has closed. `inner` is then undefined. */
  protected abstract innerOnClose(error: Error | undefined): void

  /** Sets the inner transport and starts to read from it. */
  protected attach(inner: Duplex): void {
    let failure = inner.errored ?? undefined
    const innerOnClose = (): void => {
      if (this.inner !== inner) return
      this.inner = undefined
      if (!this.destroyed) this.guard(() => this.innerOnClose(failure))
    }
    this.inner = inner
    inner
      .on('data', this.#innerOnData)
      .on('error', (error) => (failure = error))
      // An ended inner transport is of no use. `setImmediate` waits for an error after `end`.
      .on('end', () => setImmediate(() => inner.destroy()))
      .on('close', innerOnClose)
      .resume()
    // It may have closed before this call, for example because its command is gone.
    if (inner.closed) process.nextTick(innerOnClose)
  }

  /** Gives the inner transport away. Its reader is now the caller, which may attach it again. */
  protected detach(): Duplex | undefined {
    const { inner } = this
    this.inner = undefined
    return inner?.off('data', this.#innerOnData).pause()
  }

  /** Gives a frame to the reader. If the reader has no room, pauses the inner transport. */
  protected pass(frame: Frame): void {
    if (!this.push(frame)) this.inner?.pause()
  }

  protected override failToReader(response: Frame): void {
    this.pass(response)
  }

  protected override failToOtherSide(response: Frame): void {
    if (this.inner !== undefined) sendResponse(this.inner, response)
  }

  readonly #innerOnData = (frame: Frame): void => this.handle(frame, this.#onInnerFrame)

  readonly #onInnerFrame = (frame: Frame): void => this.innerOnFrame(frame)

  override _read(): void {
    this.inner?.resume()
  }

  override _destroy(error: Error | null, callback: DestroyCallback): void {
    if (this.inner === undefined || this.inner.closed) return callback(error)
    this.inner.once('close', () => callback(error)).destroy()
  }

  abstract override _final(callback: Callback): void
}
