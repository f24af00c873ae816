// Replaces single values in the bytes of a JSON object and keeps all other bytes. Parsing the
// message and writing it again would change big integers, the order of keys, and more.

import { ZERO } from './bytes.ts'
import { findValue } from './find-value.ts'
import type { Span } from './find-value.ts'

/** The JSON text that replaces the value at `path` (names of members, from the root). */
export interface Replacement {
  path: string[]
  text: string
}

/** The JSON text that replaces the bytes from `start` to `end`. */
export interface Change extends Span {
  text: string
}

/**
 * Returns a copy of the object with some values replaced. A path without a value changes nothing.
 *
 * @param bytes a valid JSON object
 * @param replacements no path may lead into a value that another replacement replaces
 */
export function splice(bytes: Buffer, replacements: Replacement[]): Buffer {
  const changes: Change[] = []
  for (const { path, text } of replacements) {
    const span = findValue(bytes, path)
    if (span !== undefined) changes.push({ start: span.start, end: span.end, text })
  }
  return spliceAt(bytes, changes)
}

/**
 * Returns a copy with another value at a place. Most rewritten messages get only a new id, near their
 * beginning. So one native copy of the whole message moves the bytes after the id to their place.
 *
 * @param value a number, or JSON text
 */
export function replace(bytes: Buffer, { start, end }: Span, value: string | number): Buffer {
  if (typeof value === 'number' && !isShort(value)) value = String(value)
  if (start > maxLoop) return spliceAt(bytes, [{ start, end, text: String(value) }])
  const size = typeof value === 'number' ? countDigits(value) : Buffer.byteLength(value)
  const more = size - (end - start)
  const whole = Buffer.allocUnsafe(bytes.length + Math.max(more, 0))
  whole.set(bytes, Math.max(more, 0))
  const result = more < 0 ? whole.subarray(-more) : whole
  if (more !== 0) copy(bytes, 0, start, result, 0)
  if (typeof value === 'number') writeDigits(value, result, start + size)
  else write(value, result, start)
  return result
}

/** Whether a number is an integer from 0 to 2 ^ 31 - 1. To write it needs no string. */
const isShort = (value: number): boolean => (value & 0x7fffffff) === value

/** @param value a short number */
function countDigits(value: number): number {
  let count = 1
  for (let rest = value; rest >= 10; rest = (rest / 10) | 0) count++
  return count
}

/** Writes a short number that ends before the index `end`. */
function writeDigits(value: number, target: Buffer, end: number): void {
  let rest = value
  let at = end
  do {
    const higher = (rest / 10) | 0
    target[--at] = ZERO + rest - 10 * higher
    rest = higher
  } while (rest > 0)
}

/** Works like `splice`, for values that the caller has already found. It sorts `changes`. */
export function spliceAt(bytes: Buffer, changes: Change[]): Buffer {
  if (changes.length > 1) changes.sort((one, other) => one.start - other.start)
  let size = bytes.length
  for (const { start, end, text } of changes) size += Buffer.byteLength(text) - (end - start)
  const result = Buffer.allocUnsafe(size)
  let to = 0
  let from = 0
  for (const { start, end, text } of changes) {
    copy(bytes, from, start, result, to)
    to += start - from
    to += write(text, result, to)
    from = end
  }
  copy(bytes, from, bytes.length, result, to)
  return result
}

/** Up to this size, in bytes, a loop is faster than the methods of `Buffer`. Most texts are ids. */
const maxLoop = 96

/** Writes a text and returns its size in bytes. */
function write(text: string, target: Buffer, to: number): number {
  if (text.length > maxLoop) return target.write(text, to)
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code > 0x7f) return target.write(text, to)
    target[to + at] = code
  }
  return text.length
}

function copy(source: Buffer, start: number, end: number, target: Buffer, to: number): void {
  if (end - start > maxLoop) source.copy(target, to, start, end)
  else for (let at = start; at < end; at++) target[to++] = source[at] as number
}
