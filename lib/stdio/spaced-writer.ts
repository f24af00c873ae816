// Writes frames as `LineWriter` does. But a response waits for a short time if a progress
// notification of its request was written just before it.
//
// The MCP SDK for TypeScript reads all lines that have arrived before it handles the notifications
// among them. When it reads a response, it forgets the handler of the progress notifications. So if
// a progress notification and the response arrive together, the notification is lost. Responses to
// requests without progress notifications never wait.

import { idAt } from '../message/frame.ts'
import type { Frame } from '../message/frame.ts'
import type { Id } from '../protocol/json-rpc.ts'
import { methods } from '../protocol/methods.ts'
import { paths } from '../protocol/paths.ts'
import type { Callback } from '../streams/callbacks.ts'
import { DeadlineQueue } from '../streams/deadline-queue.ts'
import { LineWriter } from './line-writer.ts'

/** How long a response is held back after a progress notification, in ms. */
const gap = 100
/** If the held responses have more bytes together, the caller of `write` has to wait. */
const maxHeld = 64 * 1024

/** A request that asks for progress notifications. */
interface Call {
  id: Id
  token: Id
  /** When the last progress notification was written, in ms of `performance.now()`. */
  progressAt: number
}

export class SpacedWriter extends LineWriter {
  readonly #calls = new Map<Id, Call>()
  /** The calls in `#calls`, by their progress tokens. */
  readonly #tokens = new Map<Id, Call>()
  readonly #held = new Set<Frame>()
  readonly #queue = new DeadlineQueue(gap)
  /** The size of the held responses, in bytes. */
  #heldSize = 0
  #heldCallback: Callback | undefined
  #whenReleased: (() => void) | undefined

  /** Call this for each frame that comes from the reader of the output. */
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

  override get unflushed(): Frame[] {
    return [...super.unflushed, ...this.#held]
  }

  override write(frame: Frame, callback?: Callback, alone = false): void {
    if (this.#calls.size > 0 && this.#isEarly(frame)) this.#hold(frame, callback)
    else super.write(frame, callback, alone)
  }

  override whenEmpty(callback: () => void): void {
    if (this.#held.size === 0) super.whenEmpty(callback)
    else this.#whenReleased = callback
  }

  override flush(): void {
    this.#queue.stop()
    for (const frame of this.#held) super.write(frame)
    this.#held.clear()
    super.flush()
  }

  override destroy(error?: Error): void {
    this.#queue.stop()
    this.#releaseCaller(error)
    super.destroy(error)
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

  #hold(frame: Frame, callback?: Callback): void {
    this.#held.add(frame)
    this.#heldSize += frame.bytes.length
    if (this.#heldSize < maxHeld) callback?.()
    else if (callback !== undefined) this.#heldCallback = callback
    this.#queue.add({ pending: true, expire: () => this.#release(frame) })
  }

  #release(frame: Frame): void {
    this.#held.delete(frame)
    this.#heldSize -= frame.bytes.length
    super.write(frame)
    if (this.#heldSize < maxHeld) this.#releaseCaller()
    if (this.#held.size > 0 || this.#whenReleased === undefined) return
    super.whenEmpty(this.#whenReleased)
    this.#whenReleased = undefined
  }

  #releaseCaller(error?: Error): void {
    const callback = this.#heldCallback
    this.#heldCallback = undefined
    callback?.(error)
  }
}
