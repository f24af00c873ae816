// Turns an error of the OAuth library, or of a server, into one line. The new error has no cause,
// because the error of the library holds the response, which may contain a token.

import type { ProxyError } from '../../../errors.ts'
import { signInError } from './auth-requests.ts'

/** An error shows at most this many characters of the reason that a server gave. */
const maxReason = 300

interface LibraryError {
  message: string
  /** What the server sent, of any type. */
  error?: unknown
  error_description?: unknown
}

/**
 * @param what what failed
 * @param status the HTTP status, if there was a response
 * @param secrets texts that the error must not show
 */
export function libraryError(
  what: string,
  status: number | undefined,
  cause: unknown,
  secrets: (string | undefined)[]
): ProxyError {
  const { message, error, error_description: description } = cause as LibraryError
  let reason = message
  if (typeof error === 'string') reason = error
  else if (status !== undefined && status >= 400) reason = `HTTP status ${status}`
  if (typeof description === 'string') reason += ` (${description})`
  for (const secret of secrets) if (secret) reason = reason.replaceAll(secret, '…')
  return signInError(`${what}: ${reason.replace(/[\s\p{Cc}]+/gu, ' ').slice(0, maxReason)}`)
}

/** Returns the error that the body of a response describes (RFC 6749, section 5.2). */
export function problemIn(body: unknown): Omit<LibraryError, 'message'> {
  const { error, error_description } = (body ?? {}) as Record<string, unknown>
  return { error, error_description }
}
