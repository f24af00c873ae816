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
  readonly #items: PendingItem[] = []
  /** The deadline of each item. An object for each item and its deadline would cost more. */
  readonly #deadlines: number[] = []
  /** The length at which the queue drops the items that no longer wait. */
  #limit = firstLimit
  #timer: NodeJS.Timeout | undefined

  /** @param time how long each item may wait, in ms (0: no limit) */
  constructor(time: number) {
    this.#time = time
  }

  add(item: PendingItem): void {
    if (this.#time === 0) return
    if (this.#items.length === this.#limit) this.#cleanUp()
    this.#items.push(item)
    this.#deadlines.push(performance.now() + this.#time)
    this.#timer ??= setTimeout(this.#look, this.#time)
  }

  /** Forgets all items and stops the timer. */
  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#items.length = this.#deadlines.length = 0
  }

  /** Drops the items that no longer wait. */
  #cleanUp(): void {
    let kept = 0
    for (let place = 0; place < this.#items.length; place++) {
      const item = this.#items[place] as PendingItem
      if (!item.pending) continue
      this.#items[kept] = item
      this.#deadlines[kept++] = this.#deadlines[place] as number
    }
    this.#items.length = this.#deadlines.length = kept
    this.#limit = Math.max(firstLimit, 2 * kept)
  }

  readonly #look = (): void => {
    this.#cleanUp()
    const now = performance.now()
    const next = this.#deadlines.findIndex((deadline) => deadline > now)
    const count = next === -1 ? this.#items.length : next
    const expired = this.#items.splice(0, count)
    this.#deadlines.splice(0, count)
    const [first] = this.#deadlines
    this.#timer = first === undefined ? undefined : setTimeout(this.#look, first - now)
    for (const item of expired) if (item.pending) item.expire()
  }
}
