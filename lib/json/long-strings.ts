// The text of a large JSON message without its long strings. A large message is mostly one string, and
// the proxy only has to know that it is valid. So a long string is checked in the buffer and not
// decoded: decoded, it would take its size in memory twice more.

import { BACKSLASH, QUOTE, SPACE } from './bytes.ts'
import { closingQuote } from './walker.ts'

/** The size from which a string counts as long, in bytes. */
const long = 64 * 1024
/** How many strings are looked at. A message with more of them is not mostly one string. */
const maxStrings = 1000

/**
 * The text of JSON in UTF-8, with an empty string in the place of each long one.
 *
 * @throws SyntaxError if a long string is not valid
 */
export function withoutLongStrings(bytes: Buffer): string {
  let text = ''
  let from = 0
  let start = bytes.indexOf(QUOTE)
  for (let count = 0; start !== -1 && count < maxStrings; count++) {
    const end = closingQuote(bytes, start + 1)
    if (end === -1) break // `JSON.parse` will throw
    if (end - start > long) {
      check(bytes, start + 1, end)
      text += `${bytes.toString('utf8', from, start)}""`
      from = end + 1
    }
    start = bytes.indexOf(QUOTE, end + 1)
  }
  return text + bytes.toString('utf8', from)
}

/** What may follow a backslash, besides `u`. */
const escapes = new Set(Buffer.from('"\\/bfnrt'))
const LETTER_U = 0x75

function check(bytes: Buffer, start: number, end: number): void {
  for (let at = start; at < end; at++) {
    const byte = bytes[at] as number
    if (byte < SPACE) throw new SyntaxError('a string has a control character')
    if (byte !== BACKSLASH) continue
    const escape = bytes[++at] as number
    if (escape === LETTER_U && /^[\da-f]{4}$/i.test(bytes.toString('latin1', at + 1, at + 5)))
      at += 4
    else if (!escapes.has(escape)) throw new SyntaxError('a string has an invalid escape')
  }
}
