// Server-Sent Events: one frame an event. eventsource-parser knows the grammar. This parser adds what it
// leaves to its caller: bytes, limits, and characters that are cut in two.
//
// The parser keeps bytes until their line ends, and then decodes the whole line. It skips an event that
// is too large or not UTF-8, and reads the next events as usual.

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
  /** Called for an event with a name other than `message`, such as `endpoint`. */
  onEvent?(name: string, data: string): void
  /** Called with the id of an event, before its frame. */
  onId?(id: string): void
  /** Called with the time to wait before a reconnection, in ms. */
  onRetry?(time: number): void
}

const LF = 0x0a
const CR = 0x0d
const COLON = 0x3a
const DATA = Buffer.from('data')
const BOM = Buffer.from([0xef, 0xbb, 0xbf])

/** Starts at -1: n lines are joined by n - 1 line breaks, and each line adds one. */
const noData = -1

export class SseParser {
  readonly #options: SseParserOptions
  readonly #maxMessage: number
  readonly #parser: EventSourceParser
  /** The parts of the unfinished line. */
  #line: Buffer[] = []
  #lineSize = 0
  /** The size of the event's data in the lines before it, in bytes, with the line breaks between. */
  #dataSize = noData
  /** Why the parser skips the unfinished event. */
  #invalid: ProxyError | undefined
  /** Set while the parser reads an event over the limit. */
  #scanner: EnvelopeScanner | undefined
  /** Whether the scanner has passed the field name of the line. */
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
    // The loop searches again only for the line break that it has passed, so it reads each byte once.
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

  // The event is over the limit. From here on the scanner only reads its envelope.
  #passOver(parts: Buffer[]): void {
    if (this.#scanner === undefined) {
      this.#scanner = new EnvelopeScanner()
      // Makes the parser emit the data of the lines before. The scanner reads them first.
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

/** The size of the value in a line that starts with `data: `, as servers write it. */
function valueSize(lineSize: number): number {
  return Math.max(0, lineSize - 'data: '.length)
}

/** A frame as an event. A resumable stream gives each event an id. */
export function encodeEvent({ bytes }: Frame, id?: string): Buffer {
  const head = id === undefined ? 'event: message\ndata: ' : `id: ${id}\nevent: message\ndata: `
  const event = Buffer.allocUnsafe(head.length + bytes.length + 2)
  event.write(head, 'latin1')
  event.set(bytes, head.length)
  event[event.length - 2] = event[event.length - 1] = LF
  return event
}

/** An event without data. It tells the client from which id, and after which time, to resume. */
export function encodePriming(id: string, retry: number): Buffer {
  return Buffer.from(`id: ${id}\nretry: ${retry}\ndata:\n\n`)
}
