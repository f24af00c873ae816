import { ProxyError } from '../errors.ts'
import type { ErrorCode } from '../errors.ts'
import type { Frame } from '../message/frame.ts'

/** The server has exited, its connection is lost, or it has forgotten the session. */
export class ServerGoneError extends ProxyError {
  /** The frames written to the transport that the server never read, oldest first. */
  readonly undelivered: Frame[]

  constructor(code: ErrorCode, message: string, undelivered: Frame[] = []) {
    super(code, message)
    this.undelivered = undelivered
  }
}
