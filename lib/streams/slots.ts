// A table of items that come and go often. Each item gets a number that no item had before. The
// numbers count from 1, or the caller chooses them.
//
// A Map could do this too. But with many additions and deletions a Map builds new hash tables again
// and again. The old hash tables keep their items in memory until a full garbage collection. This
// table reuses its arrays. The item with number n is at index n modulo the length of the arrays.
//
// There is no object for each place. V8 allocates objects of one place in the code in old memory if they
// often outlive a collection, and such an object keeps its item until a full garbage collection too.

const firstSize = 8

/** The number of a free place. */
const free = 0

export class Slots<Item> {
  /** The number of the item in each place. */
  #numbers: number[] = new Array<number>(firstSize).fill(free)
  #items: (Item | undefined)[] = new Array<undefined>(firstSize).fill(undefined)
  #size = 0
  #last = 0
  readonly #next: () => number

  /**
   * @param next gives a number above 0 for the next item. If the place of that number is not free, the
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
    while (this.#numbers[this.#place(number)] !== free) number = this.#next()
    this.#put(number, item)
    this.#size++
    return number
  }

  get(number: number): Item | undefined {
    return this.#has(number) ? this.#items[this.#place(number)] : undefined
  }

  /** Removes the item with this number and returns it, or undefined if there is no such item. */
  delete(number: number): Item | undefined {
    if (!this.#has(number)) return undefined
    const place = this.#place(number)
    const item = this.#items[place]
    this.#numbers[place] = free
    this.#items[place] = undefined
    this.#size--
    return item
  }

  /** A new array of all items. Later changes to the table do not change this array. */
  get all(): Item[] {
    return this.#items.filter((_, place) => this.#numbers[place] !== free) as Item[]
  }

  #has(number: number): boolean {
    return number !== free && this.#numbers[this.#place(number)] === number
  }

  #place(number: number): number {
    return number % this.#items.length
  }

  #put(number: number, item: Item): void {
    const place = this.#place(number)
    this.#numbers[place] = number
    this.#items[place] = item
  }

  #grow(): void {
    const numbers = this.#numbers
    const items = this.#items
    const size = items.length * 2
    this.#numbers = new Array<number>(size).fill(free)
    this.#items = new Array<undefined>(size).fill(undefined)
    for (const [place, number] of numbers.entries()) {
      if (number !== free) this.#put(number, items[place] as Item)
    }
  }
}
