import { ProxyError } from '../errors.ts'
import type { ErrorCode } from '../errors.ts'
import type { Frame } from '../message/frame.ts'

/** The error when the server has exited, has lost the connection or has forgotten the session. */
export class ServerGoneError extends ProxyError {
  /** The frames that were written to the transport but not read by the server, oldest first. */
  readonly undelivered: Frame[]

  constructor(code: ErrorCode, message: string, undelivered: Frame[] = [], publicMessage?: string) {
    super(code, message, { publicMessage })
    this.undelivered = undelivered
  }
}
