// A table of items that come and go often. Each item gets a number that no item had before. The
// numbers count from 1, or the caller chooses them.
//
// A Map could do this too. But with many additions and deletions a Map builds new hash tables again
// and again. The old hash tables keep their items in memory until a full garbage collection. This
// table reuses its array. The item with number n is at index n modulo the length of the array.

const firstSize = 8

type Place<Item> = { number: number; item: Item } | undefined

const places = <Item>(count: number): Place<Item>[] =>
  Array.from({ length: count }, () => undefined)

export class Slots<Item> {
  /** The item with number n is at index n modulo the length of the array. */
  #items: Place<Item>[] = places(firstSize)
  #size = 0
  #last = 0
  readonly #next: () => number

  /**
   * @param next gives a number for the next item. If the place of that number is not free, the
   * table asks again. Default: it counts from 1
   */
  constructor(next?: () => number) {
    this.#next = next ?? ((): number => ++this.#last)
  }

  get size(): number {
    return this.#size
  }

  /** Adds an item and returns its number. */
  add(item: Item): number {
    if (this.#size * 2 > this.#items.length) this.#grow()
    let number = this.#next()
    while (this.#items[this.#place(number)] !== undefined) number = this.#next()
    this.#items[this.#place(number)] = { number, item }
    this.#size++
    return number
  }

  get(number: number): Item | undefined {
    const entry = this.#items[this.#place(number)]
    return entry?.number === number ? entry.item : undefined
  }

  /** Removes the item with this number and returns it, or undefined if there is no such item. */
  delete(number: number): Item | undefined {
    const item = this.get(number)
    if (item === undefined) return undefined
    this.#items[this.#place(number)] = undefined
    this.#size--
    return item
  }

  /** A new array of all items. Later changes to the table do not change this array. */
  get all(): Item[] {
    return this.#items.flatMap((entry) => (entry === undefined ? [] : [entry.item]))
  }

  #place(number: number): number {
    return number % this.#items.length
  }

  #grow(): void {
    const before = this.#items
    this.#items = places(before.length * 2)
    for (const entry of before)
      if (entry !== undefined) this.#items[this.#place(entry.number)] = entry
  }
}
