// Splits the body of a JSON response into its values. The body should be one value. But some
// servers send several values, one after another, instead of an event stream. The parser reports
// each object or array as soon as it is complete, because the next value may arrive much later. But if
// the start of the next value has arrived, it waits for the end of that one.

import { OPEN_BRACE, OPEN_BRACKET } from '../json/bytes.ts'
import { IncrementalWalker } from '../json/incremental-walker.ts'
import { isBlank, skipBlank } from '../json/walker.ts'
import { BodyParser } from './body.ts'

export class JsonSequenceParser {
  readonly #maxMessage: number | undefined
  readonly #onValue: (bytes: Buffer) => void
  readonly #walker = new IncrementalWalker()
  #value: BodyParser
  /** A complete value, while it is not known whether the text behind it is a value, too. */
  #held: Buffer | undefined

  /**
   * @param maxMessage the largest value to accept, in bytes (default: 64 MiB; 0: no limit)
   * @param onValue receives each complete object or array. If other text follows a value in a chunk, it
   * receives both together, also if this text is the start of a value that never ends
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
      if (next < chunk.length && !opensValue(chunk[next])) break
      this.#value.feed(chunk.subarray(start, end + 1))
      this.release()
      this.#held = this.#takeValue()
      start = end + 1
      end = this.#walker.nextEnd(chunk, start)
    }
    const rest = chunk.subarray(start)
    if (rest.length > 0) this.#value.feed(rest)
    if (end < chunk.length) {
      this.release()
      this.#endValue()
    } else if (isBlank(rest)) this.release()
  }

  /** Call this when the body has ended. It reports bytes that are no complete value. */
  end(): void {
    this.#endValue()
  }

  /** Reports a value that waits for the end of the text behind it. */
  release(): void {
    const held = this.#held
    this.#held = undefined
    if (held !== undefined) this.#onValue(held)
  }

  // If text follows a value, the whole body is not JSON, so the value counts as invalid, too.
  #endValue(): void {
    const rest = this.#takeValue()
    if (isBlank(rest)) return this.release()
    const bytes = Buffer.concat([this.#held ?? nothing, rest])
    this.#held = undefined
    this.#onValue(bytes)
  }

  #takeValue(): Buffer {
    const bytes = this.#value.end()
    this.#value = new BodyParser(this.#maxMessage)
    return bytes
  }
}

const opensValue = (byte: number | undefined): boolean =>
  byte === OPEN_BRACE || byte === OPEN_BRACKET

const nothing = Buffer.alloc(0)
