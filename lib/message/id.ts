// The id of a request or response, as a key for tables and as JSON text.
//
// A JSON number can have more digits than a JavaScript number can hold, and one number has several
// texts (`1`, `1.0`, `1e0`). So two ids are equal if their texts are equal. An id is a JavaScript
// number only if JavaScript writes this number with the same text. Otherwise it is a bigint that
// encodes the text: each byte of the text is a digit in base 256. So equal ids are equal keys of a
// Map, no two texts have the same id, and `JSON.stringify` throws instead of writing another id.

import { scalarAt, valueText } from '../json/find-value.ts'
import { BACKSLASH, COMMA } from '../json/bytes.ts'
import type { Id } from '../protocol/json-rpc.ts'
import { paths } from '../protocol/paths.ts'

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

/**
 * Returns the id of a message.
 *
 * @param value the value of the member `id`, as `JSON.parse` returns it
 * @param bytes the message: a valid JSON object, without white space round it
 * @param text the decoded bytes, if the caller has decoded them
 */
export function exactId(value: Id, bytes: Buffer, text?: string): Id {
  if (typeof value === 'string') return value
  const isExact = Number.isSafeInteger(value) && !Object.is(value, -0)
  if (isExact && (endsWithDigits(bytes) || (startsWithDigits(bytes) && isOnlyId(text))))
    return value
  // A search of the text is faster than `valueText`, which reads each member.
  if (isExact && text !== undefined && !unusualId.test(text)) return value
  return idOf(valueText(bytes, paths.id) as string)
}

const unusualId = /"id"\s*:\s*-?\d+[.eE]|\\u006/

/** What `"id"` looks like if a letter of it is escaped: `\u0069` or `\u0064`. */
const escapedLetter = '\\u006'

/** Returns whether no member after the second one can be an id too. The last id would count. */
const isOnlyId = (text: string | undefined): boolean =>
  text !== undefined && !text.includes('"id"', secondMember) && !text.includes(escapedLetter)

/**
 * Returns a progress token. Tokens are equal if their values are equal, because the proxy never
 * writes a token.
 *
 * @param value the token, as `JSON.parse` returns it
 */
export function exactToken(value: Id, bytes: Buffer, path: readonly string[]): Id {
  if (typeof value === 'string' || Number.isSafeInteger(value)) return value
  return idOf(valueText(bytes, path) as string)
}

// Most messages start or end with the id. So the functions below look only there.

const end = Buffer.from('"id":')
const starts = ['{"jsonrpc":"2.0","id":', '{"jsonrpc": "2.0", "id": '].map((text) =>
  Buffer.from(text)
)
/** An index after the start of the second member's name, in both texts. */
const secondMember = 20
const MINUS = 0x2d

/** Returns whether the id is the last member, and its text has only digits. */
function endsWithDigits(bytes: Buffer): boolean {
  let at = bytes.length - 2 // the last byte is the closing brace
  while (isDigit(bytes[at])) at--
  if (bytes[at] === MINUS) at--
  for (let part = end.length - 1; part >= 0; part--, at--) if (bytes[at] !== end[part]) return false
  return bytes[at] !== BACKSLASH
}

/** Returns whether the id is the second member, and its text has only digits. */
function startsWithDigits(bytes: Buffer): boolean {
  for (const start of starts) {
    let at = 0
    while (at < start.length && bytes[at] === start[at]) at++
    if (at < start.length) continue
    if (bytes[at] === MINUS) at++
    while (isDigit(bytes[at])) at++
    return bytes[at] === COMMA
  }
  return false
}

const isDigit = (byte: number | undefined): boolean =>
  byte !== undefined && byte >= 0x30 && byte <= 0x39
