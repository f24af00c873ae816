// Gives many items the same time limit with one timer. Nearly all items are done long before their
// deadline, and a timer for each would cost more than the item itself.
//
// The queue is in the order of the deadlines. The timer waits for the first one.

export interface PendingItem {
  /** Whether the item still waits. An item that does not wait never expires. */
  readonly pending: boolean
  /** Called once, when the deadline of an item that waits has passed. */
  expire(): void
}

const firstLimit = 64

export class DeadlineQueue {
  readonly #time: number
  /** In the order of the deadlines. Items that no longer wait stay until the next clean-up. */
  #queue: { item: PendingItem; until: number }[] = []
  /** The length at which the queue drops the items that no longer wait. */
  #limit = firstLimit
  #timer: NodeJS.Timeout | undefined

  /** @param time how long each item may wait, in ms (0: no limit) */
  constructor(time: number) {
    this.#time = time
  }

  add(item: PendingItem): void {
    if (this.#time === 0) return
    if (this.#queue.length === this.#limit) {
      this.#queue = this.#queue.filter(({ item }) => item.pending)
      this.#limit = Math.max(firstLimit, 2 * this.#queue.length)
    }
    this.#queue.push({ item, until: performance.now() + this.#time })
    this.#timer ??= setTimeout(this.#look, this.#time)
  }

  /** Forgets all items and stops the timer. */
  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#queue = []
  }

  readonly #look = (): void => {
    const now = performance.now()
    const waiting = this.#queue.filter(({ item }) => item.pending)
    this.#queue = waiting.filter(({ until }) => until > now)
    const [next] = this.#queue
    this.#timer = next && setTimeout(this.#look, next.until - now)
    for (const { item, until } of waiting) if (until <= now) item.expire()
  }
}
