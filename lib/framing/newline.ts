// Reads and writes the framing of stdio: each line is one frame. The parser keeps the parts of an
// unfinished line in a list and joins them only at the newline. So it copies a large message only
// once.
//
// The parser does not keep a line over the limit. It passes the line to a scanner that reads only
// the envelope (kind, id, method). With the envelope, the proxy can report the error to the sender
// or the receiver. The parser reads the next lines as usual.

import { ProxyError } from '../errors.ts'
import { SPACE, withoutBom } from '../json/bytes.ts'
import { isBlank } from '../json/walker.ts'
import { largestMessage } from '../limits.ts'
import { EnvelopeScanner } from '../message/envelope-scanner.ts'
import type { Envelope } from '../message/envelope.ts'
import type { Frame } from '../message/frame.ts'
import { parseFrame } from '../message/parse-frame.ts'
import { RefusedError } from '../message/refusal.ts'
import { ChunkList } from './chunk-list.ts'
import { InvalidLimit } from './invalid-limit.ts'
import { UnreadableLines } from './unreadable-lines.ts'

export interface ParserOptions {
  /** The largest message to accept, in bytes (default: 64 MiB; 0: no limit). */
  maxMessage?: number | undefined
  onFrame(frame: Frame): void
  /**
   * Receives the error for bytes that are not a valid frame, and the envelope if it is readable.
   */
  onInvalid(error: ProxyError, envelope?: Envelope): void
}

const LF = 0x0a
const CR = 0x0d

export class NewlineParser {
  readonly #options: ParserOptions
  readonly #limit: InvalidLimit
  readonly #maxMessage: number
  readonly #unreadable = new UnreadableLines()
  readonly #chunks = new ChunkList()
  /** The size of the unfinished line, in bytes. */
  #size = 0
  #isFirstLine = true
  /** Set while the parser reads a line over the limit. */
  #scanner: EnvelopeScanner | undefined

  constructor(options: ParserOptions) {
    this.#options = options
    this.#limit = new InvalidLimit(options)
    this.#maxMessage = largestMessage(options.maxMessage)
  }

  feed(chunk: Buffer): void {
    let start = 0
    for (let end; (end = chunk.indexOf(LF, start)) !== -1; start = end + 1) {
      // A chunk can hold many thousands of blank lines, so they must cost as little as possible.
      const isEmpty = end === start || (end === start + 1 && chunk[start] === CR)
      if (isEmpty && this.#size === 0) continue
      const part = chunk.subarray(start, end)
      if (this.#size === 0 && part.length <= this.#maxMessage) this.#onLine(part)
      else {
        this.#hold(part)
        this.#endLine()
      }
    }
    if (start < chunk.length) this.#hold(chunk.subarray(start))
    this.#limit.endChunk()
  }

  /**
   * Call this at the end of the input, because many processes write no newline after the last
   * frame.
   */
  end(): void {
    this.#endLine()
  }

  #hold(part: Buffer): void {
    this.#size += part.length
    if (this.#scanner === undefined && this.#size > this.#maxMessage) {
      this.#scanner = new EnvelopeScanner()
      for (const held of this.#chunks.take()) this.#scanner.feed(held)
    }
    if (this.#scanner === undefined) this.#chunks.add(part)
    else this.#scanner.feed(part)
  }

  #endLine(): void {
    const size = this.#size
    const scanner = this.#scanner
    this.#size = 0
    this.#scanner = undefined
    if (scanner !== undefined) {
      this.#unreadable.close()
      this.#options.onInvalid(tooLarge(size, this.#maxMessage), scanner.envelope())
      return
    }
    if (size > 0) this.#onLine(this.#chunks.join())
  }

  #onLine(bytes: Buffer): void {
    const text = this.#isFirstLine ? withoutBom(bytes) : bytes
    this.#isFirstLine = false
    const line = text[text.length - 1] === CR ? text.subarray(0, -1) : text
    readFrame(line, this.#options, this.#limit, this.#unreadable)
  }
}

/**
 * Reads one frame and calls `onFrame` or `onInvalid`. A blank line calls neither.
 *
 * @param unreadable finds the responses that are printed over several lines
 */
export function readFrame(
  bytes: Buffer,
  options: ParserOptions,
  limit: InvalidLimit,
  unreadable?: UnreadableLines
): void {
  const mayBeBlank = bytes.length === 0 || (bytes[0] as number) <= SPACE
  if (mayBeBlank && isBlank(bytes)) return
  if (limit.skips(bytes)) {
    if (unreadable?.mayContinue(bytes) !== true) return
    for (const envelope of unreadable.feed(bytes)) options.onInvalid(severalLines(), envelope)
    return
  }
  let frame
  try {
    frame = parseFrame(bytes)
  } catch (error) {
    limit.report()
    onUnreadable(bytes, error as ProxyError, options, unreadable)
    return
  }
  unreadable?.close()
  options.onFrame(frame)
}

function onUnreadable(
  bytes: Buffer,
  error: ProxyError,
  { onInvalid }: ParserOptions,
  unreadable = new UnreadableLines()
): void {
  // A line inside an open object may look like a message, but it is only a part of one.
  const isPart = unreadable.mayContinue(bytes)
  const responses = unreadable.feed(bytes)
  const { envelope } = error as Partial<RefusedError>
  if (!isPart && envelope !== undefined) return onInvalid(error, envelope)
  if (responses.length === 0) return onInvalid(error)
  for (const envelope of responses) onInvalid(isPart ? severalLines() : error, envelope)
}

const severalLines = (): ProxyError =>
  new ProxyError('ERR_FRAME_SYNTAX', 'the message has several lines, but it must be one line')

export function tooLarge(size: number, maxMessage: number, envelope?: Envelope): RefusedError {
  const message = `a message of ${size} bytes is over the limit of ${maxMessage} (see --max-message)`
  return new RefusedError('ERR_FRAME_TOO_LARGE', message, envelope)
}

/** Writes frames as lines, and returns all lines in one buffer. */
export function encodeLines(frames: Frame[]): Buffer {
  let size = frames.length
  for (const { bytes } of frames) size += bytes.length
  const lines = Buffer.allocUnsafe(size)
  let at = 0
  for (const { bytes } of frames) {
    lines.set(bytes, at)
    at += bytes.length
    lines[at++] = LF
  }
  return lines
}
