// Text from clients, servers and remotes, made fit for one line of a log or an error.

/** The longest line, in bytes. The rest is cut, with its length: one message must not fill a log. */
const maxLine = 8 * 1024
/** Room for the note about what was cut, in bytes. */
const noteSize = 64

/** C0, DEL and C1 controls, and the characters that change the direction of text. */
const unprintable = /[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g

/**
 * `text` as one printable line. Its lines are joined with `|`, other control characters and
 * bidirectional overrides become escapes, and a text over 8 KiB is cut. Takes time linear to the part
 * that stays.
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
  // A character that was cut in two decodes to U+FFFD.
  return `${start.replace(/\ufffd$/, '')}… (${text.length} characters)`
}

const escape = (character: string): string =>
  character === '\t' ? ' ' : `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
