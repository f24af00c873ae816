// Changing single values in the bytes of a message, and no byte beside them: what is parsed and
// written anew loses big integers, the order of keys, and everything else that travels undelivered.

import { stringEnd } from './strings.ts'

const QUOTE = 0x22
const COMMA = 0x2c
const OPEN_BRACKET = 0x5b
const BACKSLASH = 0x5c
const CLOSE_BRACKET = 0x5d
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d

/** A value's place: from its first byte to behind its last. */
export interface Span {
  start: number
  end: number
}

/** Replaces the value at `path` (names of members, from the root) with `text`. */
export interface Replacement {
  path: string[]
  text: string
}

/** The same of a value that has been found. */
export interface Change extends Span {
  text: string
}

/**
 * The message with other values in some places, as new bytes. A path that leads nowhere changes
 * nothing.
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

/** The same for values that have been found. */
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

/** The text of the value at `path`, as it stands in `bytes`. */
export function valueText(bytes: Buffer, path: string[]): string | undefined {
  const span = findValue(bytes, path)
  return span && textAt(bytes, span)
}

export const textAt = (bytes: Buffer, { start, end }: Span): string =>
  bytes.toString('utf8', start, end)

/** Finds the value at `path` in a valid JSON object. Of members with the same name the last counts. */
export function findValue(bytes: Buffer, path: string[]): Span | undefined {
  let span: Span | undefined = { start: skipBlank(bytes, 0), end: bytes.length }
  for (const name of path) {
    if (bytes[span.start] !== OPEN_BRACE) return undefined
    span = findMember(bytes, span.start, name)
    if (span === undefined) return undefined
  }
  return span
}

function findMember(bytes: Buffer, open: number, name: string): Span | undefined {
  let found: Span | undefined
  let at = skipBlank(bytes, open + 1)
  while (bytes[at] === QUOTE) {
    const keyEnd = stringEnd(bytes, at)
    const isIt = keyIs(bytes, at, keyEnd, name)
    const start = skipBlank(bytes, skipBlank(bytes, keyEnd) + 1)
    const end = valueEnd(bytes, start)
    if (isIt) found = { start, end }
    at = skipBlank(bytes, end)
    if (bytes[at] === COMMA) at = skipBlank(bytes, at + 1)
  }
  return found
}

/** Whether the string from `start` to `end`, with its quotes, is `name`. */
function keyIs(bytes: Buffer, start: number, end: number, name: string): boolean {
  // A name of n characters takes n bytes between its quotes, or more if they are escaped.
  if (end - start < name.length + 2) return false
  let isSame = end - start === name.length + 2
  for (let at = start + 1; at < end - 1; at++) {
    const byte = bytes[at] as number
    if (byte === BACKSLASH || byte > 0x7f) {
      return JSON.parse(bytes.toString('utf8', start, end)) === name
    }
    isSame &&= byte === name.charCodeAt(at - start - 1)
  }
  return isSame
}

/** The index behind the value of a member that starts at `start`. */
function valueEnd(bytes: Buffer, start: number): number {
  let at = start
  let depth = 0
  do {
    const byte = bytes[at]
    if (byte === QUOTE) {
      at = stringEnd(bytes, at)
      continue
    }
    if (byte === OPEN_BRACE || byte === OPEN_BRACKET) depth++
    else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) depth--
    at++
  } while (depth > 0)
  // By now this is all of it, unless it is a number or a word.
  while (!endsValue(bytes[at] as number)) at++
  return at
}

const endsValue = (byte: number): boolean =>
  byte <= 0x20 || byte === COMMA || byte === CLOSE_BRACE || byte === CLOSE_BRACKET

function skipBlank(bytes: Buffer, at: number): number {
  while ((bytes[at] as number) <= 0x20) at++
  return at
}
