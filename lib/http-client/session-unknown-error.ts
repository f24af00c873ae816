// The error for a session that the server no longer knows, and the functions that recognize how
// servers report it.
//
// By the specification, a server reports it with status 404 to a request with a session id. Some
// servers and gateways send 400, 401, 403, 410 or a JSON-RPC error instead. These have other
// meanings too, so they count only if the text in the body speaks of a lost session.

import type { Frame } from '../message/frame.ts'
import { errorCodes } from '../protocol/error-codes.ts'
import { ServerGoneError } from '../streams/server-gone-error.ts'

export class SessionUnknownError extends ServerGoneError {
  /**
   * @param undelivered the frames that the server refused because of the session. It has not
   * handled them.
   */
  constructor(name: string, undelivered: Frame[] = []) {
    const fault = 'no longer knows the session'
    super('ERR_SESSION_UNKNOWN', `${name} ${fault}`, undelivered, `the server ${fault}`)
  }
}

/** Only this many characters of a body are searched. */
const maxRead = 4096

const refused = new WeakSet<Frame>()

/**
 * Returns true at the first call with a frame, and false later. The proxy sends a frame once more
 * if it was refused because of the session. If the new session refuses it too, the session is not
 * the reason, so the frame fails.
 */
export function isFirstRefusal(frame: Frame): boolean {
  if (refused.has(frame)) return false
  refused.add(frame)
  return true
}

const statuses = new Set([400, 401, 403, 410])
/** Matches a text that says that a session does not exist any more. */
const lost =
  /session[\s\S]{0,80}(not found|unknown|expired|invalid|not exist|no longer|terminated|closed|gone|missing|not valid)|server not initialized|(no|unknown|expired|invalid|missing|bad|stale|find|no transport found for)\W{1,3}(\w+\W+){0,3}session/i

/** Returns whether an HTTP response with this status and body reports a lost session. */
export function reportsLostSession(status: number, body: string, errorCode?: number): boolean {
  if (!statuses.has(status)) return false
  return errorCode === errorCodes.sessionUnknown || lost.test(body.slice(0, maxRead))
}

/**
 * Returns whether a JSON-RPC error reports a lost session. Its code has other meanings too, so its
 * text must also say so.
 */
export const isLostSession = ({ errorCode, bytes }: Frame): boolean =>
  errorCode === errorCodes.sessionUnknown && lost.test(bytes.toString('utf8', 0, maxRead))
