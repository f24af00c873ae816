// A table of requests by their ids.
//
// Two ids are equal if their texts are equal. But some servers read a number and write it with
// another text: the response to `1.0` has the id `1`. So `match` also finds a request whose id has
// the same value, if no request has the same text.

import type { Id } from '../protocol/json-rpc.ts'
import { withId } from './frame.ts'
import type { Frame } from './frame.ts'
import { byValue } from './id.ts'

// A `Map` as a member is twice as fast as a class that extends `Map`.

export class IdMap<Value> {
  readonly #values = new Map<Id, Value>()
  /** The ids whose text is not the usual one of their value, by this value. */
  readonly #unusual = new Map<Id, bigint>()

  get size(): number {
    return this.#values.size
  }

  keys(): IterableIterator<Id> {
    return this.#values.keys()
  }

  values(): IterableIterator<Value> {
    return this.#values.values()
  }

  has(id: Id): boolean {
    return this.#values.has(id)
  }

  get(id: Id): Value | undefined {
    return this.#values.get(id)
  }

  set(id: Id, value: Value): void {
    if (typeof id === 'bigint') this.#unusual.set(byValue(id), id)
    this.#values.set(id, value)
  }

  delete(id: Id): boolean {
    if (typeof id === 'bigint') this.#unusual.delete(byValue(id))
    return this.#values.delete(id)
  }

  clear(): void {
    this.#unusual.clear()
    this.#values.clear()
  }

  /** Returns the response with the id of its request, as the sender of the request wrote it. */
  match(response: Frame): Frame {
    const { kind, id } = response
    if (this.#unusual.size === 0 || kind !== 'response' || id === undefined) return response
    const own = this.has(id) ? undefined : this.#unusual.get(byValue(id))
    return own === undefined ? response : withId(response, own)
  }
}
