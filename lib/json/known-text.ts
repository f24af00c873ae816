// Finds a short text that is known before in the bytes of a message. It compares four bytes at once,
// because V8 needs more time to load a byte of a Buffer than to compare it.

export class KnownText {
  readonly text: string
  /** The size of the text, in bytes. */
  readonly length: number
  /** The text in words of four bytes. The last word overlaps the one before. */
  readonly #words: number[] = []
  readonly #lastAt: number
  /** The first word, as `wordAt` returns it. */
  readonly first: number

  /** @param text at least four characters of ASCII */
  constructor(text: string) {
    this.text = text
    this.length = text.length
    this.#lastAt = text.length - 4
    const bytes = Buffer.from(text, 'latin1')
    for (let at = 0; at < this.#lastAt; at += 4) this.#words.push(wordAt(bytes, at))
    this.#words.push(wordAt(bytes, this.#lastAt))
    this.first = wordAt(bytes, 0)
  }

  /**
   * Whether the text begins at `start`.
   *
   * @param first the word at `start`, for a caller that compares several texts
   */
  isAt(bytes: Buffer, start: number, first = wordAt(bytes, start)): boolean {
    if (first !== this.first) return false
    const words = this.#words
    const last = words.length - 1
    for (let index = 1; index < last; index++) {
      if (wordAt(bytes, start + 4 * index) !== words[index]) return false
    }
    return last === 0 || wordAt(bytes, start + this.#lastAt) === words[last]
  }
}

/** Returns four bytes as one integer. Behind the end of the bytes this reads zeros, which no text has. */
export function wordAt(bytes: Buffer, at: number): number {
  return (
    (bytes[at] as number) |
    ((bytes[at + 1] as number) << 8) |
    ((bytes[at + 2] as number) << 16) |
    ((bytes[at + 3] as number) << 24)
  )
}
