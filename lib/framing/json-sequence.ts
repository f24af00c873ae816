// JSON answers. Each should be one value, and some servers send several, one after another, where an
// event stream belongs: what is whole is taken as it comes, since the next may be long in coming.

import { BodyParser } from './body.ts'

const QUOTE = 0x22
const OPEN_BRACKET = 0x5b
const BACKSLASH = 0x5c
const CLOSE_BRACKET = 0x5d
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d

export class JsonSequenceParser {
  readonly #maxMessage: number | undefined
  readonly #onValue: (bytes: Buffer) => void
  #value: BodyParser
  #depth = 0
  #inString = false
  #escaped = false

  /**
   * @param maxMessage the largest value taken, in bytes (64 MiB; 0: any)
   * @param onValue is given each object or array, and at the end whatever else there is
   */
  constructor(maxMessage: number | undefined, onValue: (bytes: Buffer) => void) {
    this.#maxMessage = maxMessage
    this.#onValue = onValue
    this.#value = new BodyParser(maxMessage)
  }

  /** @throws ProxyError `ERR_FRAME_TOO_LARGE`, and whatever `onValue` throws */
  feed(chunk: Buffer): void {
    let start = 0
    for (let at = 0; at < chunk.length; at++) {
      if (this.#inString) {
        at = this.#skipString(chunk, at)
        continue
      }
      const byte = chunk[at]
      if (byte === QUOTE) this.#inString = true
      else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) this.#depth++
      else if ((byte === CLOSE_BRACE || byte === CLOSE_BRACKET) && --this.#depth === 0) {
        this.#value.feed(chunk.subarray(start, at + 1))
        this.#endValue()
        start = at + 1
      }
    }
    if (start < chunk.length) this.#value.feed(chunk.subarray(start))
  }

  /** The answer has ended, whole or not. */
  end(): void {
    this.#endValue()
  }

  #endValue(): void {
    const bytes = this.#value.end()
    this.#value = new BodyParser(this.#maxMessage)
    if (bytes.some((byte) => byte > 0x20)) this.#onValue(bytes)
  }

  /** The index of the last byte in `chunk` of the string under way. */
  #skipString(chunk: Buffer, at: number): number {
    for (; at < chunk.length; at++) {
      if (this.#escaped) this.#escaped = false
      else if (chunk[at] === BACKSLASH) this.#escaped = true
      else if (chunk[at] === QUOTE) {
        this.#inString = false
        return at
      }
    }
    return at
  }
}
