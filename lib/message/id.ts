// The id of a request or response, as a key for tables and as JSON text.
//
// A JSON number can have more digits than a JavaScript number can hold, and one number has several
// texts (`1`, `1.0`, `1e0`). So two ids are equal if their texts are equal. An id is a JavaScript
// number only if JavaScript writes this number with the same text. Otherwise it is a bigint that
// encodes the text: each byte of the text is a digit in base 256. So equal ids are equal keys of a
// Map, no two texts have the same id, and `JSON.stringify` throws instead of writing another id.

import { scalarAt, valueText } from '../json/find-value.ts'
import type { Id } from '../protocol/json-rpc.ts'

/** @param text the JSON text of a string or a number */
export function idOf(text: string): Id {
  if (text.startsWith('"')) return JSON.parse(text) as string
  const value = Number(text)
  return String(value) === text ? value : BigInt(`0x${Buffer.from(text).toString('hex')}`)
}

/** Returns the JSON text of an id, as the peer wrote it, or `null` if there is no id. */
export function jsonOf(id: Id | undefined): string {
  if (typeof id === 'bigint') return Buffer.from(id.toString(16), 'hex').toString()
  return JSON.stringify(id ?? null)
}

/** Returns the value of an id, if a JavaScript number can hold it. Otherwise returns the id. */
export function byValue(id: Id): Id {
  if (typeof id !== 'bigint') return id
  const value = Number(jsonOf(id))
  // This turns -0 into 0.
  return Number.isSafeInteger(value) ? value + 0 : id
}

/** Reads the id at `path`. Returns undefined if there is none. */
export function idIn(bytes: Buffer, path: readonly string[]): Id | undefined {
  const value = scalarAt(bytes, path)
  if (typeof value === 'number') return idOf(valueText(bytes, path) as string)
  return typeof value === 'string' ? value : undefined
}
