// Finds a value in the bytes of a JSON object by the names of the members that lead to it. The code
// does not parse the JSON, so the value's bytes stay as the peer wrote them. This matters for big
// numbers and escapes, which parsing changes.

import { BACKSLASH, COMMA, OPEN_BRACE, OPEN_BRACKET, QUOTE } from './bytes.ts'
import { MemberCursor, skipBlank, stringEnd, valueEnd } from './walker.ts'

/** The place of a value: the index of its first byte, and the index after its last byte. */
export interface Span {
  start: number
  end: number
}

/**
 * Finds the value at `path` (names of members, from the root) in a valid JSON object. Returns
 * undefined if there is no such value. If members have the same name, the last one counts, as in
 * `JSON.parse`.
 */
export function findValue(bytes: Buffer, path: readonly string[]): Span | undefined {
  const start = skipBlank(bytes, 0)
  if (path.length === 0) return { start, end: bytes.length }
  found.start = -1
  walk(bytes, start, path, 0)
  return found.start === -1 ? undefined : { start: found.start, end: found.end }
}

/** What `walk` has found. `start` is -1 if it has found nothing. */
const found: Span = { start: -1, end: -1 }

/**
 * Looks for the value at `path` in the value that starts at `start`, in one pass.
 *
 * @param level how many names of the path lead to this value
 * @returns the index after the value
 */
function walk(bytes: Buffer, start: number, path: readonly string[], level: number): number {
  if (bytes[start] !== OPEN_BRACE) return valueEnd(bytes, start)
  let at = skipBlank(bytes, start + 1)
  while (bytes[at] === QUOTE) {
    const nameEnd = stringEnd(bytes, at)
    const isWanted = isString(bytes, at, nameEnd, path[level] as string)
    const value = skipBlank(bytes, skipBlank(bytes, nameEnd) + 1)
    let end
    if (!isWanted) end = valueEnd(bytes, value)
    else {
      found.start = -1
      const isLast = level + 1 === path.length
      end = isLast ? valueEnd(bytes, value) : walk(bytes, value, path, level + 1)
      if (isLast) {
        found.start = value
        found.end = end
      }
    }
    at = skipBlank(bytes, end)
    if (bytes[at] !== COMMA) break
    at = skipBlank(bytes, at + 1)
  }
  return at + 1
}

/**
 * Finds the values of the members with these names in a valid JSON object, in one pass. If members
 * have the same name, the last one counts.
 *
 * @param open the index of the object's opening brace
 */
export function findMembers(bytes: Buffer, open: number, names: string[]): Map<string, Span> {
  const found = new Map<string, Span>()
  const member = new MemberCursor(bytes, open)
  const wanted = new Set(names)
  const longest = names.reduce((longest, { length }) => Math.max(longest, length), 0)
  while (member.next()) {
    const name = nameIn(bytes, member.nameStart, member.nameEnd, longest)
    if (name !== undefined && wanted.has(name)) {
      found.set(name, { start: member.start, end: member.end })
    }
  }
  return found
}

/** Returns the value of a JSON string, or undefined if it has more than `longest` characters. */
function nameIn(bytes: Buffer, start: number, end: number, longest: number): string | undefined {
  // With escapes such as \u0061, a character takes six bytes.
  const size = end - start - 2
  if (size > 6 * longest) return undefined
  const text = bytes.toString('utf8', start + 1, end - 1)
  if (text.includes('\\')) return JSON.parse(`"${text}"`) as string
  return text
}

/** Returns the JSON text of the value at `path`, unchanged; undefined if there is no such value. */
export function valueText(bytes: Buffer, path: readonly string[]): string | undefined {
  const span = findValue(bytes, path)
  return span && textAt(bytes, span)
}

/** The longest value that `scalarAt` reads, in bytes. */
const maxScalar = 1024 * 1024

/**
 * Reads the string, number, `true`, `false` or `null` at `path`. Returns undefined if there is no
 * value, or an object, an array or a text over 1 MiB. So the caller only has to check the type.
 */
export function scalarAt(bytes: Buffer, path: readonly string[]): unknown {
  const span = findValue(bytes, path)
  if (span === undefined || span.end - span.start > maxScalar) return undefined
  const first = bytes[span.start]
  if (first === OPEN_BRACE || first === OPEN_BRACKET) return undefined
  return JSON.parse(textAt(bytes, span))
}

/** Reads the string at `path`, of at most 1 MiB. Returns undefined if there is no string. */
export function stringAt(bytes: Buffer, path: readonly string[]): string | undefined {
  const span = findValue(bytes, path)
  if (span === undefined || bytes[span.start] !== QUOTE) return undefined
  const { start, end } = span
  if (end - start > maxScalar) return undefined
  const text = bytes.toString('utf8', start + 1, end - 1)
  return text.includes('\\') ? (JSON.parse(`"${text}"`) as string) : text
}

export const textAt = (bytes: Buffer, { start, end }: Span): string =>
  bytes.toString('utf8', start, end)

/**
 * Returns whether the JSON string between `start` and `end`, with its quotes, has the value `text`.
 */
export function isString(bytes: Buffer, start: number, end: number, text: string): boolean {
  // A text of n characters takes at least n bytes between the quotes. With escapes such as \u0061
  // it takes up to 6 n bytes.
  const size = end - start - 2
  if (size < text.length || size > 6 * text.length) return false
  let isSame = size === text.length
  for (let at = start + 1; at < end - 1; at++) {
    const byte = bytes[at] as number
    if (byte === BACKSLASH || byte > 0x7f) {
      return JSON.parse(bytes.toString('utf8', start, end)) === text
    }
    isSame &&= byte === text.charCodeAt(at - start - 1)
  }
  return isSame
}
