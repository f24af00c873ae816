// Sends one frame to the server in a POST and reads the HTTP response. The response is JSON or an
// event stream. If the event stream breaks, a GET resumes it.

import type { IncomingHttpHeaders } from 'node:http'
import { describe, HttpStatusError, ProxyError } from '../errors.ts'
import { withoutBom } from '../json/bytes.ts'
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
import { SilenceTimer } from './silence-timer.ts'
import { isFirstRefusal, reportsLostSession, SessionUnknownError } from './session-unknown-error.ts'

export interface PostOwner extends EventsOwner {
  /** After this silence a response that should come soon fails, in ms (0: no limit). */
  readonly connectTimeout: number
  /**
   * Whether the POST carries a session id. If so, 404 means that the server does not know the
   * session.
   */
  readonly inSession: boolean
  /** Returns the headers for the POST that carries this frame. */
  headersOf(frame: Frame): Record<string, string>
  /** Called when the HTTP response has begun, so the server has received the frame. */
  postOnHeaders(post: Post, headers: IncomingHttpHeaders): void
  /**
   * The POST failed. `response` is the JSON-RPC error response of the server, if it sent one.
   *
   * @param error a SessionUnknownError if the server does not know the session
   */
  postOnFailed(post: Post, error: ProxyError, response?: Frame): void
  /** The HTTP response has ended, or the rest of it does not matter. */
  postOnEnd(post: Post): void
}

/** The request fails after this many empty attempts in a row to resume its stream. */
const maxFailures = 5

export class Post implements ResponseHandler, GetOwner {
  readonly frame: Frame
  readonly client: HttpClient
  readonly #owner: PostOwner
  readonly #exchange: HttpExchange
  #status = 0
  /** Whether the server has taken the frame and sends no more in this HTTP response. */
  accepted = false
  // The kind of HTTP response: at most one of these three is set. None is set for a response
  // without content.
  #json: JsonResponse | undefined
  #events: EventReader | undefined
  #errorBody: ErrorBody | undefined
  #answered = false
  readonly #isFirst: boolean
  /** Set while a response that should come soon is not complete. */
  #silence: SilenceTimer | undefined
  /** Whether no timer may start any more. */
  #isOver = false
  /** The GET that resumes the event stream. Undefined if the stream has not broken. */
  #get: GetStream | undefined

  /**
   * @param isFirst whether the request is the first to the server. Its whole response must arrive
   * without a silence of `connectTimeout` ms.
   */
  constructor(frame: Frame, owner: PostOwner, isFirst = false) {
    this.frame = frame
    this.client = owner.client
    this.#owner = owner
    this.#isFirst = isFirst
    // A call may take hours. The server should acknowledge other frames soon.
    const timeout = isFirst || frame.kind !== 'request' ? owner.connectTimeout : 0
    const headers = {
      accept: 'application/json, text/event-stream',
      'content-type': 'application/json',
      ...owner.headersOf(frame)
    }
    this.#exchange = this.client.send({ method: 'POST', headers, body: frame.bytes, timeout }, this)
  }

  /** Closes the HTTP request. After this, no method of the owner is called. */
  abort(): void {
    this.#exchange.abort()
    this.#stopTimers()
    this.#get?.stop()
  }

  /** Whether the response to the frame has come, on any stream. The owner sets this. */
  get answered(): boolean {
    return this.#answered
  }

  set answered(answered: boolean) {
    this.#answered = answered
    this.#silence?.stop()
    this.#silence = undefined
  }

  onHeaders(status: number, headers: IncomingHttpHeaders): void {
    const isRequest = this.frame.kind === 'request'
    this.#status = status
    this.#owner.postOnHeaders(this, headers)
    if (this.#isFirst) this.#limitSilence()
    if (status === 404 && this.#owner.inSession && isFirstRefusal(this.frame)) {
      this.abort()
      this.#fail(new SessionUnknownError(this.client.name, [this.frame]))
    } else if (status >= 300) {
      this.#errorBody = new ErrorBody(() => this.#onFull())
    } else if (isRequest && isEventStream(headers)) {
      this.#events = new EventReader(this.#owner, (name) => this.#onNamedEvent(name))
      this.#events.start()
    } else if (!isRequest || (status === 202 && this.#owner.resumes)) {
      // The proxy ignores the body. It has no content, and often it is not JSON although the
      // headers say so. If the frame is a request, the server sends the response on another stream,
      // which only sessions have.
      this.accepted = true
      this.#owner.postOnEnd(this)
    } else if (isJson(headers)) {
      this.#json = new JsonResponse(this.#owner, headers)
      // A server that has sent Content-Length has the whole body, so the body should come soon.
      if (headers['content-length'] !== undefined) this.#limitSilence()
    } else {
      this.#errorBody = new ErrorBody(() => this.#onFull())
    }
  }

  onData(chunk: Buffer): void {
    this.#silence?.refresh()
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

  explains(status: number, body: Buffer): boolean {
    return (
      this.#owner.inSession &&
      reportsLostSession(status, body.toString(), this.#errorResponse(body)?.errorCode)
    )
  }

  onEnd(): void {
    if (this.#events !== undefined) this.#eventsOnEnd(this.#events)
    else if (this.#errorBody !== undefined) this.#refused(this.#errorBody)
    else if (this.#json !== undefined) this.#jsonOnEnd(this.#json)
  }

  onError(error: ProxyError): void {
    this.#errorBody?.stop()
    if (this.#events !== undefined) this.#eventsOnEnd(this.#events, error)
    else if (this.#json !== undefined) this.#jsonOnEnd(this.#json, error)
    else if (!this.accepted) this.#fail(error)
  }

  getOnData(): void {
    this.#silence?.refresh()
  }

  getOnRefused(error: HttpStatusError): void {
    const { received, message } = error
    const isUnknown =
      this.#owner.inSession && (received === 404 || reportsLostSession(received, message))
    // The server may have acted on the frame, so the frame is not sent again.
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

  /** @param broken the error if the connection broke. The response may have come before that. */
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

  // A ProxyError says what the server did wrong, and is returned. Any other error comes from the
  // code that handles the frames. It is logged and wrapped in a ProxyError.
  #readError(error: unknown): ProxyError {
    if (error instanceof ProxyError) return error
    const message = `cannot handle the response of ${this.client.name}`
    const wrapped = new ProxyError('ERR_HTTP_ANSWER', message, { cause: error })
    this.#owner.log.warn(describe(wrapped))
    return wrapped
  }

  // Most responses come whole, in one packet with their headers. They need no timer.
  #limitSilence(): void {
    if (this.#owner.connectTimeout > 0) process.nextTick(() => this.#startSilence())
  }

  #startSilence(): void {
    if (this.#silence !== undefined || this.#answered || this.#isOver) return
    this.#silence = new SilenceTimer(this.client, this.#owner.connectTimeout, (error) => {
      this.abort()
      this.#fail(error)
    })
  }

  #stopTimers(): void {
    this.#isOver = true
    this.#silence?.stop()
    this.#errorBody?.stop()
  }

  #onFull(): void {
    this.#exchange.abort()
    this.#refused(this.#errorBody as ErrorBody)
  }

  // A server of HTTP+SSE may respond to a POST as it responds to a GET: with its event stream.
  #onNamedEvent(name: string): void {
    if (name !== 'endpoint' || this.#answered) return
    this.abort()
    const message = `${this.client.name} answered with the event stream of HTTP+SSE`
    // The specification asks such a server to refuse the POST with this status.
    this.#fail(new HttpStatusError(message, 405))
  }

  #refused(body: ErrorBody): void {
    body.stop()
    const response = this.frame.kind === 'request' ? this.#errorResponse(body.bytes) : undefined
    if (this.#owner.inSession && reportsLostSession(this.#status, body.text, response?.errorCode)) {
      // The server may have acted on the frame, so it is not sent again.
      this.#fail(new SessionUnknownError(this.client.name))
      return
    }
    this.#fail(body.error(this.client.name, this.#status), response)
  }

  /**
   * Returns the JSON-RPC error in a body, with the id of this request. The server may have used
   * another id. Returns undefined if the body is not a JSON-RPC error.
   */
  #errorResponse(bytes: Buffer): Frame | undefined {
    try {
      const response = parseFrame(withoutBom(bytes))
      if (response.errorCode === undefined) return undefined
      if (response.id === this.frame.id) return response
      const id = valueText(this.frame.bytes, ['id'])
      const error = valueText(response.bytes, ['error'])
      return parseFrame(Buffer.from(`{"jsonrpc":"2.0","id":${id},"error":${error}}`))
    } catch {
      return undefined // the body is HTML or empty, so the error shows only the status
    }
  }

  #fail(error: ProxyError, response?: Frame): void {
    this.#stopTimers()
    this.#owner.postOnFailed(this, error, response)
  }
}
