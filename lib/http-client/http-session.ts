// The session with a server over Streamable HTTP, in the revisions that have sessions. The proxy
// sends each frame in a POST. The server sends its messages in the HTTP responses, and on the
// stream of a GET.
//
// The first request opens the session. Its response names the session and the revision, and all
// later requests carry both names in their headers. So the frames after the first request wait for
// its response. The GET stream opens after `notifications/initialized`. A DELETE ends the session.
//
// A server that does not know the session any more answers 404. It then also answers 404 to the
// other frames that the proxy has just sent. The session collects these frames for at most half a
// second. Then it fails, and its error lists them, so that the proxy can send them again in a new
// session.

import type { IncomingHttpHeaders } from 'node:http'
import { describe, HttpStatusError, ProxyError } from '../errors.ts'
import { warnOnce } from '../log.ts'
import type { Log } from '../log.ts'
import { idAt } from '../message/frame.ts'
import type { Frame } from '../message/frame.ts'
import { jsonOf } from '../message/id.ts'
import { IdMap } from '../message/id-map.ts'
import { errorFrame } from '../message/refusal.ts'
import { checkInitializeResult } from '../message/schemas.ts'
import { headerNames } from '../protocol/headers.ts'
import type { Id } from '../protocol/json-rpc.ts'
import { methods } from '../protocol/methods.ts'
import { paths } from '../protocol/paths.ts'
import type { Callback } from '../streams/callbacks.ts'
import { endSession } from './end-session.ts'
import { EventReader } from './event-reader.ts'
import { GetStream } from './get-stream.ts'
import type { GetOwner } from './get-stream.ts'
import type { HttpClient } from './http-client.ts'
import { readResponse } from './http-part.ts'
import type { HttpPart, HttpPartOwner } from './http-part.ts'
import { Post } from './post.ts'
import type { PostOwner } from './post.ts'
import { ackTimeout, SendWindow } from './send-window.ts'
import { isLostSession, reportsLostSession, SessionUnknownError } from './session-unknown-error.ts'

/** After the first 404, how long the session waits for the 404 of other frames, in milliseconds. */
const refusalTime = 500

export class HttpSession implements HttpPart, PostOwner, GetOwner {
  readonly resumes = true
  readonly client: HttpClient
  readonly log: Log
  readonly maxMessage: number
  readonly connectTimeout: number
  readonly #owner: HttpPartOwner
  /** Requests without a response, by id. The server may send the response on any stream. */
  readonly #calls = new IdMap<Post>()
  readonly #posts = new Set<Post>()
  readonly #sendWindow: SendWindow
  #sentRequest = false
  /** The first request, or a later `initialize`. Undefined again when its response has come. */
  #firstRequest: Post | undefined
  #id: string | undefined
  #protocolVersion: string | undefined
  /** The headers with the session's id and its revision. */
  sessionHeaders: Record<string, string> = {}
  /** Reads the stream of the GET. On it the server sends messages that belong to no request. */
  readonly #events = new EventReader(this)
  readonly #get = new GetStream(this, this.#events)
  #openedGet = false
  /** Set if the server has no stream for GET. A request that got 202 then gets no response. */
  #noGet: ProxyError | undefined
  /** Set when the server does not know the session any more. */
  #unknown: SessionUnknownError | undefined
  #timer: NodeJS.Timeout | undefined
  #end: Promise<void> | undefined

  constructor(owner: HttpPartOwner) {
    this.#owner = owner
    this.client = owner.client
    this.log = owner.log
    this.maxMessage = owner.maxMessage
    this.connectTimeout = owner.connectTimeout
    this.#sendWindow = new SendWindow(owner.maxMessage)
  }

  send(frame: Frame, callback: Callback): void {
    if (this.#unknown !== undefined) {
      this.#unknown.undelivered.push(frame)
      callback()
      return
    }
    const isRequest = frame.kind === 'request'
    const isFirst = isRequest && (!this.#sentRequest || frame.method === methods.initialize)
    const post = new Post(frame, this, isFirst)
    this.#posts.add(post)
    if (isRequest) this.#calls.set(frame.id as Id, post)
    if (isFirst) this.#firstRequest = post
    this.#sentRequest ||= isFirst
    this.#sendWindow.add(frame, isFirst || !isRequest, callback, isFirst ? 0 : ackTimeout)
  }

  get settled(): boolean {
    if (this.#unknown !== undefined || this.#calls.size > 0) return false
    // A server may keep the event stream of a POST open after the response to the request. The
    // session does not wait for the end of such a stream.
    for (const post of this.#posts) if (!post.answered) return false
    return true
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#get.stop()
    for (const post of this.#posts) post.abort()
    // The HTTP response to some of these has ended. They wait for their JSON-RPC response on
    // another stream.
    for (const post of this.#calls.values) post.abort()
    this.#posts.clear()
  }

  destroy(error: Error): void {
    this.stop()
    // If the first request has no response, there may be no server, so the callback gets the error.
    // Else the server may have the frame, so the callback gets no error.
    this.#sendWindow.release(this.#firstRequest && error)
  }

  /**
   * Ends the session at the server.
   *
   * @param timeout how long to wait for the HTTP response, in milliseconds (0: no limit)
   */
  end(timeout: number): Promise<void> {
    if (this.#id === undefined || this.#unknown !== undefined) return Promise.resolve()
    return (this.#end ??= endSession(this.client, this.sessionHeaders, timeout))
  }

  get inSession(): boolean {
    return this.#id !== undefined
  }

  headersOf(): Record<string, string> {
    return this.sessionHeaders
  }

  deliver(received: Frame): void {
    const frame = this.#calls.match(received)
    const { kind, id } = frame
    if (kind === 'response' && id !== undefined) this.#onResponse(frame, id)
    else this.#owner.pass(frame)
    if (frame.errorCode !== undefined && this.inSession && isLostSession(frame)) {
      this.#onUnknown(new SessionUnknownError(this.client.name))
    } else {
      this.#settle()
    }
  }

  sendBack(response: Frame): void {
    if (this.#sendWindow.addRefusal(response)) this.#posts.add(new Post(response, this))
  }

  postOnHeaders(post: Post, headers: IncomingHttpHeaders): void {
    const id = this.#sessionIdIn(headers)
    if (post === this.#firstRequest) this.#setHeaders(id ?? this.#id, this.#protocolVersion)
    else if (id !== undefined && id !== this.#id) {
      // The server names the session in its response to `initialize`, and all later requests must
      // carry this name (2025-11-25, Transports, Session Management). So a later name has no
      // meaning. A gateway may have set it.
      const message = 'sent a new session id after the session began; the proxy ignores it'
      warnOnce(this.log, `${this.client.name} ${message}`)
    }
    this.#sendWindow.acknowledge(post.frame)
  }

  #setHeaders(id: string | undefined, version: string | undefined): void {
    this.#id = id
    this.#protocolVersion = version
    this.sessionHeaders = {
      ...(id !== undefined && { [headerNames.sessionId]: id }),
      ...(version !== undefined && { [headerNames.protocolVersion]: version })
    }
  }

  // If the header comes twice, undici makes an array, and gateways join the values. A session id
  // has no space, so a comma and a space cannot be a part of it. The server writes the header first
  // and gateways append theirs, so the first value counts.
  #sessionIdIn(headers: IncomingHttpHeaders): string | undefined {
    const value = headers[headerNames.sessionId]
    if (value === undefined) return undefined
    const values = [value].flat().join(', ').split(/,? +/)
    const [first, ...others] = values.filter((value) => value !== '')
    if (others.some((value) => value !== first)) {
      const message = 'sent several session ids in one response; the proxy uses the first'
      warnOnce(this.log, `${this.client.name} ${message}`)
    }
    return first
  }

  postOnFailed(post: Post, error: ProxyError, response?: Frame): void {
    const { id, kind } = post.frame
    if (error instanceof SessionUnknownError) {
      this.#onUnknown(error)
    } else if (post === this.#firstRequest && this.#isFatal(error, response)) {
      this.#owner.partOnFailed(error)
      return
    } else if (kind !== 'request') {
      this.log.warn(`cannot deliver a ${kind}: ${describe(error)}`)
    } else if (this.#calls.get(id as Id) === post) {
      this.deliver(response ?? errorFrame(id, error))
    } else {
      this.log.debug(`after the response: ${describe(error)}`)
    }
    this.postOnEnd(post)
  }

  /** Whether the failure of the first request shows that there is no MCP server at the URL. */
  #isFatal(error: ProxyError, response: Frame | undefined): boolean {
    return !this.#owner.isModern() && (response === undefined || isNoEndpoint(error))
  }

  postOnEnd(post: Post): void {
    const { frame } = post
    this.#posts.delete(post)
    if (frame.method === methods.cancelled) this.#cancel(frame)
    if (frame.method === methods.initialized) this.#openGet()
    this.#sendWindow.finish(frame)
    this.#failAccepted(post)
    this.#settle()
  }

  getOnRefused(error: HttpStatusError): void {
    // A server that has no stream for GET answers 405, and some servers answer 404. But if the
    // server opened the stream before, 404 means that it does not know the session any more.
    const { received, message } = error
    const isUnknown =
      (received === 404 && this.#events.started) || reportsLostSession(received, message)
    if (this.inSession && isUnknown) {
      this.#onUnknown(new SessionUnknownError(this.client.name))
      return
    }
    this.log.debug(`no stream on GET: ${describe(error)}`)
    this.#noGet = error
    for (const post of this.#calls.values) this.#failAccepted(post)
  }

  getOnEnd(error?: ProxyError): boolean {
    if (error !== undefined) this.log.debug(describe(error))
    this.#events.forgiveLongStream()
    return true
  }

  /** Fails a request that got 202, if no other stream can bring its response. */
  #failAccepted(post: Post): void {
    const id = post.frame.id as Id
    if (this.#noGet === undefined || !post.accepted || this.#unknown !== undefined) return
    if (this.#calls.get(id) !== post) return
    const message = `${this.client.name} accepted the request and has no stream for its response`
    this.deliver(errorFrame(id, new ProxyError('ERR_HTTP_ANSWER', message, { cause: this.#noGet })))
  }

  #onResponse(response: Frame, id: Id): void {
    const post = this.#calls.get(id)
    if (post === undefined) {
      this.log.debug(`dropped a response to no pending request (id ${jsonOf(id)})`)
      return
    }
    this.#calls.delete(id)
    post.answered = true
    if (post !== this.#firstRequest) {
      this.#owner.pass(response)
      return
    }
    this.#firstRequest = undefined
    const isInitialize = post.frame.method === methods.initialize
    const result = isInitialize
      ? readResponse(response, this.client.name, this.#readVersion)
      : response
    this.#sendWindow.finish(post.frame)
    this.#owner.pass(result)
  }

  readonly #readVersion = (response: Frame): Frame => {
    const message = response.message()
    if (message.error !== undefined) return response
    const fault = checkInitializeResult(message)
    if (fault !== undefined) {
      this.log.warn(`${this.client.name} sent an invalid response to initialize: ${fault}`)
    }
    const { protocolVersion } = Object(message.result) as { protocolVersion?: unknown }
    this.#setHeaders(this.#id, typeof protocolVersion === 'string' ? protocolVersion : undefined)
    return response
  }

  // The stream stays closed if the client sends no more frames, because it carries only messages
  // that belong to no request.
  #openGet(): void {
    if (this.#openedGet || this.#owner.clientEnded() || this.#unknown !== undefined) return
    this.#openedGet = true
    this.#get.open()
  }

  // After a cancellation the server need not send a response, and may never end its stream. So the
  // proxy ends the cancelled request itself.
  #cancel(frame: Frame): void {
    const id = idAt(frame, paths.cancelledId)
    const post = id === undefined ? undefined : this.#calls.get(id)
    if (id === undefined || post === undefined) return
    this.#calls.delete(id)
    post.abort()
    this.postOnEnd(post)
  }

  #onUnknown(error: SessionUnknownError): void {
    if (this.#unknown === undefined) {
      this.#unknown = error
      this.#get.stop()
      this.#timer = setTimeout(() => this.#owner.partOnFailed(error), refusalTime)
    } else {
      this.#unknown.undelivered.push(...error.undelivered)
    }
    this.#settle()
  }

  #settle(): void {
    if (this.#unknown === undefined) this.#owner.partOnSettled()
    else if (this.#sendWindow.allAcknowledged) this.#owner.partOnFailed(this.#unknown)
  }
}

/**
 * Whether the server has no MCP endpoint at the URL. Then the body is no response to the request,
 * even if it is a JSON-RPC error.
 */
const isNoEndpoint = (error: ProxyError): boolean =>
  error instanceof HttpStatusError && [404, 405].includes(error.received)
