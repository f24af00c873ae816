// Splits the body of a JSON response into its values. The body should be one value. But some
// servers send several values, one after another, instead of an event stream. The parser reports
// each object or array as soon as it is complete, because the next value may arrive much later.

import { OPEN_BRACE, OPEN_BRACKET } from '../json/bytes.ts'
import { IncrementalWalker } from '../json/incremental-walker.ts'
import { skipBlank } from '../json/walker.ts'
import { BodyParser } from './body.ts'

export class JsonSequenceParser {
  readonly #maxMessage: number | undefined
  readonly #onValue: (bytes: Buffer) => void
  readonly #walker = new IncrementalWalker()
  #value: BodyParser

  /**
   * @param maxMessage the largest value to accept, in bytes (default: 64 MiB; 0: no limit)
   * @param onValue receives each complete object or array. If text follows a value in a chunk, it
   * receives both together. If the body ends after other bytes than white space, it receives these
   * bytes too
   */
  constructor(maxMessage: number | undefined, onValue: (bytes: Buffer) => void) {
    this.#maxMessage = maxMessage
    this.#onValue = onValue
    this.#value = new BodyParser(maxMessage)
  }

  /** @throws ProxyError `ERR_FRAME_TOO_LARGE`, and what `onValue` throws */
  feed(chunk: Buffer): void {
    let start = 0
    let end = this.#walker.nextEnd(chunk, start)
    while (end < chunk.length) {
      const next = skipBlank(chunk, end + 1)
      if (next < chunk.length && !opensValue(chunk[next])) {
        // If text follows a value, the whole body is not JSON, so the value counts as invalid, too.
        this.#value.feed(chunk.subarray(start))
        this.#endValue()
        return
      }
      this.#value.feed(chunk.subarray(start, end + 1))
      this.#endValue()
      start = end + 1
      end = this.#walker.nextEnd(chunk, start)
    }
    if (start < chunk.length) this.#value.feed(chunk.subarray(start))
  }

  /** Call this when the body has ended. It reports bytes that are no complete value. */
  end(): void {
    this.#endValue()
  }

  #endValue(): void {
    const bytes = this.#value.end()
    this.#value = new BodyParser(this.#maxMessage)
    if (skipBlank(bytes, 0) < bytes.length) this.#onValue(bytes)
  }
}

const opensValue = (byte: number | undefined): boolean =>
  byte === OPEN_BRACE || byte === OPEN_BRACKET
