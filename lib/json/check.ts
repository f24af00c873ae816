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
  CR,
  LF,
  OPEN_BRACE,
  OPEN_BRACKET,
  QUOTE,
  SPACE,
  TAB
} from './bytes.ts'

const PLUS = 0x2b
const MINUS = 0x2d
const POINT = 0x2e
const ZERO = 0x30
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
  const open = new BracketStack()
  let at = skipBlank(bytes, 0)
  for (;;) {
    // The next byte must start a value.
    const byte = bytes[at]
    if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
      const next = skipBlank(bytes, at + 1)
      const isObject = byte === OPEN_BRACE
      if (bytes[next] !== (isObject ? CLOSE_BRACE : CLOSE_BRACKET)) {
        open.push(byte)
        at = isObject ? keyEnd(bytes, next) : next
        continue
      }
      at = next + 1
    } else {
      at = scalarEnd(bytes, at)
    }
    // A value has just ended. The objects and arrays that contain it may end here too.
    at = skipBlank(bytes, at)
    while (open.size > 0 && bytes[at] === (open.top === OPEN_BRACE ? CLOSE_BRACE : CLOSE_BRACKET)) {
      open.pop()
      at = skipBlank(bytes, at + 1)
    }
    if (open.size === 0) break
    if (bytes[at] !== COMMA) throw faultAt(at)
    at = skipBlank(bytes, at + 1)
    if (open.top === OPEN_BRACE) at = keyEnd(bytes, at)
  }
  if (at < bytes.length) throw faultAt(at)
}

class BracketStack {
  #brackets = new Uint8Array(64)
  size = 0

  get top(): number | undefined {
    return this.#brackets[this.size - 1]
  }

  push(bracket: number): void {
    if (this.size === this.#brackets.length) {
      const larger = new Uint8Array(2 * this.size)
      larger.set(this.#brackets)
      this.#brackets = larger
    }
    this.#brackets[this.size++] = bracket
  }

  pop(): void {
    this.size--
  }
}

/** Returns the index where the value of a key starts. The key starts at `start`. */
function keyEnd(bytes: Buffer, start: number): number {
  if (bytes[start] !== QUOTE) throw faultAt(start)
  const at = skipBlank(bytes, stringEnd(bytes, start))
  if (bytes[at] !== COLON) throw faultAt(at)
  return skipBlank(bytes, at + 1)
}

/** Returns the index after a string, a number, `true`, `false` or `null`. */
function scalarEnd(bytes: Buffer, start: number): number {
  const byte = bytes[start] ?? 0
  if (byte === QUOTE) return stringEnd(bytes, start)
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
  for (;;) {
    let byte = 0
    // This loop decides how long the check takes, because most bytes of a large message are plain
    // characters in strings.
    while (at < length) {
      byte = bytes[at] as number
      if (byte < 0x20 || byte === QUOTE || byte === BACKSLASH) break
      at++
    }
    if (at === length || byte < 0x20) throw faultAt(at)
    if (byte === QUOTE) return at + 1
    at = escapeEnd(bytes, at)
  }
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
  while (isBlank(bytes[at])) at++
  return at
}

const isBlank = (byte: number | undefined): boolean =>
  byte === SPACE || byte === LF || byte === CR || byte === TAB

const faultAt = (at: number): SyntaxError => new SyntaxError(`unexpected at byte ${at}`)
