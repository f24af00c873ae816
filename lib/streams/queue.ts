// A first-in-first-out queue. `Array.shift` moves all other items of a long array, so to empty a
// long array takes quadratic time. This queue moves the items only when half of them are gone.

export class Queue<Item> {
  #items: (Item | undefined)[] = []
  /** The index of the first item. */
  #first = 0

  get length(): number {
    return this.#items.length - this.#first
  }

  push(item: Item): void {
    this.#items.push(item)
  }

  /** Removes the first item and returns it, or returns undefined if there is none. */
  shift(): Item | undefined {
    if (this.length === 0) return undefined
    const item = this.#items[this.#first]
    this.#items[this.#first++] = undefined
    if (this.#first * 2 >= this.#items.length) {
      this.#items = this.#items.slice(this.#first)
      this.#first = 0
    }
    return item
  }

  /** Removes all items and returns them. */
  take(): Item[] {
    const items = this.#items.slice(this.#first) as Item[]
    this.#items = []
    this.#first = 0
    return items
  }
}
