// The error of a session that the server no longer knows.

import type { Frame } from '../message/frame.ts'
import { ServerGoneError } from '../streams/server-gone-error.ts'

export class SessionUnknownError extends ServerGoneError {
  /** @param undelivered the frames that the server refused because of the session, unread */
  constructor(name: string, undelivered: Frame[] = []) {
    super('ERR_SESSION_UNKNOWN', `${name} no longer knows the session`, undelivered)
  }
}
