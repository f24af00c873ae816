// Failing without losing what was said: `destroy` alone would throw away what is still to be read, and
// what was written and not sent.

import type { Duplex } from 'node:stream'
import { ProxyError } from '../errors.ts'
import type { ErrorCode } from '../errors.ts'
import type { Frame } from '../message/frame.ts'

/** The server has gone, or has forgotten the session. */
export class ServerGoneError extends ProxyError {
  /** What was written to the transport and never looked at by the server, oldest first. */
  readonly undelivered: Frame[]

  constructor(code: ErrorCode, message: string, undelivered: Frame[] = []) {
    super(code, message)
    this.undelivered = undelivered
  }
}

/** Ends the readable side of `stream`, and destroys it with `error` once all of it has been read. */
export function failAfterReading(stream: Duplex, error: Error): void {
  if (stream.destroyed || stream.readableEnded) stream.destroy(error)
  else stream.once('end', () => stream.destroy(error)).push(null)
}
