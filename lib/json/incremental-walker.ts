// Walks through JSON that arrives in chunks. The walker keeps no bytes. It keeps only the depth,
// and whether a string or an escape is open. It reports the places where a top-level object or
// array begins or ends, and its colons and commas. It skips strings and all values that are nested
// deeper.

import {
  CLOSE_BRACE,
  CLOSE_BRACKET,
  COLON,
  COMMA,
  OPEN_BRACE,
  OPEN_BRACKET,
  QUOTE
} from './bytes.ts'
import { closingQuote, isEscaped } from './walker.ts'

export class IncrementalWalker {
  #depth = 0
  #inString = false
  /** The last chunk ended with a backslash, so the next byte does not end the string. */
  #escaped = false

  /** The number of objects and arrays that are open. */
  get depth(): number {
    return this.#depth
  }

  /** Whether a string is open. */
  get inString(): boolean {
    return this.#inString
  }

  /**
   * Returns the index of the next byte that opens or closes a top-level object or array, or that
   * separates its names and values (a colon or comma at depth 1). Returns `chunk.length` if the
   * chunk has no such byte.
   *
   * @param from 0 for a new chunk, then the index after the last result
   */
  next(chunk: Buffer, from: number): number {
    return this.#walk(chunk, from, true)
  }

  /** Works like `next`, but finds only a byte that closes a top-level object or array. */
  nextEnd(chunk: Buffer, from: number): number {
    return this.#walk(chunk, from, false)
  }

  #walk(chunk: Buffer, from: number, stopsInside: boolean): number {
    let at = this.#inString ? this.#skipString(chunk, from) : from
    let depth = this.#depth
    for (; at < chunk.length; at++) {
      const byte = chunk[at]
      if (byte === QUOTE) at = this.#skipString(chunk, at + 1) - 1
      else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
        if (++depth === 1 && stopsInside) break
      } else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
        if (--depth === 0) break
      } else if (stopsInside && depth === 1 && (byte === COLON || byte === COMMA)) break
    }
    this.#depth = depth
    return at
  }

  /**
   * Returns the index after the closing quote of a string, or the length of the chunk if the string
   * does not end in it.
   *
   * @param from an index inside of the string
   */
  #skipString(chunk: Buffer, from: number): number {
    const start = this.#escaped ? from + 1 : from
    const quote = closingQuote(chunk, start)
    this.#inString = quote === -1
    if (quote === -1) {
      // After an empty chunk an escape is still open.
      if (chunk.length > 0) this.#escaped = isEscaped(chunk, chunk.length, start)
      return chunk.length
    }
    this.#escaped = false
    return quote + 1
  }
}
