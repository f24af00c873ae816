// Makes text from clients and servers safe to show in one line of a log or an error, and to keep.

/**
 * The longest line, in bytes. `toLine` cuts longer lines, so that one message cannot fill a log.
 */
const maxLine = 8 * 1024
/**
 * The space for the note at the end of a cut line, in bytes. The note tells the original length.
 */
const noteSize = 64

/** Control characters (C0, DEL and C1), and characters that change the direction of text. */
const unprintable = /[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g

/**
 * Returns `text` as one printable line. The function joins the lines of `text` with `|`. It
 * replaces other control characters, and characters that change the direction of text, by escapes.
 * It cuts a text over 8 KiB. Its time depends only on the part that it keeps.
 */
export function toLine(text: string): string {
  const line = text
    .slice(0, maxLine)
    .split(/[\r\n\u2028\u2029]/)
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .join(' | ')
    .replace(unprintable, escape)
  if (text.length <= maxLine && Buffer.byteLength(line) <= maxLine) return line
  const start = Buffer.from(line).toString('utf8', 0, maxLine - noteSize)
  // If the cut is inside a character, the decoder writes U+FFFD for the rest of that character.
  return `${start.replace(/\ufffd$/, '')}… (${text.length} characters)`
}

/** `quote` shows at most this many characters of a text. */
const maxQuote = 100

/** Returns text from outside, such as a header, in quotes: short, and safe to show in one line. */
export function quote(text: string): string {
  const short = text.length > maxQuote ? `${text.slice(0, maxQuote)}…` : text
  return `"${toLine(short)}"`
}

/** Returns at most `length` characters of a text, as a copy: a part of a text keeps all of it in memory. */
export const copyOf = (text: string, length = text.length): string =>
  // UTF-8 would change lone surrogates.
  Buffer.from(text.slice(0, length), 'utf16le').toString('utf16le')

const escape = (character: string): string =>
  character === '\t' ? ' ' : `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
