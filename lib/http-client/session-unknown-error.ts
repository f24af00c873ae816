// The error of a transport whose session the server does not know any more.

import type { Frame } from '../message/frame.ts'
import { ServerGoneError } from '../streams/server-gone-error.ts'

export class SessionUnknownError extends ServerGoneError {
  /**
   * @param undelivered the frames that the server refused because of the session. It has not
   * handled them.
   */
  constructor(name: string, undelivered: Frame[] = []) {
    super('ERR_SESSION_UNKNOWN', `${name} no longer knows the session`, undelivered)
  }
}
