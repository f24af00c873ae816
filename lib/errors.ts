// All errors of this package. Each has an HTTP status for the client that sent the request, and a
// code for the JSON-RPC error response.
//
// The message of an error and its causes may contain what only the owner of the proxy should see:
// the output of a server, paths, environment variables, URLs. `describe` returns all of it, for the
// log and for a client that the owner started. Clients over HTTP get `describeToClients` instead:
// what failed, without details.

import { errorCodes } from './protocol/error-codes.ts'
import { toLine } from './text.ts'

const failures = {
  // The bytes are not a valid message.
  ERR_FRAME_SYNTAX: { status: 400, rpc: errorCodes.parseError },
  ERR_FRAME_ENVELOPE: { status: 400, rpc: errorCodes.invalidRequest },
  ERR_FRAME_TOO_LARGE: { status: 413, rpc: errorCodes.invalidRequest },
  ERR_PARAMS: { status: 400, rpc: errorCodes.invalidParams },
  ERR_HEADER_MISMATCH: { status: 400, rpc: errorCodes.headerMismatch },
  ERR_METHOD_NOT_FOUND: { status: 404, rpc: errorCodes.methodNotFound },

  // The proxy cannot reach the server, or the server is gone.
  ERR_COMMAND_NOT_FOUND: { status: 502, rpc: errorCodes.serverError },
  ERR_SERVER_START: { status: 502, rpc: errorCodes.serverError },
  ERR_SERVER_EXITED: { status: 502, rpc: errorCodes.serverError },
  ERR_CONNECTION: { status: 502, rpc: errorCodes.serverError },
  ERR_HTTP_STATUS: { status: 502, rpc: errorCodes.serverError },
  ERR_HTTP_ANSWER: { status: 502, rpc: errorCodes.serverError },
  ERR_TOKEN: { status: 502, rpc: errorCodes.serverError },
  ERR_TIMEOUT: { status: 504, rpc: errorCodes.serverError },

  // The proxy refuses the request.
  ERR_UNAUTHORIZED: { status: 401, rpc: errorCodes.invalidRequest },
  ERR_FORBIDDEN: { status: 403, rpc: errorCodes.invalidRequest },
  ERR_NOT_FOUND: { status: 404, rpc: errorCodes.invalidRequest },
  ERR_METHOD_NOT_ALLOWED: { status: 405, rpc: errorCodes.invalidRequest },
  ERR_NOT_ACCEPTABLE: { status: 406, rpc: errorCodes.invalidRequest },
  ERR_MEDIA_TYPE: { status: 415, rpc: errorCodes.invalidRequest },
  ERR_REQUEST: { status: 400, rpc: errorCodes.invalidRequest },
  ERR_SESSION_UNKNOWN: { status: 404, rpc: errorCodes.sessionUnknown },
  ERR_LEGACY_SERVER: { status: 400, rpc: errorCodes.invalidRequest },
  ERR_CLIENT_SLOW: { status: 503, rpc: errorCodes.serverError },
  ERR_BODIES_FULL: { status: 503, rpc: errorCodes.serverError },
  ERR_AUDIT: { status: 503, rpc: errorCodes.serverError },
  ERR_CALLER_LIMIT: { status: 429, rpc: errorCodes.serverError },
  ERR_SESSIONS_FULL: { status: 503, rpc: errorCodes.serverError },
  ERR_ISSUER: { status: 503, rpc: errorCodes.serverError },
  ERR_CLOSED: { status: 503, rpc: errorCodes.serverError },

  // The proxy itself failed.
  ERR_INTERNAL: { status: 500, rpc: errorCodes.internalError },

  // The command line, a file or an address is wrong.
  ERR_USAGE: { status: 500, rpc: errorCodes.internalError },
  ERR_CONFIG: { status: 500, rpc: errorCodes.internalError },
  ERR_LISTEN: { status: 500, rpc: errorCodes.internalError }
} as const

export type ErrorCode = keyof typeof failures

const internalText = 'internal error (see the log of the proxy)'
const configText = 'the proxy has a wrong configuration (see the log of the proxy)'

/**
 * What clients over HTTP may know about the errors whose messages contain details. They get the
 * messages of all other errors.
 */
const publicTexts: Partial<Record<ErrorCode, string>> = {
  ERR_COMMAND_NOT_FOUND: 'the command of the server cannot be found',
  ERR_SERVER_START: 'the server did not start',
  ERR_SERVER_EXITED: 'the server exited',
  ERR_CONNECTION: 'the connection to the server failed',
  ERR_HTTP_STATUS: 'the server refused the request',
  ERR_HTTP_ANSWER: 'the server sent an invalid response',
  ERR_TOKEN: 'the proxy got no access token for the server',
  ERR_TIMEOUT: 'the server did not respond in time',
  ERR_ISSUER: 'the token cannot be checked now, because its issuer cannot be reached',
  ERR_INTERNAL: internalText,
  ERR_USAGE: configText,
  ERR_CONFIG: configText,
  ERR_LISTEN: configText
}

export interface ProxyErrorOptions extends ErrorOptions {
  /** What clients over HTTP may know about the error. Default: a fixed text for most codes. */
  publicMessage?: string | undefined
}

/** An error of this package. Compare its `code`, not its message, because messages may change. */
export class ProxyError extends Error {
  override readonly name = 'ProxyError'
  readonly code: ErrorCode
  readonly #publicMessage: string | undefined

  constructor(code: ErrorCode, message: string, options?: ProxyErrorOptions) {
    super(message, options)
    this.code = code
    this.#publicMessage = options?.publicMessage
  }

  /** What clients over HTTP may know about the error, if its message contains details. */
  get publicMessage(): string | undefined {
    return this.#publicMessage ?? publicTexts[this.code]
  }

  /** The HTTP status of a response with this error. */
  get status(): number {
    return failures[this.code].status
  }

  /** The code of a JSON-RPC error response with this error. */
  get rpc(): number {
    return failures[this.code].rpc
  }
}

/**
 * Makes the error for an unexpected exception. Only the log shows the cause; clients do not see it.
 */
export function internalError(cause?: unknown): ProxyError {
  return new ProxyError('ERR_INTERNAL', internalText, { cause })
}

/** The error when a server at a URL responds with an HTTP status that means failure. */
export class HttpStatusError extends ProxyError {
  /** The HTTP status that the server sent. The proxy sends `status` to its client instead. */
  readonly received: number

  constructor(message: string, received: number) {
    super('ERR_HTTP_STATUS', message, {
      publicMessage: `the server answered with the HTTP status ${received}`
    })
    this.received = received
  }
}

/** How many causes `describe` follows. A chain of causes can be a circle. */
const maxCauses = 8

/** Returns the messages of the error and its causes, as one printable line. */
export function describe(error: unknown): string {
  const parts: string[] = []
  let cause = error
  do {
    parts.push(toLine(messageOf(cause)))
    cause = causeOf(cause)
  } while (cause !== undefined && parts.length < maxCauses)
  return toLine(parts.join(': '))
}

/**
 * Returns what clients over HTTP may know about the error and its causes, as one printable line. It
 * has no output of a server, no paths, no environment variables and no URLs.
 */
export function describeToClients(error: ProxyError): string {
  const parts = [error.publicMessage ?? error.message]
  let { cause } = error
  while (cause instanceof ProxyError && parts.length < maxCauses) {
    parts.push(cause.publicMessage ?? '')
    cause = cause.cause
  }
  return toLine([...new Set(parts)].filter((part) => part !== '').join(': '))
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) {
    // Some objects have no usable `toString`. Then `String(error)` would throw.
    return typeof error === 'object' && error !== null ? 'unknown error' : String(error)
  }
  return error.message || (error as NodeJS.ErrnoException).code || error.name
}

function causeOf(error: unknown): unknown {
  if (!(error instanceof Error)) return undefined
  // When a name has several addresses, Node puts the error of each into an AggregateError.
  return error instanceof AggregateError ? error.errors[0] : error.cause
}

/** Returns the code of an error of this package, and undefined for other errors. */
export const codeOf = (error: unknown): ErrorCode | undefined =>
  error instanceof ProxyError ? error.code : undefined

/** Returns true if someone aborted a stream or closed it early. This is not an error to report. */
export const isAbort = (error: unknown): boolean =>
  error instanceof Error &&
  (error.name === 'AbortError' ||
    (error as NodeJS.ErrnoException).code === 'ERR_STREAM_PREMATURE_CLOSE')

/**
 * Returns the error that the pending requests of a destroyed stream get. An unexpected exception is
 * not its cause, because clients must not see the exception.
 *
 * @param error what destroyed the stream
 * @param closed the message for a stream that was closed or aborted
 */
export function toProxyError(error: Error | null, closed: string): ProxyError {
  if (error instanceof ProxyError) return error
  if (error === null || isAbort(error)) return new ProxyError('ERR_CLOSED', closed)
  return internalError()
}
