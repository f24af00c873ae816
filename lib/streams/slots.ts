// Things that come and go all the time, each under a number that none before it had.
//
// A Map or a Set does the same, at a price that shows only in the profile of the garbage collector: one
// that is added to and deleted from is made anew again and again, and those it was before keep alive,
// one the next, what they held, until all of memory is gone through.

const firstSize = 64

type Place<Item> = { number: number; item: Item } | undefined

const places = <Item>(count: number): Place<Item>[] =>
  Array.from({ length: count }, () => undefined)

export class Slots<Item> {
  /** Each number has its place, which is empty or taken by an item with the same last digits. */
  #items: Place<Item>[] = places(firstSize)
  #size = 0
  #last = 0

  get size(): number {
    return this.#size
  }

  /** Takes an item, and gives the number that it has from now on: they ascend from one. */
  add(item: Item): number {
    if (this.#size * 2 > this.#items.length) this.#grow()
    let number = ++this.#last
    while (this.#items[this.#place(number)] !== undefined) number = ++this.#last
    this.#items[this.#place(number)] = { number, item }
    this.#size++
    return number
  }

  get(number: number): Item | undefined {
    const entry = this.#items[this.#place(number)]
    return entry?.number === number ? entry.item : undefined
  }

  /** Returns what had the number. */
  delete(number: number): Item | undefined {
    const item = this.get(number)
    if (item === undefined) return undefined
    this.#items[this.#place(number)] = undefined
    this.#size--
    return item
  }

  /** All there are now: those added or deleted meanwhile make no difference. */
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
