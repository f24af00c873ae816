// Waits for many things at once, each for the same time. Nearly all come long before it is over, so
// there is one timer for all of them: to set one for each and to clear it again costs more than the
// thing itself.

export interface PendingItem {
  /** What is waited for has not come yet. */
  readonly pending: boolean
  /** Called once when it has not come in time. */
  expire(): void
}

const firstLimit = 64

export class DeadlineQueue {
  readonly #time: number
  /** In the order in which their time is over; among them those that wait no longer. */
  #queue: { item: PendingItem; until: number }[] = []
  /** How long the queue may get before it is gone through. */
  #limit = firstLimit
  #timer: NodeJS.Timeout | undefined

  /** @param time milliseconds (0: for ever) */
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

  /** Waits for nothing any more. */
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
