// Keeps the ids of the requests that one side has sent and that have no response yet. It can also keep
// the requests, to send them again.

import type { Id } from '../protocol/json-rpc.ts'
import { methods } from '../protocol/methods.ts'
import { paths } from '../protocol/paths.ts'
import { idAt } from './frame.ts'
import type { Frame } from './frame.ts'
import { IdMap } from './id-map.ts'

export class PendingRequests {
  readonly #ids = new IdMap<Frame | undefined>()
  readonly #maxKept: number
  #whenSettled: (() => void) | undefined

  /** @param maxKept the requests up to this size are kept, in bytes. Default: none are kept */
  constructor(maxKept = 0) {
    this.#maxKept = maxKept
  }

  get size(): number {
    return this.#ids.size
  }

  /**
   * Call this for each sent frame. A request becomes pending. A cancellation removes its request.
   */
  sent(frame: Frame): void {
    if (frame.kind === 'request') {
      this.#ids.set(frame.id as Id, frame.bytes.length <= this.#maxKept ? frame : undefined)
    } else if (frame.method === methods.cancelled) {
      const id = idAt(frame, paths.cancelledId)
      if (id !== undefined) this.#settle(id)
    }
  }

  /**
   * Call this for each frame that comes back. Returns true if the frame is the response to a
   * pending request. The request is then no longer pending.
   */
  answered(frame: Frame): boolean {
    return frame.kind === 'response' && frame.id !== undefined && this.#settle(frame.id)
  }

  /** Returns a response with the id of its request. Returns other frames unchanged. */
  match(frame: Frame): Frame {
    return this.#ids.match(frame)
  }

  /** Returns whether the frame is a response, but to no pending request. */
  isStray({ kind, id }: Frame): boolean {
    return kind === 'response' && id !== undefined && !this.#ids.has(id)
  }

  /** Returns a copy of the ids of the pending requests. */
  get ids(): Id[] {
    return this.#ids.ids
  }

  /** Returns the pending request with this id. Undefined if it is not kept. */
  get(id: Id): Frame | undefined {
    return this.#ids.get(id)
  }

  has(id: Id): boolean {
    return this.#ids.has(id)
  }

  /** Forgets all pending requests and returns their ids, so that the caller can respond to them. */
  take(): Id[] {
    const { ids } = this
    this.#ids.clear()
    this.#tell()
    return ids
  }

  /** Forgets a request that was not sent in the end, or to which the caller has responded. */
  forget(id: Id): void {
    this.#settle(id)
  }

  /** Calls `callback` once, as soon as no request is pending. */
  whenSettled(callback: () => void): void {
    if (this.#ids.size === 0) callback()
    else this.#whenSettled = callback
  }

  #settle(id: Id): boolean {
    const known = this.#ids.delete(id)
    if (known) this.#tell()
    return known
  }

  #tell(): void {
    if (this.#ids.size > 0) return
    const callback = this.#whenSettled
    this.#whenSettled = undefined
    callback?.()
  }
}
