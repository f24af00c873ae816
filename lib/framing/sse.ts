// One message an event, as Server-Sent Events have it. The grammar is eventsource-parser's; what is
// done here is what it leaves to its caller: bytes, limits, and characters cut in two.
//
// Bytes are held until their line ends, and a line is decoded and handed on in one piece. An event
// that cannot be taken is passed over as a whole; the events after it are read as ever.

import { isUtf8 } from 'node:buffer'
import { createParser } from 'eventsource-parser'
import type { EventSourceMessage, EventSourceParser } from 'eventsource-parser'
import { ProxyError } from '../errors.ts'
import type { Frame } from '../frame.ts'
import { limits } from '../limits.ts'
import { readFrame, tooLarge } from './newline.ts'
import type { ParserOptions } from './newline.ts'
import { EnvelopeScanner } from './scan.ts'

export interface SseParserOptions extends ParserOptions {
  /** An event with a name of its own, such as `endpoint`. */
  onEvent?(name: string, data: string): void
  /** The id of an event, before its message is handed on. */
  onId?(id: string): void
  /** The time to wait before reconnecting, in milliseconds. */
  onRetry?(time: number): void
}

const LF = 0x0a
const CR = 0x0d
const BOM = Buffer.from([0xef, 0xbb, 0xbf])

export class SseParser {
  readonly #options: SseParserOptions
  readonly #maxMessage: number
  readonly #parser: EventSourceParser
  #line: Buffer[] = []
  #lineSize = 0
  #eventSize = 0
  /** Why the event under way is passed over. */
  #invalid: ProxyError | undefined
  /** Set while an event over the limit goes by. */
  #scanner: EnvelopeScanner | undefined
  #isFirstLine = true
  #endedInCr = false

  constructor(options: SseParserOptions) {
    this.#options = options
    this.#maxMessage = (options.maxMessage ?? limits.maxMessage) || Infinity
    this.#parser = createParser({
      onEvent: (event) => this.#onEvent(event),
      onRetry: (time) => options.onRetry?.(time)
    })
  }

  feed(chunk: Buffer): void {
    if (chunk.length === 0) return
    let start = this.#endedInCr && chunk[0] === LF ? 1 : 0
    this.#endedInCr = chunk[chunk.length - 1] === CR
    let cr = chunk.indexOf(CR, start)
    while (start < chunk.length) {
      if (cr !== -1 && cr < start) cr = chunk.indexOf(CR, start)
      const lf = chunk.indexOf(LF, start)
      const end = lf === -1 || (cr !== -1 && cr < lf) ? cr : lf
      if (end === -1) {
        this.#hold(chunk.subarray(start))
        return
      }
      this.#hold(chunk.subarray(start, end))
      this.#endLine()
      start = end === cr && chunk[end + 1] === LF ? end + 2 : end + 1
    }
  }

  #hold(part: Buffer): void {
    this.#lineSize += part.length
    this.#eventSize += part.length
    if (this.#scanner === undefined && this.#eventSize > this.#maxMessage) {
      this.#scanner = new EnvelopeScanner()
      for (const held of this.#line) this.#scanner.feed(held)
      this.#line = []
    }
    if (this.#scanner === undefined) this.#line.push(part)
    else this.#scanner.feed(part)
  }

  #endLine(): void {
    const parts = this.#line
    const size = this.#lineSize
    this.#line = []
    this.#lineSize = 0
    if (size === 0) return this.#endEvent()
    if (this.#scanner !== undefined) return
    let line = parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts, size)
    if (this.#isFirstLine && line.subarray(0, BOM.length).equals(BOM)) {
      line = line.subarray(BOM.length)
    }
    this.#isFirstLine = false
    if (isUtf8(line)) this.#parser.feed(`${line.toString()}\n`)
    else this.#invalid = new ProxyError('ERR_FRAME_SYNTAX', 'the event is not UTF-8')
  }

  #endEvent(): void {
    const size = this.#eventSize
    const scanner = this.#scanner
    const invalid = scanner === undefined ? this.#invalid : tooLarge(size, this.#maxMessage)
    this.#eventSize = 0
    this.#scanner = undefined
    this.#invalid = undefined
    if (invalid === undefined) {
      this.#parser.feed('\n')
    } else {
      this.#parser.reset()
      this.#options.onInvalid(invalid, scanner?.envelope())
    }
  }

  #onEvent({ id, event, data }: EventSourceMessage): void {
    if (id !== undefined) this.#options.onId?.(id)
    if (event !== undefined && event !== 'message') this.#options.onEvent?.(event, data)
    else readFrame(Buffer.from(data), this.#options, data)
  }
}

/** An event that carries a frame, with an id if it is to be resumable. */
export function encodeEvent(frame: Frame, id?: string): Buffer {
  const head = id === undefined ? 'event: message\ndata: ' : `id: ${id}\nevent: message\ndata: `
  return Buffer.concat([Buffer.from(head), frame.bytes, eventEnd])
}

/** An event that carries no message: it gives the client an id to come back with, and when. */
export function encodePriming(id: string, retry: number): string {
  return `id: ${id}\nretry: ${retry}\ndata:\n\n`
}

const eventEnd = Buffer.from('\n\n')
