// Walks through JSON in one buffer, from an index to the end of a string or value. The functions
// parse and copy nothing. They count the depth, so deep nesting needs no stack. `findValue` and
// `splitArray` use them.
//
// The functions expect valid JSON. With other bytes they also return, but the index has no meaning.

import {
  BACKSLASH,
  CLOSE_BRACE,
  CLOSE_BRACKET,
  COMMA,
  CR,
  LF,
  OPEN_BRACE,
  OPEN_BRACKET,
  QUOTE,
  SPACE,
  TAB
} from './bytes.ts'

/** Returns the index of the first byte that is not white space, from `at` on. */
export function skipBlank(bytes: Buffer, at: number): number {
  while ((bytes[at] as number) <= SPACE) at++
  return at
}

/** Returns whether all bytes are JSON white space. */
export function isBlank(bytes: Uint8Array): boolean {
  for (const byte of bytes) if (!isBlankByte(byte)) return false
  return true
}

/** Returns the bytes without the JSON white space at their beginning and end. */
export function trimBlank(bytes: Buffer): Buffer {
  let start = 0
  let end = bytes.length
  while (start < end && isBlankByte(bytes[start])) start++
  while (end > start && isBlankByte(bytes[end - 1])) end--
  return start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end)
}

export const isBlankByte = (byte: number | undefined): boolean =>
  byte === SPACE || byte === LF || byte === CR || byte === TAB

/** Returns the index after the string whose opening quote is at `start`. */
export function stringEnd(bytes: Buffer, start: number): number {
  const quote = closingQuote(bytes, start + 1)
  return quote === -1 ? bytes.length : quote + 1
}

/** Returns the index of the quote that ends a string, or -1. `start` is inside the string. */
export function closingQuote(bytes: Buffer, start: number): number {
  let quote = nextQuote(bytes, start)
  while (quote !== -1 && isEscaped(bytes, quote, start)) quote = nextQuote(bytes, quote + 1)
  return quote
}

/** The distance, in bytes, up to which a loop finds a quote faster than the native `indexOf`. */
const near = 64

function nextQuote(bytes: Buffer, start: number): number {
  const end = Math.min(start + near, bytes.length)
  for (let at = start; at < end; at++) if (bytes[at] === QUOTE) return at
  return bytes.indexOf(QUOTE, end)
}

/**
 * Returns whether a backslash escapes the byte at `at`, in a string whose text starts at `start`.
 */
export function isEscaped(bytes: Buffer, at: number, start: number): boolean {
  // Two backslashes are an escaped backslash, so only an odd number of them escapes the byte.
  let first = at
  while (first > start && bytes[first - 1] === BACKSLASH) first--
  return ((at - first) & 1) === 1
}

/** Returns the index after the value that starts at `start`. */
export function valueEnd(bytes: Buffer, start: number): number {
  const first = bytes[start]
  if (first === QUOTE) return stringEnd(bytes, start)
  if (first === OPEN_BRACE || first === OPEN_BRACKET) return containerEnd(bytes, start)
  let at = start
  while (at < bytes.length && !endsWord(bytes[at] as number)) at++
  return at
}

/** Returns whether a number, `true`, `false` or `null` ends before this byte. */
const endsWord = (byte: number): boolean =>
  byte <= SPACE || byte === COMMA || byte === CLOSE_BRACE || byte === CLOSE_BRACKET

function containerEnd(bytes: Buffer, start: number): number {
  const { length } = bytes
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
  } while (depth > 0 && at < length)
  return at
}

/** Steps through the members of a valid JSON object. */
export class MemberCursor {
  /**
   * The name of the current member: the index of its opening quote, and after its closing quote.
   */
  nameStart = 0
  nameEnd = 0
  /** The value of the current member: the index of its first byte, and after its last byte. */
  start = 0
  end = 0
  readonly #bytes: Buffer
  /**
   * The index of the opening brace, of the comma before the next member, or of the closing brace.
   */
  #before: number

  /** @param open the index of the object's opening brace */
  constructor(bytes: Buffer, open: number) {
    this.#bytes = bytes
    this.#before = open
  }

  /** Steps to the next member. Returns whether there is one. */
  next(): boolean {
    const bytes = this.#bytes
    if (bytes[this.#before] === CLOSE_BRACE) return false
    const nameStart = skipBlank(bytes, this.#before + 1)
    if (bytes[nameStart] !== QUOTE) return false // the object is empty
    this.nameStart = nameStart
    this.nameEnd = stringEnd(bytes, nameStart)
    this.start = skipBlank(bytes, skipBlank(bytes, this.nameEnd) + 1)
    this.end = valueEnd(bytes, this.start)
    this.#before = skipBlank(bytes, this.end)
    return true
  }
}
