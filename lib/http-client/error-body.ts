// The body of an HTTP response that reports a failure. The first characters of the body become part
// of the error message. A server may never end the body, so it is read for 5 s and 64 KiB at most.

import { HttpStatusError } from '../errors.ts'

/** At most this many bytes of a body are read. */
const maxBody = 64 * 1024
/** A body is read for at most this time, in ms. */
const maxTime = 5000
/** An error shows at most this many characters of the body. */
const maxShown = 200

export class ErrorBody {
  readonly #parts: Buffer[] = []
  readonly #onFull: () => void
  readonly #timer: NodeJS.Timeout
  #size = 0

  /** @param onFull called once, if the body does not end within the limits */
  constructor(onFull: () => void) {
    this.#onFull = onFull
    // The open connection keeps the process alive, so the timer must not.
    this.#timer = setTimeout(onFull, maxTime).unref()
  }

  feed(chunk: Buffer): void {
    if (this.#size >= maxBody) return
    this.#parts.push(chunk)
    this.#size += chunk.length
    if (this.#size < maxBody) return
    this.stop()
    this.#onFull()
  }

  /** Call this when the body has ended, or when the rest of it is not read. */
  stop(): void {
    clearTimeout(this.#timer)
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#parts)
  }

  get text(): string {
    return this.bytes.toString()
  }

  /** Returns the error: the status and the first characters of the body, as one line. */
  error(name: string, status: number): HttpStatusError {
    const text = this.text.replace(/\s+/g, ' ').trim().slice(0, maxShown)
    return new HttpStatusError(`${name} answered ${status}${text && `: ${text}`}`, status)
  }
}
