// Looking into JSON without parsing it: for messages that are too large to hold, and for the spans
// of a batch's elements, whose bytes must stay as they are.

import { stringEnd } from '../json/strings.ts'
import type { Envelope } from './frame.ts'

const QUOTE = 0x22
const COMMA = 0x2c
const COLON = 0x3a
const OPEN_BRACKET = 0x5b
const BACKSLASH = 0x5c
const CLOSE_BRACKET = 0x5d
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d

/** An id or method longer than this is not worth knowing. */
const maxToken = 1024

/**
 * Reads the envelope of a message as its bytes pass by. Servers write the id first or last, so the
 * whole message has to be seen, but none of it is kept beyond the tokens at the top level.
 */
export class EnvelopeScanner {
  #depth = 0
  #inString = false
  #escaped = false
  #token: number[] = []
  #key: unknown
  readonly #members = new Map<unknown, unknown>()

  feed(chunk: Uint8Array): void {
    for (let i = 0; i < chunk.length; i++) this.#step(chunk[i] as number)
  }

  /** What has been learnt so far. */
  envelope(): Envelope | undefined {
    const id = this.#members.get('id')
    const method = this.#members.get('method')
    const known = typeof id === 'string' || typeof id === 'number'
    if (typeof method === 'string') {
      return known ? { kind: 'request', id, method } : { kind: 'notification', method }
    }
    return known ? { kind: 'response', id } : undefined
  }

  #step(byte: number): void {
    if (this.#inString) {
      this.#keep(byte)
      if (this.#escaped) this.#escaped = false
      else if (byte === BACKSLASH) this.#escaped = true
      else if (byte === QUOTE) this.#inString = false
      return
    }
    switch (byte) {
      case QUOTE:
        this.#inString = true
        this.#keep(byte)
        break
      case OPEN_BRACE:
      case OPEN_BRACKET:
        this.#depth++
        break
      case CLOSE_BRACE:
      case CLOSE_BRACKET:
        if (this.#depth === 1) this.#endMember()
        this.#depth--
        break
      case COLON:
        if (this.#depth === 1) this.#key = this.#take()
        break
      case COMMA:
        if (this.#depth === 1) this.#endMember()
        break
      default:
        this.#keep(byte)
    }
  }

  #keep(byte: number): void {
    if (this.#depth === 1 && this.#token.length <= maxToken) this.#token.push(byte)
  }

  #endMember(): void {
    const value = this.#take()
    if (this.#key === 'id' || this.#key === 'method') this.#members.set(this.#key, value)
    this.#key = undefined
  }

  #take(): unknown {
    const token = this.#token
    this.#token = []
    if (token.length > maxToken) return undefined
    try {
      return JSON.parse(Buffer.from(token).toString())
    } catch {
      return undefined // an object or an array, or not JSON: nothing to learn here
    }
  }
}

/** The elements of a JSON array, each as its own bytes. `bytes` must be a valid array. */
export function splitArray(bytes: Buffer): Buffer[] {
  const elements: Buffer[] = []
  let depth = 0
  let start = 0
  for (let i = 0; i < bytes.length; i++) {
    switch (bytes[i] as number) {
      case QUOTE:
        i = stringEnd(bytes, i) - 1
        break
      case OPEN_BRACE:
      case OPEN_BRACKET:
        if (++depth === 1) start = i + 1
        break
      case COMMA:
        if (depth === 1) {
          elements.push(bytes.subarray(start, i))
          start = i + 1
        }
        break
      case CLOSE_BRACE:
      case CLOSE_BRACKET:
        if (--depth === 0) elements.push(bytes.subarray(start, i))
    }
  }
  const only = elements[0]
  return elements.length === 1 && only !== undefined && isBlank(only) ? [] : elements
}

/** Whether there is nothing but JSON white space. */
export function isBlank(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d)
}
