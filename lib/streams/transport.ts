// The base class of the transports. A transport is an object-mode Duplex of frames. This class is
// the boundary for exceptions: an exception fails only the frame that caused it.
//
// Node calls `_write`, the listeners of `data` and timers from places where an exception would end
// the process. So this class catches the exception and logs it. A request then gets an error
// response. A response is replaced with an error response. A notification is dropped. A second
// exception, during this, destroys the transport.

import { Duplex } from 'node:stream'
import { describe, internalError } from '../errors.ts'
import { silent } from '../log.ts'
import type { Log } from '../log.ts'
import type { Frame } from '../message/frame.ts'
import { refuse } from '../message/refusal.ts'
import type { Callback } from './callbacks.ts'

export interface TransportOptions {
  /** Gets each caught exception. Default: nothing is logged. */
  log?: Log | undefined
  /** How many frames the readable side buffers before the other side has to wait (default 1). */
  readableHighWaterMark?: number
}

// Node counts the frames in the buffers of a stream, and not their bytes. A frame may have 64 MiB,
// and a session has several transports in a row. With Node's default of 16 frames a buffer, they
// could hold gigabytes.
const buffers = {
  objectMode: true,
  readableHighWaterMark: 1,
  // With 1, each `write` would return false, and the writer would pause after each frame.
  writableHighWaterMark: 2
}

export abstract class Transport extends Duplex {
  readonly log: Log
  /** Whether the readable side ends after the frames that have been pushed. */
  #hasEnd = false

  constructor({ log = silent, ...options }: TransportOptions = {}) {
    super({ ...buffers, ...options })
    this.log = log
  }

  /**
   * Gives a frame to the reader, or the end (null). A chunk of the other side may hold more frames
   * after the one that ended this side. They are dropped: Node would fail the stream, and so lose the
   * frames before the end and the reason for it.
   */
  override push(frame: Frame | null): boolean {
    if (this.#hasEnd) return false
    this.#hasEnd = frame === null
    return super.push(frame)
  }

  /** Sends a frame to the other side. Calls `callback` when the next frame may be sent. */
  protected abstract send(frame: Frame, callback: Callback): void

  /** Gives the error response for a frame that failed to the reader. */
  protected failToReader(response: Frame): void {
    this.push(response)
  }

  /** Sends the error response for a frame that failed to the other side. */
  protected failToOtherSide(response: Frame): void {
    this.send(response, nothing)
  }

  override _write(frame: Frame, _encoding: BufferEncoding, callback: Callback): void {
    try {
      this.send(frame, callback)
    } catch (cause) {
      this.recover(frame, cause, callback)
    }
  }

  /**
   * Handles an exception of `send`. A `send` that goes on later, for example in a promise, calls
   * this itself.
   */
  protected recover(frame: Frame, cause: unknown, callback: Callback): void {
    this.guard(() => {
      const { back, onward } = this.#refuse(frame, cause)
      if (back !== undefined) this.failToReader(back)
      if (onward !== undefined) this.send(onward, callback)
      else callback()
    })
  }

  /** Calls `handler` with a frame from the other side. Handles exceptions as `_write` does. */
  protected handle(frame: Frame, handler: (frame: Frame) => void): void {
    try {
      handler(frame)
    } catch (cause) {
      this.guard(() => {
        const { back, onward } = this.#refuse(frame, cause)
        if (back !== undefined) this.failToOtherSide(back)
        if (onward !== undefined) this.failToReader(onward)
      })
    }
  }

  /** Calls `action`, which handles no single frame. An exception destroys the transport. */
  protected guard(action: () => void): void {
    try {
      action()
    } catch (cause) {
      this.fault(cause)
    }
  }

  /** Logs an exception that belongs to no single frame, and destroys the transport. */
  fault(cause: unknown): void {
    this.log.error(describe(internalError(cause)))
    this.destroy(internalError())
  }

  #refuse({ kind, id, method }: Frame, cause: unknown): ReturnType<typeof refuse> {
    const name = method === undefined ? kind : `${kind} ${method}`
    this.log.error(`the ${name} failed: ${describe(internalError(cause))}`)
    return refuse(internalError(), { kind, id })
  }
}

const nothing = (): void => {}
