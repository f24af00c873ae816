// A set that knows the item that was added last. The items are a doubly linked list, so each
// operation takes constant time.

interface Link<T> {
  item: T
  before: Link<T> | undefined
  after: Link<T> | undefined
}

export class LatestSet<T> {
  readonly #links = new Map<T, Link<T>>()
  #last: Link<T> | undefined

  get size(): number {
    return this.#links.size
  }

  /** The item that was added last. Undefined if the set is empty. */
  get latest(): T | undefined {
    return this.#last?.item
  }

  /** Adds an item. An item that is in the set already becomes the latest. */
  add(item: T): void {
    this.delete(item)
    const link: Link<T> = { item, before: this.#last, after: undefined }
    if (this.#last !== undefined) this.#last.after = link
    this.#last = link
    this.#links.set(item, link)
  }

  delete(item: T): void {
    const link = this.#links.get(item)
    if (link === undefined) return
    this.#links.delete(item)
    if (link.before !== undefined) link.before.after = link.after
    if (link.after !== undefined) link.after.before = link.before
    else this.#last = link.before
  }
}
