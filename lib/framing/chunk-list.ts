// Collects chunks of bytes and joins them. A peer may send a large message in chunks of one byte,
// and a list of these chunks would take a hundred times their size. So this list copies small
// chunks into larger ones.

/** A chunk under this size is copied, in bytes. */
const smallChunk = 1024
/** The size of the chunks that small chunks are copied into, in bytes. */
const blockSize = 16 * 1024

export class ChunkList {
  #chunks: Buffer[] = []
  /** The chunk that takes the next small chunks, and how many bytes it has. */
  #block: Buffer | undefined
  #used = 0
  #size = 0

  /** The total size of the chunks, in bytes. */
  get size(): number {
    return this.#size
  }

  add(chunk: Buffer): void {
    const { length } = chunk
    // The first chunk is often the only one. It is not copied, so that `join` can return it as it is.
    if (length >= smallChunk || this.#size === 0) {
      this.#endBlock()
      this.#chunks.push(chunk)
    } else {
      if (this.#block === undefined || this.#used + length > blockSize) {
        this.#endBlock()
        this.#block = Buffer.allocUnsafeSlow(blockSize)
      }
      this.#used += chunk.copy(this.#block, this.#used)
    }
    this.#size += length
  }

  /** Removes all chunks and returns them. */
  take(): Buffer[] {
    this.#endBlock()
    const chunks = this.#chunks
    this.#chunks = []
    this.#size = 0
    return chunks
  }

  /** Removes all chunks and returns them as one. A single chunk is not copied. */
  join(): Buffer {
    const size = this.#size
    const chunks = this.take()
    const [first] = chunks
    return first !== undefined && chunks.length === 1 ? first : Buffer.concat(chunks, size)
  }

  #endBlock(): void {
    if (this.#block !== undefined) this.#chunks.push(this.#block.subarray(0, this.#used))
    this.#block = undefined
    this.#used = 0
  }
}
