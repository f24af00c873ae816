// The calls that wait for their client to call again. The `requestState` in a response is a random
// key of this table, so a client can neither guess it nor change it (2026-07-28, Multi Round-Trip
// Requests, Server Requirements). A key is good for one request, with the same method and
// parameters, from a client of the same group.

import { ProxyError } from '../../errors.ts'
import { editObject } from '../../json/edit-object.ts'
import { findValue } from '../../json/find-value.ts'
import type { Span } from '../../json/find-value.ts'
import { MemberCursor } from '../../json/walker.ts'
import type { Frame } from '../../message/frame.ts'
import { roundMembers } from './request-meta.ts'

/** How many random bytes a key has. */
const keySize = 24

/** What a request must share with the request that was held. */
export interface Held {
  /** The key of the client's group. */
  readonly groupKey: string
  /** The digest of the method and the parameters. */
  readonly digest: string
  /** Ends the call, and deletes it from the table. */
  cancel(): void
}

/** How many calls may wait. More calls end the oldest ones. */
export const maxHeld = 1000

export class HeldCalls<Call extends Held> {
  readonly #calls = new Map<string, Call>()

  /** Adds a call and returns its key. */
  add(call: Call): string {
    for (const oldest of this.#calls.values()) {
      if (this.#calls.size < maxHeld) break
      oldest.cancel()
    }
    const key = nodeCrypto().randomBytes(keySize).toString('base64url')
    this.#calls.set(key, call)
    return key
  }

  get size(): number {
    return this.#calls.size
  }

  has(key: string): boolean {
    return this.#calls.has(key)
  }

  /** Ends all calls. */
  clear(): void {
    for (const call of this.#calls.values()) call.cancel()
  }

  delete(key: string): void {
    this.#calls.delete(key)
  }

  /**
   * Returns the call that a request continues, and leaves it in the table.
   *
   * @throws ProxyError `ERR_PARAMS` if there is no such call, or the call belongs to another request
   */
  find(key: string, { groupKey, digest }: Omit<Held, 'cancel'>): Call {
    const call = this.#calls.get(key)
    // One text for all cases, so that nobody learns which keys exist.
    if (call?.groupKey !== groupKey || call.digest !== digest) {
      const text = 'the requestState is unknown, expired or used, or belongs to another request'
      throw new ProxyError('ERR_PARAMS', text)
    }
    return call
  }
}

/** Up to this number of parameters, their order may differ from round to round. */
const maxSorted = 1000

/** Returns a digest of the method and the parameters, without what differs from round to round. */
export function digestOf({ bytes, method }: Frame): string {
  const { start, end } = findValue(bytes, ['params']) as Span
  const params = bytes.subarray(start, end)
  const hash = nodeCrypto().createHash('sha256').update(JSON.stringify(method))
  const values = valuesIn(params)
  if (values === undefined) {
    const rest = editObject(params, { start: 0, end: params.length }, { remove })
    return hash.update(rest).digest('base64')
  }
  for (const name of remove) values.delete(name)
  for (const name of [...values.keys()].sort()) {
    const value = values.get(name) as Buffer
    hash.update(`${JSON.stringify(name)}:${value.length}:`).update(value)
  }
  return hash.digest('base64')
}

const remove = ['_meta', ...roundMembers]

/** Returns the values of an object by their names, or undefined if there are too many to sort. */
function valuesIn(bytes: Buffer): Map<string, Buffer> | undefined {
  const values = new Map<string, Buffer>()
  const cursor = new MemberCursor(bytes, 0)
  for (let count = 0; cursor.next(); count++) {
    if (count === maxSorted) return undefined
    const name = JSON.parse(bytes.toString('utf8', cursor.nameStart, cursor.nameEnd)) as string
    values.set(name, bytes.subarray(cursor.start, cursor.end))
  }
  return values
}

/** Loads the module only when it is needed, because it makes the start of the command slower. */
const nodeCrypto = (): typeof import('node:crypto') => process.getBuiltinModule('node:crypto')
