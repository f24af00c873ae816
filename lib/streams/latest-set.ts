// A set that knows the item that was added last. The items themselves are the links of a doubly
// linked list. So each operation takes constant time, and adding an item makes no new object. Sets
// and Maps would do that, and would slow down garbage collection (see slots.ts).

/** The base class of items. An item is in one set at most. */
export abstract class Link {
  set: LatestSet<this> | undefined = undefined
  before: this | undefined = undefined
  after: this | undefined = undefined
}

export class LatestSet<Item extends Link> {
  #size = 0
  #latest: Item | undefined

  get size(): number {
    return this.#size
  }

  /** The item that was added last. Undefined if the set is empty. */
  get latest(): Item | undefined {
    return this.#latest
  }

  /**
   * Adds an item, and removes it from the set that it was in. An item that is in this set already
   * becomes the latest.
   */
  add(item: Item): void {
    item.set?.delete(item)
    item.set = this
    item.before = this.#latest
    if (this.#latest !== undefined) this.#latest.after = item
    this.#latest = item
    this.#size++
  }

  /** Removes an item. Does nothing if the item is not in this set. */
  delete(item: Item): void {
    if (item.set !== this) return
    const { before, after } = item
    if (before !== undefined) before.after = after
    if (after !== undefined) after.before = before
    else this.#latest = before
    item.set = item.before = item.after = undefined
    this.#size--
  }
}
