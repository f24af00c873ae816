// Splits the body of a JSON response into its values. The body should be one value, but some servers
// send several, one after another, instead of an event stream. The parser gives each object or array
// as soon as it is complete, since the next one may come much later.

import { IncrementalWalker } from '../json/incremental-walker.ts'
import { skipBlank } from '../json/walker.ts'
import { BodyParser } from './body.ts'

export class JsonSequenceParser {
  readonly #maxMessage: number | undefined
  readonly #onValue: (bytes: Buffer) => void
  readonly #walker = new IncrementalWalker()
  #value: BodyParser

  /**
   * @param maxMessage the largest value that is accepted, in bytes (default 64 MiB; 0: no limit)
   * @param onValue called with each object or array, and at the end with the other bytes, if any
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
      this.#value.feed(chunk.subarray(start, end + 1))
      this.#endValue()
      start = end + 1
      end = this.#walker.nextEnd(chunk, start)
    }
    if (start < chunk.length) this.#value.feed(chunk.subarray(start))
  }

  /** Call it at the end of the body. */
  end(): void {
    this.#endValue()
  }

  #endValue(): void {
    const bytes = this.#value.end()
    this.#value = new BodyParser(this.#maxMessage)
    if (skipBlank(bytes, 0) < bytes.length) this.#onValue(bytes)
  }
}
