// The requests of one direction that have no response yet.

import type { Id } from '../protocol/json-rpc.ts'
import { methods } from '../protocol/methods.ts'
import type { Frame } from './frame.ts'

export class PendingRequests {
  readonly #ids = new Set<Id>()
  #whenSettled: (() => void) | undefined

  get size(): number {
    return this.#ids.size
  }

  /** Notes a frame that was sent. A request becomes pending; a cancellation ends that. */
  sent(frame: Frame): void {
    if (frame.kind === 'request') this.#ids.add(frame.id as Id)
    else if (frame.method === methods.cancelled) {
      const id = frame.message().params?.requestId
      this.#settle(id as Id)
    }
  }

  /** Notes a frame that came back. Returns whether it is the response to a pending request. */
  answered(frame: Frame): boolean {
    return frame.kind === 'response' && frame.id !== undefined && this.#settle(frame.id)
  }

  /** A copy of the ids of the pending requests. */
  get ids(): Id[] {
    return [...this.#ids]
  }

  has(id: Id): boolean {
    return this.#ids.has(id)
  }

  /** Forgets all pending requests and returns their ids: the caller responds to them. */
  take(): Id[] {
    const { ids } = this
    this.#ids.clear()
    this.#tell()
    return ids
  }

  /** Forgets a request that was not sent after all, or that the caller has responded to. */
  forget(id: Id): void {
    this.#settle(id)
  }

  /** Calls back once, as soon as no request is pending. */
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
