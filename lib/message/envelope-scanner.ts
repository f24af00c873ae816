// Reads the envelope (kind, id, method) of a message that is too large to keep in memory. The id
// may be at the start or the end, so the scanner reads all bytes of the message. It keeps only one
// name or value of the top level at a time.

import { COLON, OPEN_BRACE, OPEN_BRACKET } from '../json/bytes.ts'
import { IncrementalWalker } from '../json/incremental-walker.ts'
import type { Envelope } from './envelope.ts'
import { idOf } from './id.ts'

/** The longest name or value that the scanner keeps, in bytes. It ignores longer ones. */
const maxToken = 1024
/** The scanner finds at most this many responses between two calls of `takeResponses`. */
const maxResponses = 100
/** The start of a string or a number. */
const scalarStart = /^["\d-]/

export class EnvelopeScanner {
  readonly #walker = new IncrementalWalker()
  /** The bytes of the name or value that the scanner reads now. */
  readonly #token = Buffer.allocUnsafe(maxToken)
  /**
   * The size of that name or value, in bytes. Over `maxToken`, `#token` does not hold all of it.
   */
  #tokenSize = 0
  /** The name of the member whose value the scanner reads now. */
  #name: unknown
  readonly #members = new Map<unknown, unknown>()
  /** Whether the message has a result or an error, so it is a response. */
  #isResponse = false
  /** The responses that `takeResponses` returns next. */
  #responses: Envelope[] = []
  /** Whether `#responses` has or had the message that the scanner reads now. */
  #isFound = false

  /** The number of objects and arrays that are open. */
  get depth(): number {
    return this.#walker.depth
  }

  /** Whether a string is open. */
  get inString(): boolean {
    return this.#walker.inString
  }

  feed(chunk: Buffer): void {
    let start = 0
    let at = this.#walker.next(chunk, 0)
    while (at < chunk.length) {
      const byte = chunk[at]
      if (byte === OPEN_BRACE || byte === OPEN_BRACKET) this.#startMessage()
      else {
        this.#hold(chunk, start, at)
        if (byte === COLON) this.#startMember()
        else this.#endMember()
        if (this.#walker.depth === 0) this.#findResponse()
      }
      start = at + 1
      at = this.#walker.next(chunk, start)
    }
    if (this.#walker.depth > 0) this.#hold(chunk, start, chunk.length)
  }

  /** Returns the envelope from the bytes so far; undefined if they have neither method nor id. */
  envelope(): Envelope | undefined {
    const id = this.#members.get('id')
    const method = this.#members.get('method')
    const hasId = typeof id === 'string' || typeof id === 'number' || typeof id === 'bigint'
    if (typeof method === 'string') {
      return hasId ? { kind: 'request', id, method } : { kind: 'notification', method }
    }
    return hasId ? { kind: 'response', id } : undefined
  }

  /**
   * Returns the envelopes of the messages whose bytes so far show that they are responses. There
   * can be several messages one after another. Each response is returned once.
   */
  takeResponses(): Envelope[] {
    this.#findResponse()
    return this.#responses.splice(0)
  }

  #findResponse(): void {
    if (this.#isFound || !this.#isResponse || this.#responses.length === maxResponses) return
    const envelope = this.envelope()
    if (envelope?.kind !== 'response') return
    this.#isFound = true
    this.#responses.push(envelope)
  }

  #startMessage(): void {
    this.#members.clear()
    this.#name = undefined
    this.#tokenSize = 0
    this.#isResponse = this.#isFound = false
  }

  #hold(chunk: Buffer, start: number, end: number): void {
    const size = this.#tokenSize + end - start
    if (size <= maxToken) chunk.copy(this.#token, this.#tokenSize, start, end)
    this.#tokenSize = size
  }

  #startMember(): void {
    this.#name = this.#take()
    this.#isResponse ||= this.#name === 'result' || this.#name === 'error'
  }

  #endMember(): void {
    if (this.#name === 'id' || this.#name === 'method') {
      this.#members.set(this.#name, this.#take())
    }
    this.#tokenSize = 0
    this.#name = undefined
  }

  #take(): unknown {
    const size = this.#tokenSize
    this.#tokenSize = 0
    if (size > maxToken) return undefined
    const text = this.#token.toString('utf8', 0, size).trim()
    // Python prints strings in single quotes.
    if (text.startsWith("'")) return /^'([^'\\]*)'$/.exec(text)?.[1]
    // A hostile message may have a million other tokens, and an exception for each takes long.
    if (!scalarStart.test(text)) return undefined
    try {
      const value: unknown = JSON.parse(text)
      return typeof value === 'number' ? idOf(text) : value
    } catch {
      return undefined
    }
  }
}
