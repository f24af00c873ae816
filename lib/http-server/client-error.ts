// Makes the errors that clients over HTTP get. Such an error says what failed. Only the log gets
// the details, because they may contain paths, URLs or the output of a server.

import { describe, describeToClients } from '../errors.ts'
import type { ProxyError } from '../errors.ts'
import type { Log } from '../log.ts'
import type { Frame } from '../message/frame.ts'
import { errorFrame } from '../message/refusal.ts'
import { answerTo } from '../message/response-to.ts'
import type { Id } from '../protocol/json-rpc.ts'

/** Makes an error response as `errorFrame` does, but without the details of the error. */
export const clientErrorFrame = (id: Id | undefined, failure: ProxyError): Frame =>
  errorFrame(id, failure, describeToClients(failure))

/** Logs the details of an error response, and returns the response without the details. */
export function withoutDetails(response: Frame, failure: ProxyError, log: Log): Frame {
  if (failure.code !== 'ERR_FRAME_SYNTAX') {
    logDetails(failure, log)
    return answerTo(response, clientErrorFrame(0, failure))
  }
  // The server's response was not valid. The error has a part of it.
  log.warn(`a request failed: ${describe(failure)}`)
  return answerTo(response, errorFrame(0, failure, 'the server sent an invalid response'))
}

/** The errors whose details were logged. An error that fails many requests is logged once. */
const logged = new WeakSet<ProxyError>()

/** Logs an error once, if a client does not get all of its text. */
export function logDetails(failure: ProxyError, log: Log): void {
  if (logged.has(failure)) return
  logged.add(failure)
  const text = describe(failure)
  if (text !== describeToClients(failure)) log.warn(`a request failed: ${text}`)
}
