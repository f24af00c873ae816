// The interfaces between HttpTransport and its two parts, HttpSession and ModernRequests.

import { ProxyError } from '../errors.ts'
import type { Log } from '../log.ts'
import type { Frame } from '../message/frame.ts'
import { errorFrame } from '../message/refusal.ts'
import type { Callback } from '../streams/callbacks.ts'
import type { HttpClient } from './http-client.ts'

/** One part of the transport. It sends some of the frames, and receives their responses. */
export interface HttpPart {
  /** Sends a frame. Calls `callback` when the transport may send the next frame. */
  send(frame: Frame, callback: Callback): void
  /** Whether each request has its response. */
  readonly settled: boolean
  /** Aborts the requests that have not finished. */
  stop(): void
  /**
   * Stops, as `stop` does. Then calls the callback of the last `send` if that is still pending. The
   * callback gets `error`
   * if its frame may not have reached the server.
   */
  destroy(error: Error): void
}

/** The members of the transport that its parts use. */
export interface HttpPartOwner {
  readonly client: HttpClient
  readonly log: Log
  readonly maxMessage: number
  /** After this silence a response that should come soon fails, in ms (0: no limit). */
  readonly connectTimeout: number
  /** Gives a frame of the server to the reader of the transport. */
  pass(frame: Frame): void
  /** Whether the server has sent a result in the modern revision, so that it is an MCP server. */
  isModern(): boolean
  /** Whether the client has ended, so that it sends no more frames. */
  clientEnded(): boolean
  /** Called after a request has finished. The transport then checks whether all have finished. */
  partOnSettled(): void
  /** Called when the server cannot be used any more. */
  partOnFailed(error: ProxyError): void
}

/**
 * Returns the result of `read(response)`: the same response, or another one. If `read` throws, this
 * returns an error response instead. So only this request fails, and no other.
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
