// A table of requests by their ids.
//
// Two ids are equal if their texts are equal. But some servers read a number and write it with
// another text: the response to `1.0` has the id `1`. So `match` also finds a request whose id has
// the same value, if no request has the same text.

import type { Id } from '../protocol/json-rpc.ts'
import { withId } from './frame.ts'
import type { Frame } from './frame.ts'
import { IdTable } from './id-table.ts'
import { byValue } from './id.ts'

export class IdMap<Value> {
  readonly #values = new IdTable<Value>()
  /** The ids whose text is not the usual one of their value, by this value. */
  #unusual: Map<Id, bigint> | undefined

  get size(): number {
    return this.#values.size
  }

  /** A copy of the ids. */
  get ids(): Id[] {
    return this.#values.ids
  }

  /** A copy of the values. */
  get values(): Value[] {
    return this.#values.values
  }

  has(id: Id): boolean {
    return this.#values.has(id)
  }

  get(id: Id): Value | undefined {
    return this.#values.get(id)
  }

  set(id: Id, value: Value): void {
    if (typeof id === 'bigint') (this.#unusual ??= new Map()).set(byValue(id), id)
    this.#values.set(id, value)
  }

  delete(id: Id): boolean {
    if (typeof id === 'bigint') this.#unusual?.delete(byValue(id))
    return this.#values.delete(id)
  }

  clear(): void {
    this.#unusual = undefined
    this.#values.clear()
  }

  /** Returns the response with the id of its request, as the sender of the request wrote it. */
  match(response: Frame): Frame {
    const { kind, id } = response
    if (this.#unusual === undefined || kind !== 'response' || id === undefined) return response
    const own = this.has(id) ? undefined : this.#unusual.get(byValue(id))
    return own === undefined ? response : withId(response, own)
  }
}
