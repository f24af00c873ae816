// Finds a short text that is known before in the bytes of a message. It compares four bytes at once,
// because V8 needs more time to load a byte of a Buffer than to compare it.

export class KnownText {
  readonly text: string
  /** The size of the text, in bytes. */
  readonly length: number
  /** The text in words of four bytes. The last word overlaps the one before. */
  readonly #words: number[] = []
  readonly #lastAt: number

  /** @param text at least four characters of ASCII */
  constructor(text: string) {
    this.text = text
    this.length = text.length
    this.#lastAt = text.length - 4
    const bytes = Buffer.from(text, 'latin1')
    for (let at = 0; at < this.#lastAt; at += 4) this.#words.push(wordAt(bytes, at))
    this.#words.push(wordAt(bytes, this.#lastAt))
  }

  /** Whether the text begins at `start`. */
  isAt(bytes: Buffer, start: number): boolean {
    const words = this.#words
    const last = words.length - 1
    for (let index = 0; index < last; index++) {
      if (wordAt(bytes, start + 4 * index) !== words[index]) return false
    }
    return wordAt(bytes, start + this.#lastAt) === words[last]
  }
}

// Behind the end of the bytes this reads zeros, which no text has.
function wordAt(bytes: Buffer, at: number): number {
  return (
    (bytes[at] as number) |
    ((bytes[at + 1] as number) << 8) |
    ((bytes[at + 2] as number) << 16) |
    ((bytes[at + 3] as number) << 24)
  )
}
