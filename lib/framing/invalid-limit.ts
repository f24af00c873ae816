// Limits the time that invalid messages take. The report of an invalid message takes much longer
// than its reading, and a peer can send half a million invalid messages in one megabyte. So of the
// messages in one chunk, only the first hundred invalid ones are reported one by one. Of the
// others, those that are too short to be valid are counted, and the count is reported.

import { ProxyError } from '../errors.ts'

/** The members of a parser's options that this file uses. */
interface Options {
  onInvalid(error: ProxyError): void
}

const maxReports = 100
/** The size of the shortest valid message, in bytes. */
const minMessage = '{"jsonrpc":"2.0","method":""}'.length

export class InvalidLimit {
  readonly #options: Options
  #reported = 0
  #skipped = 0

  constructor(options: Options) {
    this.#options = options
  }

  /** Call this for each invalid message that is reported. */
  report(): void {
    this.#reported++
  }

  /** Returns true if the parser should skip a message. Also counts this message. */
  skips(bytes: Buffer): boolean {
    if (this.#reported < maxReports || bytes.length >= minMessage) return false
    this.#skipped++
    return true
  }

  /** Reports the count of the skipped messages. Call this at the end of a chunk. */
  endChunk(): void {
    this.#reported = 0
    if (this.#skipped === 0) return
    const error = new ProxyError('ERR_FRAME_SYNTAX', `${this.#skipped} more messages are not valid`)
    this.#skipped = 0
    this.#options.onInvalid(error)
  }
}
