// Strings in the bytes of JSON: where they end, and a message without the long ones. What is large is
// mostly one string, of which nobody here needs to know more than that it is valid: so it is not
// decoded, which would take its size in memory twice again.

const QUOTE = 0x22
const BACKSLASH = 0x5c
const LETTER_U = 0x75

/** The index behind the string whose opening quote is at `start`; zero if it has no end. */
export function stringEnd(bytes: Buffer, start: number): number {
  let quote = start
  do quote = nextQuote(bytes, quote + 1)
  while (isEscaped(bytes, quote))
  return quote + 1
}

/** Up to here, in bytes, a loop finds what it looks for before Node's own search has begun. */
const near = 64

function nextQuote(bytes: Buffer, start: number): number {
  for (let at = start; at < start + near; at++) if (bytes[at] === QUOTE) return at
  return bytes.indexOf(QUOTE, start + near)
}

// A quote behind an odd number of backslashes is part of the string.
function isEscaped(bytes: Buffer, at: number): boolean {
  let count = 0
  while (bytes[at - 1 - count] === BACKSLASH) count++
  return count % 2 === 1
}

/** A string is long from here on, in bytes. */
const long = 64 * 1024
/** Among so many the long ones are looked for. */
const maxStrings = 1000

/**
 * The text of JSON in UTF-8, with an empty string in the place of each long one.
 *
 * @throws SyntaxError for a long string that is not valid
 */
export function withoutLongStrings(bytes: Buffer): string {
  let text = ''
  let from = 0
  let start = bytes.indexOf(QUOTE)
  for (let count = 0; start !== -1 && count < maxStrings; count++) {
    const end = stringEnd(bytes, start)
    if (end === 0) break // whoever parses it will say so
    if (end - start > long) {
      check(bytes, start + 1, end - 1)
      text += `${bytes.toString('utf8', from, start)}""`
      from = end
    }
    start = bytes.indexOf(QUOTE, end)
  }
  return text + bytes.toString('utf8', from)
}

/** What may follow a backslash, besides `u`. */
const escapes = new Set(Buffer.from('"\\/bfnrt'))

function check(bytes: Buffer, start: number, end: number): void {
  for (let at = start; at < end; at++) {
    const byte = bytes[at] as number
    if (byte < 0x20) throw new SyntaxError('a string holds a control character')
    if (byte !== BACKSLASH) continue
    const escape = bytes[++at] as number
    if (escape === LETTER_U && /^[\da-f]{4}$/i.test(bytes.toString('latin1', at + 1, at + 5)))
      at += 4
    else if (!escapes.has(escape)) throw new SyntaxError('a string holds an escape that is none')
  }
}
