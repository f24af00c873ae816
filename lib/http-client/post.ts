// One frame that goes to the server in a POST, and the HTTP response to it: JSON, or an event stream
// that a GET resumes when it breaks.

import type { IncomingHttpHeaders } from 'node:http'
import { describe, ProxyError } from '../errors.ts'
import type { HttpStatusError } from '../errors.ts'
import { valueText } from '../json/find-value.ts'
import type { Frame } from '../message/frame.ts'
import { parseFrame } from '../message/parse-frame.ts'
import { ErrorBody } from './error-body.ts'
import { EventReader, isEventStream } from './event-reader.ts'
import type { EventsOwner } from './event-reader.ts'
import { GetStream } from './get-stream.ts'
import type { GetOwner } from './get-stream.ts'
import type { HttpClient } from './http-client.ts'
import type { HttpExchange, ResponseHandler } from './http-exchange.ts'
import { isJson, JsonResponse } from './json-response.ts'
import { SessionUnknownError } from './session-unknown-error.ts'

export interface PostOwner extends EventsOwner {
  /** Requests carry a session id, so that 404 means that the server does not know the session. */
  readonly inSession: boolean
  /** The headers of the POST with this frame. */
  headersOf(frame: Frame): Record<string, string>
  /** The server has the frame: the HTTP response has begun. */
  postOnHeaders(post: Post, headers: IncomingHttpHeaders): void
  /**
   * The frame gets no response. `response` is the server's own error response, if it sent one.
   *
   * @param error a SessionUnknownError if the server does not know the session
   */
  postOnFailed(post: Post, error: ProxyError, response?: Frame): void
  /** The HTTP response has ended, or all that matters of it has come. */
  postOnEnd(post: Post): void
}

/** How many attempts in a row to resume a stream may fail before the request fails. */
const maxFailures = 5

export class Post implements ResponseHandler, GetOwner {
  readonly frame: Frame
  readonly client: HttpClient
  /** The owner sets it when the response has come, on any stream. */
  answered = false
  readonly #owner: PostOwner
  readonly #exchange: HttpExchange
  #status = 0
  #accepted = false
  // What the HTTP response is: one of these three, or nothing but an acknowledgement.
  #json: JsonResponse | undefined
  #events: EventReader | undefined
  #errorBody: ErrorBody | undefined
  /** Resumes the event stream. */
  #get: GetStream | undefined

  /** @param timeout milliseconds until the HTTP response must begin (0: no limit) */
  constructor(frame: Frame, owner: PostOwner, timeout = 0) {
    this.frame = frame
    this.client = owner.client
    this.#owner = owner
    const headers = {
      accept: 'application/json, text/event-stream',
      'content-type': 'application/json',
      ...owner.headersOf(frame)
    }
    this.#exchange = this.client.send({ method: 'POST', headers, body: frame.bytes, timeout }, this)
  }

  /** Closes the request. Its owner hears nothing more. */
  abort(): void {
    this.#exchange.abort()
    this.#get?.stop()
  }

  onHeaders(status: number, headers: IncomingHttpHeaders): void {
    const isRequest = this.frame.kind === 'request'
    this.#status = status
    this.#owner.postOnHeaders(this, headers)
    if (status === 404 && this.#owner.inSession) {
      this.abort()
      this.#fail(new SessionUnknownError(this.client.name, [this.frame]))
    } else if (status >= 300) {
      this.#errorBody = new ErrorBody()
    } else if (isRequest && isEventStream(headers)) {
      this.#events = new EventReader(this.#owner)
      this.#events.start()
    } else if (!isRequest || status === 202) {
      // The body says nothing, and is often not the JSON that its headers announce. The response to a
      // request comes on another stream.
      this.#accepted = true
      this.#owner.postOnEnd(this)
    } else if (isJson(headers)) {
      this.#json = new JsonResponse(this.#owner, headers)
    } else {
      this.#errorBody = new ErrorBody()
    }
  }

  onData(chunk: Buffer): void {
    try {
      this.#json?.feed(chunk)
    } catch (error) {
      this.abort()
      this.#fail(this.#readError(error))
      return
    }
    this.#events?.feed(chunk)
    this.#errorBody?.feed(chunk)
  }

  onEnd(): void {
    if (this.#events !== undefined) this.#eventsOnEnd(this.#events)
    else if (this.#errorBody !== undefined) this.#refused(this.#errorBody)
    else if (this.#json !== undefined) this.#jsonOnEnd(this.#json)
  }

  onError(error: ProxyError): void {
    if (this.#events !== undefined) this.#eventsOnEnd(this.#events, error)
    else if (this.#json !== undefined) this.#jsonOnEnd(this.#json, error)
    else if (!this.#accepted) this.#fail(error)
  }

  getOnRefused(error: HttpStatusError): void {
    // The server has had the frame, so nobody may send it again.
    const isUnknown = error.received === 404 && this.#owner.inSession
    this.#fail(isUnknown ? new SessionUnknownError(this.client.name) : error)
  }

  getOnEnd(cause?: ProxyError): boolean {
    if (this.answered) {
      this.#owner.postOnEnd(this)
      return false
    }
    const { resumable, failures, fault } = this.#events as EventReader
    if (resumable && failures < maxFailures && fault === undefined) return true
    const message = `${this.client.name} ended the stream before the response`
    this.#fail(new ProxyError('ERR_CONNECTION', message, { cause: fault ?? cause }))
    return false
  }

  #eventsOnEnd(events: EventReader, cause?: ProxyError): void {
    if (!this.getOnEnd(cause)) return
    this.#get = new GetStream(this, events)
    this.#get.openLater()
  }

  /** @param broken the connection broke. The response may have come before. */
  #jsonOnEnd(json: JsonResponse, broken?: ProxyError): void {
    try {
      if (broken === undefined) json.end()
      else json.cutOff()
    } catch (error) {
      this.#fail(this.#readError(error))
      return
    }
    const message = `${this.client.name} sent no response to the request`
    if (this.answered) this.#owner.postOnEnd(this)
    else this.#fail(broken ?? new ProxyError('ERR_HTTP_ANSWER', message))
  }

  // A ProxyError says what the server did wrong. Any other error comes from the reader of the frames.
  #readError(error: unknown): ProxyError {
    if (error instanceof ProxyError) return error
    const message = `cannot handle the response of ${this.client.name}`
    const wrapped = new ProxyError('ERR_HTTP_ANSWER', message, { cause: error })
    this.#owner.log.warn(describe(wrapped))
    return wrapped
  }

  #refused(body: ErrorBody): void {
    const response = this.frame.kind === 'request' ? this.#errorResponse(body.bytes) : undefined
    this.#fail(body.error(this.client.name, this.#status), response)
  }

  /** The JSON-RPC error that a body holds, as the response to this request, whatever its id. */
  #errorResponse(bytes: Buffer): Frame | undefined {
    try {
      const response = parseFrame(bytes)
      if (response.errorCode === undefined) return undefined
      if (response.id === this.frame.id) return response
      const id = valueText(this.frame.bytes, ['id'])
      const error = valueText(response.bytes, ['error'])
      return parseFrame(Buffer.from(`{"jsonrpc":"2.0","id":${id},"error":${error}}`))
    } catch {
      return undefined // a page for people, or nothing: the status must do
    }
  }

  #fail(error: ProxyError, response?: Frame): void {
    this.#owner.postOnFailed(this, error, response)
  }
}
