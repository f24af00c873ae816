// Finds responses in lines that are not frames, so that the caller can fail their requests at once.
// A line may not be JSON (it has `NaN`, or a part is missing) or not UTF-8. A message may also be
// printed over several lines. Then each line is a part of an object or a string that is still open.
//
// The lines are not kept: a scanner reads them and keeps only the id. It stops at a line that cannot
// continue a JSON value, and at a frame. So other output of a server is never taken for a response.

import { OPEN_BRACE, OPEN_BRACKET, withoutBom } from '../json/bytes.ts'
import { skipBlank } from '../json/walker.ts'
import { EnvelopeScanner } from '../message/envelope-scanner.ts'
import type { Envelope } from '../message/envelope.ts'

export class UnreadableLines {
  /** Set while an object is open. */
  #scanner: EnvelopeScanner | undefined

  /** Returns whether the line may be inside an object that an earlier line has opened. */
  mayContinue(line: Buffer): boolean {
    // In a message over several lines, an inner brace is indented or alone.
    return this.#scanner !== undefined && (line[0] !== OPEN_BRACE || line.length === 1)
  }

  /** Call this for each line that is a frame. */
  close(): void {
    this.#scanner = undefined
  }

  /** Reads a line that is not a frame. Returns the responses that it finds in this line. */
  feed(bytes: Buffer): Envelope[] {
    // UTF-16 has zero bytes around the ASCII characters.
    const line = bytes.includes(0) ? withoutZeros(bytes) : withoutBom(bytes)
    let start = skipBlank(line, 0)
    const first = line[start]
    if ((first === OPEN_BRACE || first === OPEN_BRACKET) && !this.mayContinue(line)) {
      this.#scanner = new EnvelopeScanner()
      // The scanner reads the messages of a batch one after another.
      if (first === OPEN_BRACKET) start++
    } else if (!firstBytes.has(first) && this.#scanner?.inString !== true) {
      this.#scanner = undefined
    }
    const scanner = this.#scanner
    if (scanner === undefined) return []
    scanner.feed(line.subarray(start))
    if (scanner.depth <= 0) this.#scanner = undefined
    return scanner.takeResponses()
  }
}

/** The first bytes of the lines that can continue a JSON value. */
const firstBytes = new Set<number | undefined>(Buffer.from('{}[]",:-0123456789tfnN'))

// `bytes.filter` would take fifty times the memory.
function withoutZeros(bytes: Buffer): Buffer {
  const result = Buffer.allocUnsafe(bytes.length)
  let size = 0
  for (const byte of bytes) if (byte !== 0) result[size++] = byte
  return result.subarray(0, size)
}
