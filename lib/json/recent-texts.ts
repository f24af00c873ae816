// Reads short ASCII texts that come again and again: methods, and names of tools. To find the text that came
// before takes a third of the time of a new string, and later look-ups of the same string are faster.

import { KnownText } from './known-text.ts'

/** How many texts are kept: a power of 2. */
const size = 128
/** The lengths of the texts that are kept, in bytes. */
const minLength = 4
const maxLength = 64

export class RecentTexts {
  /** A text has one place, by its length and its ends. The text that came last has it. */
  readonly #texts = new Array<KnownText | undefined>(size).fill(undefined)

  /** Returns the ASCII text from `start` to `end`. */
  read(bytes: Buffer, start: number, end: number): string {
    const length = end - start
    const first = bytes[start] as number
    const last = bytes[end - 1] as number
    const place = (first + 11 * last + 17 * length) & (size - 1)
    const recent = this.#texts[place]
    if (recent?.length === length && recent.isAt(bytes, start)) return recent.text
    const text = bytes.toString('latin1', start, end)
    if (length >= minLength && length <= maxLength) this.#texts[place] = new KnownText(text)
    return text
  }
}
