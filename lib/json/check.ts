// Checks that bytes are valid JSON, without building the values. `JSON.parse` would need much
// memory: up to forty times the size of a message that consists of small objects.
//
// The check reads each byte once, in linear time. It keeps only its position and a stack of the
// open brackets, one byte for each level. So only the size of the message limits the depth of
// nesting.

import {
  BACKSLASH,
  CLOSE_BRACE,
  CLOSE_BRACKET,
  COLON,
  COMMA,
  OPEN_BRACE,
  OPEN_BRACKET,
  QUOTE,
  SPACE,
  ZERO
} from './bytes.ts'
import { closingQuote, isBlankByte } from './walker.ts'

const PLUS = 0x2b
const MINUS = 0x2d
const POINT = 0x2e
const NINE = 0x39
const LETTER_E = 0x65
const LETTER_U = 0x75

/**
 * Checks that `bytes` are one JSON value. White space may surround the value.
 *
 * @param bytes valid UTF-8
 * @throws SyntaxError with the position of the first byte that does not fit
 */
export function checkJson(bytes: Buffer): void {
  const at = skipBlank(bytes, checkedEnd(bytes, skipBlank(bytes, 0)))
  if (at < bytes.length) throw faultAt(at)
}

/**
 * Checks the JSON value that starts at `start`. Returns the index after its last byte.
 *
 * @param bytes valid UTF-8
 * @throws SyntaxError with the position of the first byte that does not fit
 */
export function checkedEnd(bytes: Buffer, start: number): number {
  open.clear()
  /** The bracket that closes the innermost open object or array. */
  let close = none
  let at = start
  for (;;) {
    // The next byte must start a value.
    const byte = bytes[at] as number
    if (byte === QUOTE) at = stringEnd(bytes, at)
    else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
      const next = skipBlank(bytes, at + 1)
      const ownClose = byte === OPEN_BRACE ? CLOSE_BRACE : CLOSE_BRACKET
      if (bytes[next] !== ownClose) {
        open.push(close)
        close = ownClose
        at = byte === OPEN_BRACE ? keyEnd(bytes, next) : next
        continue
      }
      at = next + 1
    } else at = scalarEnd(bytes, at)
    // A value has just ended. The objects and arrays that contain it may end here too.
    for (;;) {
      if (close === none) return at
      at = skipBlank(bytes, at)
      if (bytes[at] !== close) break
      close = open.pop()
      at++
    }
    if (bytes[at] !== COMMA) throw faultAt(at)
    at = skipBlank(bytes, at + 1)
    if (close === CLOSE_BRACE) at = keyEnd(bytes, at)
  }
}

/** What the checks have met. So a caller that sets these to `false` need not search for them itself. */
export const met = {
  /** A line break or a tab between two tokens. */
  lineBreak: false,
  /** A string that is not ASCII, or is too long to know. */
  otherText: false
}

/** Stands for the bracket that closes a value that is in no object or array. */
const none = 0

/** A stack for deeper nesting is not kept. */
const usualDepth = 1024

class BracketStack {
  #brackets = new Uint8Array(usualDepth)
  #size = 0

  push(bracket: number): void {
    if (this.#size === this.#brackets.length) {
      const larger = new Uint8Array(2 * this.#size)
      larger.set(this.#brackets)
      this.#brackets = larger
    }
    this.#brackets[this.#size++] = bracket
  }

  /** Takes the bracket that was pushed last. The stack must not be empty. */
  pop(): number {
    return this.#brackets[--this.#size] as number
  }

  /** Empties the stack. */
  clear(): void {
    this.#size = 0
    if (this.#brackets.length > usualDepth) this.#brackets = new Uint8Array(usualDepth)
  }
}

/** All checks use one stack, because a check is never interrupted. */
const open = new BracketStack()

/** Returns the index where the value of a key starts. The key starts at `start`. */
function keyEnd(bytes: Buffer, start: number): number {
  if (bytes[start] !== QUOTE) throw faultAt(start)
  const at = skipBlank(bytes, stringEnd(bytes, start))
  if (bytes[at] !== COLON) throw faultAt(at)
  return skipBlank(bytes, at + 1)
}

/** Returns the index after a number, `true`, `false` or `null`. */
function scalarEnd(bytes: Buffer, start: number): number {
  const byte = bytes[start] ?? 0
  if (byte === MINUS || isDigit(byte)) return numberEnd(bytes, start)
  for (const word of words) {
    if (word[0] === byte && hasAt(bytes, start, word)) return start + word.length
  }
  throw faultAt(start)
}

function hasAt(bytes: Buffer, start: number, word: Buffer): boolean {
  for (let at = 0; at < word.length; at++) if (bytes[start + at] !== word[at]) return false
  return true
}

const words = ['true', 'false', 'null'].map((word) => Buffer.from(word))

function stringEnd(bytes: Buffer, start: number): number {
  const { length } = bytes
  let at = start + 1
  let near = at + nearBytes
  /** All bits that the bytes of the string have. */
  let bits = 0
  for (;;) {
    let byte = 0
    const stop = near < length ? near : length
    while (at < stop) {
      byte = bytes[at] as number
      if (byte < 0x20 || byte === QUOTE || byte === BACKSLASH) break
      bits |= byte
      at++
    }
    // An escape may reach over `stop`.
    if (at >= stop) {
      if (stop === length) throw faultAt(at)
      met.otherText = true
      const end = longStringEnd(bytes, at)
      if (end !== undefined) return end
      near = length // the fault is found below
    } else if (byte === QUOTE) {
      if (bits > 0x7f) met.otherText = true
      return at + 1
    } else if (byte < 0x20) throw faultAt(at)
    else at = escapeEnd(bytes, at)
  }
}

/** Up to this length, in bytes, the loop in `stringEnd` is faster than native code. */
const nearBytes = 128
/** How many bytes of a string are checked at once. This limits the memory for a long string. */
const maxPiece = 64 * 1024

/**
 * Returns the index after a string. Returns undefined if the string has a fault.
 *
 * `JSON.parse` checks a text five times faster than a loop does. In Latin-1 each byte is a character,
 * and the characters from 0x80 on may stand anywhere in a string.
 *
 * @param start an index inside the string, not in the middle of an escape
 */
function longStringEnd(bytes: Buffer, start: number): number | undefined {
  const end = closingQuote(bytes, start)
  if (end === -1) return undefined
  try {
    for (let at = start, next; at < end; at = next) {
      next = at + maxPiece < end ? cutBefore(bytes, at + maxPiece) : end
      JSON.parse(`"${bytes.toString('latin1', at, next)}"`)
    }
  } catch {
    return undefined
  }
  return end + 1
}

/** The longest escape, such as `\\u0061`, in bytes. */
const maxEscape = 6
/** How many places to cut are tried. */
const maxTries = 256

/**
 * Returns the last index up to `at` where the text can be cut: no escape stands before it.
 *
 * @throws SyntaxError if it finds none
 */
function cutBefore(bytes: Buffer, at: number): number {
  for (let cut = at, plain = 0; cut > at - maxTries; cut--) {
    plain = bytes[cut - 1] === BACKSLASH ? 0 : plain + 1
    if (plain === maxEscape) return cut + maxEscape - 1
  }
  throw faultAt(at)
}

/** The bytes that may follow a backslash, besides `u`. */
const escapes = new Set(Buffer.from('"\\/bfnrt'))

function escapeEnd(bytes: Buffer, start: number): number {
  const byte = bytes[start + 1] ?? 0
  if (escapes.has(byte)) return start + 2
  if (byte !== LETTER_U) throw faultAt(start + 1)
  for (let at = start + 2; at < start + 6; at++) {
    if (!isHexDigit(bytes[at] ?? 0)) throw faultAt(at)
  }
  return start + 6
}

function numberEnd(bytes: Buffer, start: number): number {
  let at = bytes[start] === MINUS ? start + 1 : start
  // After a leading zero, only a fraction or an exponent may follow.
  at = bytes[at] === ZERO ? at + 1 : digitsEnd(bytes, at)
  if (bytes[at] === POINT) at = digitsEnd(bytes, at + 1)
  if (((bytes[at] ?? 0) | 0x20) === LETTER_E) {
    const sign = bytes[at + 1]
    at = digitsEnd(bytes, sign === PLUS || sign === MINUS ? at + 2 : at + 1)
  }
  return at
}

/** Returns the index after one or more digits. Throws if there is no digit. */
function digitsEnd(bytes: Buffer, start: number): number {
  let at = start
  while (isDigit(bytes[at] ?? 0)) at++
  if (at === start) throw faultAt(at)
  return at
}

const isDigit = (byte: number): boolean => byte >= ZERO && byte <= NINE

const isHexDigit = (byte: number): boolean =>
  isDigit(byte) || ((byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x66)

function skipBlank(bytes: Buffer, start: number): number {
  let at = start
  // Most messages have no blanks, and one comparison is faster than one for each kind of blank.
  while ((bytes[at] as number) <= SPACE && isBlankByte(bytes[at])) {
    if (bytes[at] !== SPACE) met.lineBreak = true
    at++
  }
  return at
}

const faultAt = (at: number): SyntaxError => new SyntaxError(`unexpected at byte ${at}`)
