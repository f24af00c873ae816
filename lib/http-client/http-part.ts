// What HttpTransport and its two parts, HttpSession and ModernRequests, know of each other.

import { ProxyError } from '../errors.ts'
import type { Log } from '../log.ts'
import type { Frame } from '../message/frame.ts'
import { errorFrame } from '../message/refusal.ts'
import type { Callback } from '../streams/callbacks.ts'
import type { HttpClient } from './http-client.ts'

/** One part of the transport: it sends some of the frames, and gets their responses. */
export interface HttpPart {
  /** Sends a frame. Calls `callback` when the next frame may follow. */
  send(frame: Frame, callback: Callback): void
  /** No response is to come. */
  readonly settled: boolean
  /** Aborts the requests under way. */
  stop(): void
  /** Stops, and calls the waiting callback: with `error` if its frame was never sent. */
  destroy(error: Error): void
}

/** The transport, as its parts see it. */
export interface HttpPartOwner {
  readonly client: HttpClient
  readonly log: Log
  readonly maxMessage: number
  /** Hands a frame to the reader of the transport. */
  pass(frame: Frame): void
  /** The client sends no more frames. */
  clientEnded(): boolean
  /** Called when a part may have settled. */
  partOnSettled(): void
  /** Called when the server cannot be used any more. */
  partOnFailed(error: ProxyError): void
}

/**
 * Reads a response with `read`, which may return another in its place. An exception becomes an error
 * response, so that the request ends, and no other with it.
 */
export function readResponse(
  response: Frame,
  server: string,
  read: (response: Frame) => Frame
): Frame {
  try {
    return read(response)
  } catch (cause) {
    const message = `the response of ${server} cannot be read`
    return errorFrame(response.id, new ProxyError('ERR_HTTP_ANSWER', message, { cause }))
  }
}
