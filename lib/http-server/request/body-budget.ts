// The memory for the bodies of all connections. A body reserves its size before the proxy reads it.
// If the budget is used up, the next body waits, and the proxy does not read its connection. The
// bodies get their memory in the order in which they came. Each caller has a budget too: a body first
// reserves memory there, so the bodies of one caller do not stand in the way of all others.
//
// Small bodies need no reservation. But many of them may wait for servers that read nothing, so
// `WaitingBodies` limits their total.

import { ProxyError } from '../../errors.ts'

/** A body up to this size, in bytes, needs no reservation. It never waits for a large body. */
export const freeSize = 64 * 1024

export interface Reservation {
  /** Whether the memory is reserved, so that the proxy may read the body. */
  readonly granted: boolean
  /** Gives the memory back, or stops waiting for it. Only the first call has an effect. */
  release(): void
}

export class BodyBudget {
  readonly #max: number
  #used = 0
  /** The bodies that wait, oldest first. */
  readonly #waiting = new Set<Waiting>()

  /** @param max the largest size of all reserved bodies together, in bytes (0: no limit) */
  constructor(max: number) {
    this.#max = max || Infinity
  }

  /** How many bytes are reserved. */
  get used(): number {
    return this.#used
  }

  /**
   * Reserves memory for a body. A body that is larger than the whole budget waits until no other
   * body has a reservation.
   *
   * @param onGranted called as soon as the body may be read, perhaps before this method returns
   */
  reserve(size: number, onGranted: () => void): Reservation {
    const waiting: Waiting = { size, onGranted, state: 'waiting' }
    this.#waiting.add(waiting)
    this.#grant()
    return {
      get granted() {
        return waiting.state !== 'waiting'
      },
      release: () => this.#release(waiting)
    }
  }

  #release(waiting: Waiting): void {
    if (waiting.state === 'granted') this.#used -= waiting.size
    waiting.state = 'released'
    this.#waiting.delete(waiting)
    this.#grant()
  }

  #grant(): void {
    for (const waiting of this.#waiting) {
      if (this.#used > 0 && this.#used + waiting.size > this.#max) return
      this.#waiting.delete(waiting)
      this.#used += waiting.size
      waiting.state = 'granted'
      waiting.onGranted()
    }
  }
}

/**
 * Reserves memory in the budget of a caller, and then in that of all callers.
 *
 * @param onGranted called as soon as both have granted it, perhaps before this function returns
 */
export function reserveBoth(
  own: BodyBudget,
  all: BodyBudget,
  size: number,
  onGranted: () => void
): Reservation {
  let inAll: Reservation | undefined
  const inOwn = own.reserve(size, () => (inAll = all.reserve(size, onGranted)))
  return {
    get granted() {
      return inAll?.granted === true
    },
    release() {
      inOwn.release()
      inAll?.release()
    }
  }
}

interface Waiting {
  readonly size: number
  readonly onGranted: () => void
  state: 'waiting' | 'granted' | 'released'
}

/** What a request takes in memory besides its body, in bytes. */
const overhead = 4 * 1024

/** The small bodies that wait until their servers take them. */
export class WaitingBodies {
  readonly #max: number
  readonly #all: WaitingBodies | undefined
  #used = 0

  /**
   * @param max the largest size of all waiting bodies together, in bytes (0: no limit)
   * @param all the bodies of all callers, if these are the bodies of one
   */
  constructor(max: number, all?: WaitingBodies) {
    this.#max = max || Infinity
    this.#all = all
  }

  /** The size of the waiting bodies, in bytes. */
  get used(): number {
    return this.#used
  }

  /**
   * Counts a body. Returns the size to give to `remove`.
   *
   * @throws ProxyError `ERR_BODIES_FULL` if too many bodies wait already
   */
  add(bodySize: number): number {
    const size = bodySize + overhead
    if (this.#used > 0 && this.#used + size > this.#max) {
      const flag = this.#all === undefined ? '--max-body-memory' : '--max-caller-bodies'
      throw new ProxyError('ERR_BODIES_FULL', `too many requests wait (see ${flag})`)
    }
    this.#all?.add(bodySize)
    this.#used += size
    return size
  }

  remove(size: number): void {
    this.#used -= size
    this.#all?.remove(size)
  }
}
