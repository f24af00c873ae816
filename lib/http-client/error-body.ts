// The body of an HTTP response that reports a failure. Its beginning becomes part of the error.

import { HttpStatusError } from '../errors.ts'

/** How much of a body is kept, in bytes. */
const maxBody = 64 * 1024
/** How much of it an error shows, in characters. */
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

  /** The error with the status and the beginning of the body, as one line. */
  error(name: string, status: number): HttpStatusError {
    const text = this.bytes.toString().replace(/\s+/g, ' ').trim().slice(0, maxShown)
    return new HttpStatusError(`${name} answered ${status}${text && `: ${text}`}`, status)
  }
}
