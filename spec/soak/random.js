// Random numbers from a seed. (Mulberry32: a counter, mixed by multiplications and shifts.)

export class Random {
  #state

  constructor(seed) {
    this.#state = seed >>> 0
  }

  /** A number from 0 to 1, without 1. */
  next() {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = this.#state
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }

  /** An integer from 0 to `below`, without `below`. */
  integer(below) {
    return Math.floor(this.next() * below)
  }

  /** True in `share` of all cases. */
  chance(share) {
    return this.next() < share
  }

  pick(list) {
    return list[this.integer(list.length)]
  }
}
