// Reads and writes Server-Sent Events: each event holds one frame. The package eventsource-parser
// knows the grammar, but it reads text and has no limits. This parser reads bytes and applies the
// limits.
//
// The parser keeps bytes until their line ends. So a chunk may end in the middle of a character. It
// keeps the data of an event as bytes, and the package reads only the other fields: the package keeps
// a string for each line of data, so many short lines would take fifty times their size. The parser
// skips an event that is too large or not UTF-8, and reads the next events as usual.

import { isUtf8 } from 'node:buffer'
import { createParser } from 'eventsource-parser'
import type { EventSourceMessage, EventSourceParser } from 'eventsource-parser'
import { ProxyError } from '../errors.ts'
import { SPACE, withoutBom } from '../json/bytes.ts'
import { largestMessage } from '../limits.ts'
import { EnvelopeScanner } from '../message/envelope-scanner.ts'
import type { Frame } from '../message/frame.ts'
import { ChunkList } from './chunk-list.ts'
import { InvalidLimit } from './invalid-limit.ts'
import { readFrame, tooLarge } from './newline.ts'
import type { ParserOptions } from './newline.ts'
import { UnreadableLines } from './unreadable-lines.ts'

export interface SseParserOptions extends ParserOptions {
  /** Receives each event whose name is not `message`, for example `endpoint`. */
  onEvent?(name: string, data: string): void
  /** Receives the id of an event, before `onFrame` receives the frame of that event. */
  onId?(id: string): void
  /** Receives the time that the client should wait before it reconnects, in ms. */
  onRetry?(time: number): void
}

const LF = 0x0a
const CR = 0x0d
const COLON = 0x3a
const DATA = Buffer.from('data')
const lineBreak = Buffer.of(LF)
/** The first bytes of the other fields that have a meaning: `event`, `id`, `retry`. */
const fieldStarts = new Set<number | undefined>(Buffer.from('eir'))

/**
 * The start of `#dataSize`. Each data line adds its size and 1 for a line break, but the n lines of
 * an event have only n - 1 line breaks between them. So the count starts at -1.
 */
const noData = -1

export class SseParser {
  readonly #options: SseParserOptions
  readonly #limit: InvalidLimit
  readonly #maxMessage: number
  readonly #parser: EventSourceParser
  /** The parts of the unfinished line. */
  readonly #line = new ChunkList()
  #lineSize = 0
  /** The data in the event's finished lines, with the line breaks between them. */
  readonly #data = new ChunkList()
  /**
   * The size of the event's data in its finished lines, in bytes, with the line breaks between
   * them.
   */
  #dataSize = noData
  /** The reason to skip the unfinished event. */
  #invalid: ProxyError | undefined
  /** Set while the parser reads an event over the limit. */
  #scanner: EnvelopeScanner | undefined
  /** Whether `#passOver` has already skipped the field name (`data:`) of the current line. */
  #inValue = false
  /** Whether a line has come since the last empty line. */
  #hasLines = false
  #isFirstLine = true
  #endedInCr = false

  constructor(options: SseParserOptions) {
    this.#options = options
    this.#limit = new InvalidLimit(options)
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
    // `cr` and `lf` are the next line breaks of each kind. The loop searches for the next one of a
    // kind only after it has passed the last one. So it reads each byte once.
    let cr = chunk.indexOf(CR, start)
    let lf = chunk.indexOf(LF, start)
    while (cr !== -1 || lf !== -1) {
      const end = lf === -1 || (cr !== -1 && cr < lf) ? cr : lf
      // A chunk can hold many thousands of empty lines, so they must cost as little as possible.
      if (end > start) this.#hold(chunk.subarray(start, end))
      this.#endLine()
      start = end === cr && lf === cr + 1 ? lf + 1 : end + 1
      if (cr !== -1 && cr < start) cr = chunk.indexOf(CR, start)
      if (lf !== -1 && lf < start) lf = chunk.indexOf(LF, start)
    }
    this.#hold(chunk.subarray(start))
    this.#limit.endChunk()
  }

  #hold(part: Buffer): void {
    if (part.length === 0) return
    this.#line.add(part)
    this.#lineSize += part.length
    const isOver = valueSize(this.#lineSize) > this.#maxMessage
    if (isOver || this.#scanner !== undefined) this.#passOver(this.#line.take())
  }

  #endLine(): void {
    const size = this.#lineSize
    if (size === 0) {
      if (this.#hasLines) this.#endEvent()
      this.#hasLines = false
      return
    }
    this.#hasLines = true
    const line = this.#line.join()
    this.#lineSize = 0
    if (this.#scanner !== undefined) this.#dataSize += valueSize(size) + 1
    else this.#readLine(line)
    this.#inValue = false
  }

  #readLine(line: Buffer): void {
    if (this.#isFirstLine) line = withoutBom(line)
    this.#isFirstLine = false
    if (isData(line)) return this.#readData(line)
    // For a line with another field, the package would make an error, which takes a long time.
    if (fieldStarts.has(line[0])) this.#parser.feed(`${line.toString()}\n`)
  }

  #readData(line: Buffer): void {
    const value = line.subarray(DATA.length + (line[DATA.length + 1] === SPACE ? 2 : 1))
    const isFirst = this.#dataSize === noData
    this.#dataSize += value.length + 1
    if (this.#dataSize > this.#maxMessage) return this.#passOver([line])
    if (!isUtf8(line)) {
      this.#invalid = new ProxyError('ERR_FRAME_SYNTAX', 'the event is not UTF-8')
    }
    if (!isFirst) this.#data.add(lineBreak)
    if (value.length > 0) this.#data.add(value)
  }

  #endEvent(): void {
    const scanner = this.#scanner
    const size = this.#dataSize
    this.#dataSize = noData
    this.#scanner = undefined
    if (scanner === undefined) {
      // The package emits only events that have data, so it gets an empty line of data.
      this.#parser.feed(size === noData ? '\n' : 'data:\n\n')
      this.#invalid = undefined
    } else {
      this.#invalid = undefined
      this.#parser.reset()
      this.#options.onInvalid(tooLarge(size, this.#maxMessage), scanner.envelope())
    }
  }

  // Passes the parts of an event over the limit to the scanner, which reads only the envelope.
  #passOver(parts: Buffer[]): void {
    if (this.#scanner === undefined) {
      this.#scanner = new EnvelopeScanner()
      // The package emits the event. `#onEvent` passes the data of the earlier lines to the scanner,
      // before the parts below.
      this.#parser.feed('data:\n\n')
    }
    for (const part of parts) {
      const start = this.#inValue ? 0 : part.indexOf(COLON) + 1
      this.#inValue ||= start > 0
      if (this.#inValue) this.#scanner.feed(part.subarray(start))
    }
  }

  #onEvent({ id, event }: EventSourceMessage): void {
    const data = this.#data.join()
    if (this.#invalid !== undefined && this.#scanner === undefined) {
      const [response] = new UnreadableLines().feed(data)
      this.#options.onInvalid(this.#invalid, response)
      return
    }
    if (id !== undefined) this.#options.onId?.(id)
    if (this.#scanner !== undefined) this.#scanner.feed(data)
    else if (event !== undefined && event !== 'message') {
      this.#options.onEvent?.(event, data.toString())
    } else readFrame(data, this.#options, this.#limit)
  }
}

/** Whether the field of a line is `data`. */
const isData = (line: Buffer): boolean =>
  (line.length === DATA.length || line[DATA.length] === COLON) &&
  line.subarray(0, DATA.length).equals(DATA)

/** Returns the size of the value in a line that starts with `data: `, in bytes. */
function valueSize(lineSize: number): number {
  return Math.max(0, lineSize - 'data: '.length)
}

/** Writes a frame as an event. With an id, clients can resume the stream after this event. */
export function encodeEvent({ bytes }: Frame, id?: string): Buffer {
  const head = id === undefined ? 'event: message\ndata: ' : `id: ${id}\nevent: message\ndata: `
  const size = head.length + bytes.length + 2
  // An event with an id is kept for a client that resumes. In the memory that small buffers share, it
  // would keep 8 KiB alive.
  const event = id === undefined ? Buffer.allocUnsafe(size) : Buffer.allocUnsafeSlow(size)
  event.write(head, 'latin1')
  event.set(bytes, head.length)
  event[event.length - 2] = event[event.length - 1] = LF
  return event
}

/**
 * Writes an event without data. It gives the client an id to resume from.
 *
 * @param retry the time that the client should wait before it reconnects, in ms
 */
export function encodePriming(id: string, retry: number): Buffer {
  return Buffer.from(`id: ${id}\nretry: ${retry}\ndata:\n\n`)
}
