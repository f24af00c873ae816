// Compares the names of members with a short list of names, in the way of a parser that ignores the
// case of names. Go's parser is one. Such parsers also accept some letters that are not ASCII: the
// long s (U+017F) for `s`, and the sign of the unit Kelvin (U+212A) for `k`. For some parsers in C a
// name ends at U+0000.

import { BACKSLASH } from './bytes.ts'
import { isEscaped } from './walker.ts'

export class Names {
  readonly list: readonly string[]
  /** The bytes of each name, with bit 0x20 set. In this form, the cases of a letter are equal. */
  readonly #bytes: Buffer[]
  readonly #folded: string[]
  readonly #shortest: number
  /** The size of the longest JSON text of a name, in bytes. Each character may be an escape. */
  readonly #longest: number

  constructor(...list: string[]) {
    this.list = list
    this.#bytes = list.map((name) => Buffer.from(name).map((byte) => byte | CASE) as Buffer)
    this.#folded = list.map(fold)
    const lengths = list.map(({ length }) => length)
    this.#shortest = Math.min(...lengths)
    this.#longest = 6 * Math.max(...lengths)
  }

  /**
   * Returns the index of the name that a parser may read in the JSON string between `start` and
   * `end`, with its quotes. Returns -1 if there is no such name.
   */
  indexOf(bytes: Buffer, start: number, end: number): number {
    const size = end - start - 2
    if (size < this.#shortest) return -1
    const last = Math.min(end - 1, start + 1 + this.#longest)
    for (let at = start + 1; at < last; at++) {
      const byte = bytes[at] as number
      if (byte > 0x7f || byte === BACKSLASH) return this.#indexOfDecoded(bytes, start, end)
    }
    return this.indexOfPlain(bytes, start, end)
  }

  /** The same for a string that has only ASCII and no escapes. */
  indexOfPlain(bytes: Buffer, start: number, end: number): number {
    const size = end - start - 2
    for (let index = 0; index < this.#bytes.length; index++) {
      const name = this.#bytes[index] as Buffer
      if (name.length === size && isFolded(bytes, start + 1, name)) return index
    }
    return -1
  }

  #indexOfDecoded(bytes: Buffer, start: number, end: number): number {
    const nul = findNul(bytes, start + 1, Math.min(end, start + 1 + this.#longest))
    if (nul === -1 && end - start - 2 > this.#longest) return -1
    const text = bytes.toString('utf8', start + 1, nul === -1 ? end - 1 : nul)
    return this.#folded.indexOf(fold(JSON.parse(`"${text}"`) as string))
  }
}

/** The bit in which the two cases of an ASCII letter differ. */
const CASE = 0x20

function isFolded(bytes: Buffer, start: number, name: Buffer): boolean {
  for (let at = 0; at < name.length; at++) {
    if (((bytes[start + at] as number) | CASE) !== name[at]) return false
  }
  return true
}

/** Returns the index of the first `\u0000` in a string, or -1. `start` is inside the string. */
function findNul(bytes: Buffer, start: number, end: number): number {
  const part = bytes.subarray(start, end)
  let at = part.indexOf(NUL)
  while (at !== -1 && isEscaped(part, at, 0)) at = part.indexOf(NUL, at + 1)
  return at === -1 ? -1 : start + at
}

const NUL = '\\u0000'

/**
 * Returns a text that is equal for texts that differ only in case. Upper case comes first, because
 * the long s and the dotless i have only an upper case in ASCII. The dot over a lower case İ goes.
 */
const fold = (text: string): string => text.toUpperCase().toLowerCase().replaceAll('\u0307', '')
