// Finds a value in the bytes of a JSON object by the names of the members that lead to it. The code
// does not parse the JSON, so the value's bytes stay as the peer wrote them. This matters for big
// numbers and escapes, which parsing changes.

import { BACKSLASH, OPEN_BRACE, OPEN_BRACKET } from './bytes.ts'
import { MemberCursor, skipBlank } from './walker.ts'

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
  let span: Span | undefined = { start: skipBlank(bytes, 0), end: bytes.length }
  for (const name of path) {
    if (bytes[span.start] !== OPEN_BRACE) return undefined
    span = findMember(bytes, span.start, name)
    if (span === undefined) return undefined
  }
  return span
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

/** Reads the string at `path`. Returns undefined if there is no string. */
export function stringAt(bytes: Buffer, path: readonly string[]): string | undefined {
  const value = scalarAt(bytes, path)
  return typeof value === 'string' ? value : undefined
}

export const textAt = (bytes: Buffer, { start, end }: Span): string =>
  bytes.toString('utf8', start, end)

/** @param open the index of the object's opening brace */
function findMember(bytes: Buffer, open: number, name: string): Span | undefined {
  let found: Span | undefined
  const member = new MemberCursor(bytes, open)
  while (member.next()) {
    if (isString(bytes, member.nameStart, member.nameEnd, name)) {
      found = { start: member.start, end: member.end }
    }
  }
  return found
}

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
