// Replaces single values in the bytes of a JSON object and leaves all other bytes as they are. To parse
// the message and write it again would change big integers, the order of keys, and more.

import { findValue } from './find-value.ts'
import type { Span } from './find-value.ts'

/** Replaces the value at `path` (names of members, from the root) with `text`. */
export interface Replacement {
  path: string[]
  text: string
}

/** Replaces the value at a place that is already known. */
export interface Change extends Span {
  text: string
}

/**
 * The object with other values in some places, as new bytes. A path without a value changes nothing.
 *
 * @param bytes a valid JSON object
 * @param replacements none of them inside of another
 */
export function splice(bytes: Buffer, replacements: Replacement[]): Buffer {
  const changes: Change[] = []
  for (const { path, text } of replacements) {
    const span = findValue(bytes, path)
    if (span !== undefined) changes.push({ start: span.start, end: span.end, text })
  }
  return spliceAt(bytes, changes)
}

/** The same for values that the caller has found with `findValue`. */
export function spliceAt(bytes: Buffer, changes: Change[]): Buffer {
  if (changes.length > 1) changes.sort((one, other) => one.start - other.start)
  let size = bytes.length
  for (const { start, end, text } of changes) size += Buffer.byteLength(text) - (end - start)
  const result = Buffer.allocUnsafe(size)
  let to = 0
  let from = 0
  for (const { start, end, text } of changes) {
    to += bytes.copy(result, to, from, start)
    to += result.write(text, to)
    from = end
  }
  bytes.copy(result, to, from)
  return result
}
