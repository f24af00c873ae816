// One message an event, as Server-Sent Events have it. The grammar is eventsource-parser's; what is
// done here is what it leaves to its caller: bytes, limits, and characters cut in two.
//
// Bytes are held until their line ends, and a line is decoded and handed on in one piece. An event
// that cannot be taken is passed over as a whole; the events after it are read as ever.

import { isUtf8 } from 'node:buffer'
import { createParser } from 'eventsource-parser'
import type { EventSourceMessage, EventSourceParser } from 'eventsource-parser'
import { ProxyError } from '../errors.ts'
import { largestMessage } from '../limits.ts'
import { EnvelopeScanner } from '../message/envelope-scanner.ts'
import type { Frame } from '../message/frame.ts'
import { readFrame, tooLarge } from './newline.ts'
import type { ParserOptions } from './newline.ts'

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
const COLON = 0x3a
const DATA = Buffer.from('data')
const BOM = Buffer.from([0xef, 0xbb, 0xbf])

/** There is one line break fewer than there are lines. */
const noData = -1

export class SseParser {
  readonly #options: SseParserOptions
  readonly #maxMessage: number
  readonly #parser: EventSourceParser
  /** The line under way. */
  #line: Buffer[] = []
  #lineSize = 0
  /** Of the data in the lines before it, in bytes, with the line breaks between them. */
  #dataSize = noData
  /** Why the event under way is passed over. */
  #invalid: ProxyError | undefined
  /** Set while an event over the limit goes by. */
  #scanner: EnvelopeScanner | undefined
  /** Whether the scanner is past the name of the field that the line is. */
  #inValue = false
  #isFirstLine = true
  #endedInCr = false

  constructor(options: SseParserOptions) {
    this.#options = options
    this.#maxMessage = largestMessage(options.maxMessage)
    this.#parser = createParser({
      onEvent: (event) => this.#onEvent(event),
      onRetry: (time) => options.onRetry?.(time)
    })
  }

  feed(chunk: Buffer): void {
    if (chunk.length === 0) return
    let start = this.#endedInCr && chunk[0] === LF ? 1 : 0
    this.#endedInCr = chunk[chunk.length - 1] === CR
    // Each is looked for again only when it has been passed, so that no byte is looked at twice.
    let cr = chunk.indexOf(CR, start)
    let lf = chunk.indexOf(LF, start)
    while (cr !== -1 || lf !== -1) {
      const end = lf === -1 || (cr !== -1 && cr < lf) ? cr : lf
      this.#hold(chunk.subarray(start, end))
      this.#endLine()
      start = end === cr && lf === cr + 1 ? lf + 1 : end + 1
      if (cr !== -1 && cr < start) cr = chunk.indexOf(CR, start)
      if (lf !== -1 && lf < start) lf = chunk.indexOf(LF, start)
    }
    this.#hold(chunk.subarray(start))
  }

  #hold(part: Buffer): void {
    this.#line.push(part)
    this.#lineSize += part.length
    const isOver = valueSize(this.#lineSize) > this.#maxMessage
    if (isOver || this.#scanner !== undefined) this.#passOver(this.#line.splice(0))
  }

  #endLine(): void {
    const parts = this.#line
    const size = this.#lineSize
    this.#line = []
    this.#lineSize = 0
    if (size === 0) this.#endEvent()
    else if (this.#scanner !== undefined) this.#dataSize += valueSize(size) + 1
    else this.#readLine(Buffer.concat(parts, size))
    this.#inValue = false
  }

  #readLine(line: Buffer): void {
    if (this.#isFirstLine && line.subarray(0, BOM.length).equals(BOM)) {
      line = line.subarray(BOM.length)
    }
    this.#isFirstLine = false
    if (line.subarray(0, DATA.length).equals(DATA)) this.#dataSize += valueSize(line.length) + 1
    if (this.#dataSize > this.#maxMessage) return this.#passOver([line])
    if (!isUtf8(line)) this.#invalid = new ProxyError('ERR_FRAME_SYNTAX', 'the event is not UTF-8')
    this.#parser.feed(`${line.toString()}\n`)
  }

  #endEvent(): void {
    const scanner = this.#scanner
    const invalid = scanner ? tooLarge(this.#dataSize, this.#maxMessage) : this.#invalid
    this.#dataSize = noData
    this.#scanner = undefined
    this.#invalid = undefined
    if (invalid === undefined) {
      this.#parser.feed('\n')
    } else {
      this.#parser.reset()
      this.#options.onInvalid(invalid, scanner?.envelope())
    }
  }

  // The event is over the limit: from here on it is only looked through for its envelope.
  #passOver(parts: Buffer[]): void {
    if (this.#scanner === undefined) {
      this.#scanner = new EnvelopeScanner()
      // Has it give back the data of the lines before, for the scanner to begin with.
      this.#parser.feed('data:\n\n')
    }
    for (const part of parts) {
      const start = this.#inValue ? 0 : part.indexOf(COLON) + 1
      this.#inValue ||= start > 0
      if (this.#inValue) this.#scanner.feed(part.subarray(start))
    }
  }

  #onEvent({ id, event, data }: EventSourceMessage): void {
    if (id !== undefined) this.#options.onId?.(id)
    if (this.#scanner !== undefined) this.#scanner.feed(Buffer.from(data))
    else if (event !== undefined && event !== 'message') this.#options.onEvent?.(event, data)
    else readFrame(Buffer.from(data), this.#options, data)
  }
}

/** What a line of that size holds, given that it begins as servers write it: `data: `. */
function valueSize(lineSize: number): number {
  return Math.max(0, lineSize - 'data: '.length)
}

/** An event that carries a frame, with an id if it is to be resumable. */
export function encodeEvent({ bytes }: Frame, id?: string): Buffer {
  const head = id === undefined ? 'event: message\ndata: ' : `id: ${id}\nevent: message\ndata: `
  const event = Buffer.allocUnsafe(head.length + bytes.length + 2)
  event.write(head, 'latin1')
  event.set(bytes, head.length)
  event[event.length - 2] = event[event.length - 1] = LF
  return event
}

/** An event that carries no message: it gives the client an id to come back with, and when. */
export function encodePriming(id: string, retry: number): Buffer {
  return Buffer.from(`id: ${id}\nretry: ${retry}\ndata:\n\n`)
}
