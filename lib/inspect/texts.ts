// The texts of the messages in the ring, as copies in large blocks of memory. To the garbage collector a
// block is one object, which it neither copies nor looks into. With a string for each message, it takes
// more time than everything else that the ring does.
//
// The texts are added and dropped in the same order. So a block is used again when its last text is
// dropped. Long texts have memory of their own, so that they do not leave the rest of a block empty.

/** In bytes. */
export const blockSize = 256 * 1024
/** The longest text that is kept in a block, in bytes. */
export const maxShort = blockSize / 8

export class Texts {
  readonly #blocks: Buffer[] = []
  /** The number of the first block in `#blocks`. */
  #first = 0
  /** The last block in `#blocks`. */
  #last: Buffer = Buffer.alloc(0)
  /** How many bytes of the last block are used. */
  #used = blockSize
  /** The block that was dropped last. */
  #spare: Buffer | undefined
  /** The long texts, by the numbers of their entries. */
  readonly #long = new Map<number, Buffer>()

  /** The place after the last text. */
  get end(): number {
    return (this.#first + this.#blocks.length - 1) * blockSize + this.#used
  }

  /**
   * Adds the first bytes of a message.
   *
   * @param seq the number of the entry
   * @returns the place of the text
   */
  add(seq: number, bytes: Buffer, length: number): number {
    if (length > maxShort) {
      const copy = Buffer.allocUnsafeSlow(length)
      bytes.copy(copy, 0, 0, length)
      this.#long.set(seq, copy)
      return this.end
    }
    if (this.#used + length > blockSize) this.#addBlock()
    const place = this.end
    // `length` is that of the bytes: only a long text is cut. `set` takes a third of the time of `copy`.
    this.#last.set(bytes, this.#used)
    this.#used += length
    return place
  }

  /** @param place what `add` has returned for the entry `seq` */
  at(seq: number, place: number, length: number): string {
    if (length > maxShort) return (this.#long.get(seq) as Buffer).toString()
    const block = this.#blocks[Math.floor(place / blockSize) - this.#first] as Buffer
    const start = place % blockSize
    return block.toString('utf8', start, start + length)
  }

  /**
   * Drops the oldest text.
   *
   * @param next the place of the next text
   */
  drop(seq: number, next: number): void {
    if (this.#long.size > 0) this.#long.delete(seq)
    const first = Math.floor(next / blockSize)
    while (this.#first < first && this.#blocks.length > 1) {
      this.#spare = this.#blocks.shift()
      this.#first++
    }
  }

  #addBlock(): void {
    this.#last = this.#spare ?? Buffer.allocUnsafeSlow(blockSize)
    this.#spare = undefined
    this.#blocks.push(this.#last)
    this.#used = 0
  }
}
