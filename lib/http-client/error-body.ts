// The body of an HTTP response that reports a failure. The first characters of the body become part
// of the error message.

import { HttpStatusError } from '../errors.ts'

/** After about this many bytes the rest of a body is dropped. */
const maxBody = 64 * 1024
/** An error shows at most this many characters of the body. */
const maxShown = 200

export class ErrorBody {
  readonly #parts: Buffer[] = []
  #size = 0

  feed(chunk: Buffer): void {
    if (this.#size < maxBody) this.#parts.push(chunk)
    this.#size += chunk.length
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#parts)
  }

  get text(): string {
    return this.bytes.toString()
  }

  /** The error with the status and the beginning of the body, as one line. */
  error(name: string, status: number): HttpStatusError {
    const text = this.text.replace(/\s+/g, ' ').trim().slice(0, maxShown)
    return new HttpStatusError(`${name} answered ${status}${text && `: ${text}`}`, status)
  }
}
