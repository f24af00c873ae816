// Gives many items an equal time limit, with only one timer. Nearly all items are done long before
// their deadline, so a timer for each item would cost more than the item itself.
//
// The queue is sorted by deadline. The timer waits for the first deadline.

export interface PendingItem {
  /** Whether the item still waits. An item that no longer waits never expires. */
  readonly pending: boolean
  /** Called once, if the item still waits when its deadline has passed. */
  expire(): void
}

const firstLimit = 64

export class DeadlineQueue {
  readonly #time: number
  /** The items, sorted by deadline. Items that no longer wait stay until the next clean-up. */
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
    const next = this.#queue.findIndex(({ item, until }) => item.pending && until > now)
    const before = this.#queue.splice(0, next === -1 ? this.#queue.length : next)
    const [first] = this.#queue
    this.#timer = first && setTimeout(this.#look, first.until - now)
    for (const { item, until } of before) if (item.pending && until <= now) item.expire()
  }
}
