// The memory for the bodies of all connections. A body reserves its size before the proxy reads it.
// If the budget is used up, the next body waits, and the proxy does not read its connection. The
// bodies get their memory in the order in which they came.

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

interface Waiting {
  readonly size: number
  readonly onGranted: () => void
  state: 'waiting' | 'granted' | 'released'
}
