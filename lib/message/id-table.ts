// A Map for ids, which come and go often. A Map of JavaScript builds a new hash table every few requests,
// and the old ones are work for the garbage collector.
//
// Most peers count their requests. So an id that is a number has one place in an array, by its lowest
// bits. If two ids have the same place, the later one is in a Map, and so are all strings.

import type { Id } from '../protocol/json-rpc.ts'

const firstSize = 8
/** More places would take too much memory in a session that is idle. */
const maxSize = 128

export class IdTable<Value> {
  /** The id in each place. `undefined`: the place is free. */
  #placed: (number | undefined)[] = []
  #values: (Value | undefined)[] = []
  /** How many places are taken. */
  #taken = 0
  #others: Map<Id, Value> | undefined

  get size(): number {
    return this.#taken + (this.#others?.size ?? 0)
  }

  /** A copy of the ids. Those that are numbers may have another order than in a Map. */
  get ids(): Id[] {
    const placed = this.#placed.filter((id) => id !== undefined)
    return [...placed, ...(this.#others?.keys() ?? [])]
  }

  /** A copy of the values, in the order of `ids`. */
  get values(): Value[] {
    return this.ids.map((id) => this.get(id) as Value)
  }

  has(id: Id): boolean {
    return this.#isPlaced(id) || this.#others?.has(id) === true
  }

  get(id: Id): Value | undefined {
    return this.#isPlaced(id) ? this.#values[this.#placeOf(id)] : this.#others?.get(id)
  }

  set(id: Id, value: Value): void {
    if (typeof id !== 'number' || this.#others?.has(id) === true) return this.#setOther(id, value)
    while (this.#placed[this.#placeOf(id)] !== id && !this.#isFree(this.#placeOf(id))) {
      if (this.#placed.length === maxSize) return this.#setOther(id, value)
      this.#grow()
    }
    this.#place(id, value)
  }

  /** Returns whether the table had the id. */
  delete(id: Id): boolean {
    if (!this.#isPlaced(id)) return this.#others?.delete(id) === true
    const place = this.#placeOf(id)
    this.#placed[place] = undefined
    this.#values[place] = undefined
    this.#taken--
    return true
  }

  clear(): void {
    this.#placed = []
    this.#values = []
    this.#taken = 0
    this.#others = undefined
  }

  #isPlaced(id: Id): id is number {
    return typeof id === 'number' && this.#taken > 0 && this.#placed[this.#placeOf(id)] === id
  }

  #isFree(place: number): boolean {
    return this.#placed.length > 0 && this.#placed[place] === undefined
  }

  /** The place can be negative as long as there are no places. */
  #placeOf(id: number): number {
    return id & (this.#placed.length - 1)
  }

  #place(id: number, value: Value): void {
    const place = this.#placeOf(id)
    if (this.#placed[place] === undefined) this.#taken++
    this.#placed[place] = id
    this.#values[place] = value
  }

  #setOther(id: Id, value: Value): void {
    this.#others ??= new Map()
    this.#others.set(id, value)
  }

  #grow(): void {
    const placed = this.#placed
    const values = this.#values
    const size = placed.length === 0 ? firstSize : 2 * placed.length
    this.#placed = new Array<undefined>(size).fill(undefined)
    this.#values = new Array<undefined>(size).fill(undefined)
    this.#taken = 0
    for (const [place, id] of placed.entries()) {
      if (id !== undefined) this.#place(id, values[place] as Value)
    }
  }
}
