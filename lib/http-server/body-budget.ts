// The memory that request bodies may take while they are received, for all connections together. A
// body reserves its size before it is read. When the budget is used up, the next body waits, in the
// order of arrival, and its client's connection stops flowing.

/** Bodies up to this size, in bytes, are free: a short request must not wait behind a large upload. */
const freeSize = 64 * 1024

interface Reservation {
  size: number
  /** Set while the reservation waits. */
  callback: (() => void) | undefined
}

export class BodyBudget {
  readonly #max: number
  readonly #waiting: Reservation[] = []
  #used = 0

  /** @param max in bytes (0: no limit) */
  constructor(max: number) {
    this.#max = max || Infinity
  }

  /** The bytes reserved now. */
  get used(): number {
    return this.#used
  }

  /**
   * Calls back when `size` bytes may be read, at once if they are free. A body over the whole budget
   * waits until it is alone.
   *
   * @returns gives the reservation back, or leaves the queue; calls after the first have no effect
   */
  reserve(size: number, callback: () => void): () => void {
    const reservation: Reservation = { size: size <= freeSize ? 0 : size, callback }
    this.#waiting.push(reservation)
    if (reservation.size === 0) this.#grant(reservation)
    else this.#grantNext()
    let isReleased = false
    return () => {
      if (isReleased) return
      isReleased = true
      if (reservation.callback === undefined) this.#used -= reservation.size
      else this.#waiting.splice(this.#waiting.indexOf(reservation), 1)
      this.#grantNext()
    }
  }

  #grantNext(): void {
    for (let next; (next = this.#waiting[0]) !== undefined; this.#grant(next)) {
      if (this.#used > 0 && this.#used + next.size > this.#max) return
    }
  }

  #grant(reservation: Reservation): void {
    const { callback, size } = reservation
    this.#waiting.splice(this.#waiting.indexOf(reservation), 1)
    reservation.callback = undefined
    this.#used += size
    callback?.()
  }
}
