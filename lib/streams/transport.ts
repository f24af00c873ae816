// A base class for transports. A transport is an object-mode Duplex of frames. This class makes
// sure that an exception fails only the frame that caused it.
//
// Node calls `_write` inside of the writer's `write`. An exception there would end the process, so
// this class catches and logs it. A request then gets an error response. A response is replaced
// with an error response. A notification is dropped. A second exception, during this, destroys the
// transport.

import { Duplex } from 'node:stream'
import type { DuplexOptions } from 'node:stream'
import { describe, internalError } from '../errors.ts'
import { silent } from '../log.ts'
import type { Log } from '../log.ts'
import type { Frame } from '../message/frame.ts'
import { refuse } from '../message/refusal.ts'
import type { Callback } from './callbacks.ts'

export interface TransportOptions extends Pick<
  DuplexOptions,
  'readableHighWaterMark' | 'writableHighWaterMark'
> {
  log?: Log | undefined
}

export abstract class Transport extends Duplex {
  protected readonly log: Log

  constructor({ log = silent, ...options }: TransportOptions = {}) {
    super({ ...options, objectMode: true })
    this.log = log
  }

  /** Sends a frame to the other side. Calls `callback` when the next frame may be sent. */
  protected abstract send(frame: Frame, callback: Callback): void

  /** Gives a frame from the other side to the reader. Returns whether there is room for more. */
  protected deliver(frame: Frame): boolean {
    return this.push(frame)
  }

  override _write(frame: Frame, _encoding: BufferEncoding, callback: Callback): void {
    try {
      this.send(frame, callback)
    } catch (cause) {
      this.#recover(() => {
        const { back, onward } = this.#fault(frame, cause)
        if (back !== undefined) this.deliver(back)
        if (onward !== undefined) this.send(onward, callback)
        else callback()
      })
    }
  }

  /** Calls `handle` with a frame from the other side. Handles exceptions as `_write` does. */
  protected receive(frame: Frame, handle: (frame: Frame) => void): void {
    try {
      handle(frame)
    } catch (cause) {
      this.#recover(() => {
        const { back, onward } = this.#fault(frame, cause)
        if (back !== undefined) this.send(back, nothing)
        if (onward !== undefined) this.deliver(onward)
      })
    }
  }

  #fault(frame: Frame, cause: unknown): ReturnType<typeof refuse> {
    const { kind, method } = frame
    const name = method === undefined ? kind : `${kind} ${method}`
    this.log.error(`the ${name} failed: ${describe(internalError(cause))}`)
    return refuse(internalError(), frame)
  }

  #recover(action: () => void): void {
    try {
      action()
    } catch (cause) {
      this.destroy(internalError(cause))
    }
  }
}

const nothing = (): void => {}
