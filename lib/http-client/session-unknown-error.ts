// A session that the server no longer knows: its error, and the ways in which servers report it.
//
// The specification has one way: status 404 to a request with a session id. Servers and gateways in the
// field also use 400, 401, 403 and 410, or a JSON-RPC error. Those statuses have other meanings too, so
// the body must say that it is about the session.

import type { Frame } from '../message/frame.ts'
import { errorCodes } from '../protocol/error-codes.ts'
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

/** How much of a body is searched, in characters. */
const maxRead = 4096

const refused = new WeakSet<Frame>()

/**
 * True at the first call for a frame. A frame that was refused because of the session is sent once
 * more. If the new session refuses it too, the refusal is about the frame.
 */
export function isFirstRefusal(frame: Frame): boolean {
  if (refused.has(frame)) return false
  refused.add(frame)
  return true
}

const statuses = new Set([400, 401, 403, 410])
/** Words that say that a session does not exist any more, near the word `session`. */
const lost =
  /session[\s\S]{0,80}(not found|unknown|expired|invalid|not exist|no longer|terminated|closed|gone|missing|not valid)|server not initialized|(no|unknown|expired|invalid|missing|bad|stale|find|no transport found for)\W{1,3}(\w+\W+){0,3}session/i

/** True if the body of a response with this status reports a lost session. */
export function reportsLostSession(status: number, body: string, errorCode?: number): boolean {
  if (!statuses.has(status)) return false
  return errorCode === errorCodes.sessionUnknown || lost.test(body.slice(0, maxRead))
}

/** True if a JSON-RPC error reports a lost session. The code alone has other meanings too. */
export const isLostSession = ({ errorCode, bytes }: Frame): boolean =>
  errorCode === errorCodes.sessionUnknown && lost.test(bytes.toString('utf8', 0, maxRead))
