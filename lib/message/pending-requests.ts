// The answers that are owed: requests that went one way and whose responses have not come back.

import type { Id } from '../protocol/json-rpc.ts'
import { methods } from '../protocol/methods.ts'
import type { Frame } from './frame.ts'

export class PendingRequests {
  readonly #ids = new Set<Id>()
  #whenSettled: (() => void) | undefined

  get size(): number {
    return this.#ids.size
  }

  /** Notes a frame that went out: a request is owed an answer, one that is cancelled no longer. */
  sent(frame: Frame): void {
    if (frame.kind === 'request') this.#ids.add(frame.id as Id)
    else if (frame.method === methods.cancelled) {
      const id = frame.message().params?.requestId
      this.#settle(id as Id)
    }
  }

  /** Notes a frame that came back. Returns whether it answered a request. */
  answered(frame: Frame): boolean {
    return frame.kind === 'response' && frame.id !== undefined && this.#settle(frame.id)
  }

  /** The ids of the requests, as they are now. */
  get ids(): Id[] {
    return [...this.#ids]
  }

  has(id: Id): boolean {
    return this.#ids.has(id)
  }

  /** Takes out all that is owed, for a caller that will see to it. */
  take(): Id[] {
    const { ids } = this
    this.#ids.clear()
    this.#tell()
    return ids
  }

  /** Forgets a request that turned out never to have been sent. */
  forget(id: Id): void {
    this.#settle(id)
  }

  /** Calls back once when nothing is owed: at once, if that is so already. */
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
