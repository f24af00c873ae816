// Holds a response back for a short time if a progress notification of its request was written just
// before it.
//
// The MCP SDK for TypeScript reads all messages that have arrived before it handles the
// notifications among them. When it reads a response, it forgets the handler of the progress
// notifications. So if a progress notification and the response arrive together, the notification
// is lost. Responses to requests without progress notifications never wait.

import { idAt } from '../message/frame.ts'
import type { Frame } from '../message/frame.ts'
import type { Id } from '../protocol/json-rpc.ts'
import { methods } from '../protocol/methods.ts'
import { paths } from '../protocol/paths.ts'
import type { Callback } from './callbacks.ts'
import { DeadlineQueue } from './deadline-queue.ts'

/** How long a response is held back after a progress notification, in ms. */
const gap = 100
/** If the held responses have more bytes together, the caller of `holds` has to wait. */
const maxHeld = 64 * 1024

/** A request that asks for progress notifications. */
interface Call {
  id: Id
  token: Id
  /** When the last progress notification was written, in ms of `performance.now()`. */
  progressAt: number
}

export class Spacing {
  readonly #write: (frame: Frame) => void
  readonly #calls = new Map<Id, Call>()
  /** The calls in `#calls`, by their progress tokens. */
  readonly #tokens = new Map<Id, Call>()
  readonly #held = new Set<Frame>()
  readonly #queue = new DeadlineQueue(gap)
  /** The size of the held responses, in bytes. */
  #heldSize = 0
  #heldCallback: Callback | undefined
  #whenReleased: (() => void) | undefined

  /** @param write writes a response whose time has come */
  constructor(write: (frame: Frame) => void) {
    this.#write = write
  }

  /** The responses that are not written yet. */
  get held(): Iterable<Frame> {
    return this.#held
  }

  /** Call this for each frame that comes from the reader. */
  received(frame: Frame): void {
    const { kind, id, progressToken: token } = frame
    if (kind === 'request' && token !== undefined && id !== undefined) {
      const call = { id, token, progressAt: -Infinity }
      this.#calls.set(id, call)
      this.#tokens.set(token, call)
    } else if (frame.method === methods.cancelled && this.#calls.size > 0) {
      this.#forget(idAt(frame, paths.cancelledId))
    }
  }

  /**
   * Call this for each frame before it is written. If it returns true, the frame must not be written
   * now.
   *
   * @param callback called when there is room for another frame, if the frame is held
   */
  holds(frame: Frame, callback?: Callback): boolean {
    if (this.#calls.size === 0 || !this.#isEarly(frame)) return false
    this.#held.add(frame)
    this.#heldSize += frame.bytes.length
    if (this.#heldSize < maxHeld) callback?.()
    else if (callback !== undefined) this.#heldCallback = callback
    this.#queue.add({ pending: true, expire: () => this.#release(frame) })
    return true
  }

  /** Calls back when no frame is held. */
  whenReleased(callback: () => void): void {
    if (this.#held.size === 0) callback()
    else this.#whenReleased = callback
  }

  /** Writes the held frames now. */
  flush(): void {
    this.#queue.stop()
    for (const frame of this.#held) this.#write(frame)
    this.#held.clear()
  }

  /** Stops the timer. A caller that waits for room gets `error`, if there is one. */
  destroy(error?: Error): void {
    this.#queue.stop()
    this.#releaseCaller(error)
  }

  /** Notes a progress notification. Returns true for a response that comes too early after one. */
  #isEarly({ kind, id, progressToken }: Frame): boolean {
    if (kind === 'response') {
      const call = this.#forget(id)
      return call !== undefined && performance.now() - call.progressAt < gap
    }
    const call = progressToken === undefined ? undefined : this.#tokens.get(progressToken)
    if (call !== undefined) call.progressAt = performance.now()
    return false
  }

  #forget(id: Id | undefined): Call | undefined {
    const call = this.#calls.get(id as Id)
    if (call === undefined) return undefined
    this.#calls.delete(call.id)
    if (this.#tokens.get(call.token) === call) this.#tokens.delete(call.token)
    return call
  }

  #release(frame: Frame): void {
    this.#held.delete(frame)
    this.#heldSize -= frame.bytes.length
    this.#write(frame)
    if (this.#heldSize < maxHeld) this.#releaseCaller()
    if (this.#held.size > 0) return
    const callback = this.#whenReleased
    this.#whenReleased = undefined
    callback?.()
  }

  #releaseCaller(error?: Error): void {
    const callback = this.#heldCallback
    this.#heldCallback = undefined
    callback?.(error)
  }
}
