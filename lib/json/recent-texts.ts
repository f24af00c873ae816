// Reads short ASCII texts that come again and again: methods, and names of tools. To find the text that came
// before takes a third of the time of a new string, and later look-ups of the same string are faster.

/** How many texts are kept: a power of 2. */
const size = 128
/** The longest text that is kept, in bytes. */
const maxLength = 64

export class RecentTexts {
  /** A text has one place, by its length and its ends. The text that came last has it. */
  readonly #texts = new Array<string>(size).fill('')

  /** Returns the ASCII text from `start` to `end`. */
  read(bytes: Buffer, start: number, end: number): string {
    const length = end - start
    const first = bytes[start] as number
    const last = bytes[end - 1] as number
    const place = (first + 11 * last + 17 * length) & (size - 1)
    const recent = this.#texts[place] as string
    if (isAt(bytes, start, end, recent)) return recent
    const text = bytes.toString('latin1', start, end)
    if (length <= maxLength) this.#texts[place] = text
    return text
  }
}

function isAt(bytes: Buffer, start: number, end: number, text: string): boolean {
  if (text.length !== end - start) return false
  for (let at = start; at < end; at++) {
    if (bytes[at] !== text.charCodeAt(at - start)) return false
  }
  return true
}
