// The transport to a client of Streamable HTTP with a session (revisions 2025-03-26 to 2025-11-25).
// A session lasts from the POST with `initialize` until the client's DELETE, or until the session
// has been idle for too long. The endpoint gives the client's POSTs and GETs to the transport. For
// each message of the server, `_write` and `#postFor` choose the HTTP response that carries the
// message.

import type { OutgoingHttpHeaders, ServerResponse } from 'node:http'
import { ProxyError, toProxyError } from '../errors.ts'
import type { Body } from '../framing/body.ts'
import { encodePriming } from '../framing/sse.ts'
import { stringAt } from '../json/find-value.ts'
import { withDefaults } from '../limits.ts'
import type { LimitOptions, Limits } from '../limits.ts'
import { silent } from '../log.ts'
import type { Log } from '../log.ts'
import { idAt } from '../message/frame.ts'
import type { Frame } from '../message/frame.ts'
import { errorFrame } from '../message/refusal.ts'
import { headerNames } from '../protocol/headers.ts'
import type { Id } from '../protocol/json-rpc.ts'
import { methods } from '../protocol/methods.ts'
import { paths } from '../protocol/paths.ts'
import { primingVersion } from '../protocol/revisions.ts'
import type { Callback, DestroyCallback } from '../streams/callbacks.ts'
import { DeadlineQueue } from '../streams/deadline-queue.ts'
import { ClientTransport } from './client-transport.ts'
import { EventStream } from './event-stream.ts'
import type { EventSink } from './event-stream.ts'
import { PostResponse } from './post-response.ts'
import type { PostResponseOwner } from './post-response.ts'
import { ReplayStore } from './replay-store.ts'
import type { ResumableStream } from './replay-store.ts'
import type { Accept } from './request-context.ts'

export interface SessionOptions extends LimitOptions {
  /** The session's id, in visible ASCII. Whoever guesses it can take over the session. */
  id: string
  log?: Log | undefined
}

export class SessionTransport extends ClientTransport implements PostResponseOwner {
  /** The negotiated revision. `undefined` until the server has responded to `initialize`. */
  version: string | undefined
  readonly deadlines: DeadlineQueue
  readonly #headers: OutgoingHttpHeaders
  readonly #limits: Limits
  readonly #log: Log
  readonly #store: ReplayStore
  /** The event stream of the client's GET. It carries the messages that belong to no POST. */
  readonly #unsolicited: ResumableStream
  /** Maps the id of each pending request to the response to its POST. */
  readonly #posts = new Map<Id, PostResponse>()
  /** The time of the client's or the server's last message, in ms of `performance.now()`. */
  #lastHeard = performance.now()
  #idleTimer: NodeJS.Timeout | undefined
  #initializeId: Id | undefined
  #closing = false

  constructor(options: SessionOptions) {
    super(options.id, options.log)
    this.#headers = { [headerNames.sessionId]: options.id }
    this.#limits = withDefaults(options)
    this.#log = options.log ?? silent
    const { maxReplay, sessionTimeout, streamAfter } = this.#limits
    this.deadlines = new DeadlineQueue(streamAfter)
    this.#store = new ReplayStore({
      maxSize: maxReplay,
      log: this.#log,
      onRefused: (response) => this.receive(response)
    })
    this.#unsolicited = this.#store.createStream()
    if (sessionTimeout > 0) this.#idleTimer = setTimeout(this.#checkIdle, sessionTimeout)
    // `finish` means that the server has ended the session.
    this.once('finish', () => this.destroy())
  }

  /**
   * Takes a POST of the client. A POST without a request gets the status 202, as soon as the
   * transport has room for the next POST.
   *
   * @throws ProxyError `ERR_REQUEST` if a pending request has the same id
   * @throws ProxyError `ERR_CLOSED` for a request after `close()`
   */
  post(response: ServerResponse, { frames, batch }: Body, accept: Accept): void {
    const requests = frames.every(isRequest) ? frames : frames.filter(isRequest)
    if (this.#closing && requests.length > 0) {
      throw new ProxyError('ERR_CLOSED', 'the session is about to end')
    }
    const duplicate = requests.find(({ id }) => this.#posts.has(id as Id)) ?? findTwin(requests)
    if (duplicate !== undefined) {
      const id = JSON.stringify(duplicate.id)
      throw new ProxyError('ERR_REQUEST', `a request with the id ${id} is in flight`)
    }
    this.#lastHeard = performance.now()
    if (requests.length > 0) {
      const post = new PostResponse(this, response, requests, batch, accept)
      for (const { id } of requests) this.#posts.set(id as Id, post)
    }
    for (const frame of frames) {
      if (frame.method === methods.initialize) this.#initializeId = frame.id
      this.receive(frame)
      if (frame.method === methods.cancelled) this.#cancel(frame)
    }
    if (requests.length === 0) this.whenRoom(() => response.writeHead(202).end())
  }

  /**
   * Takes a GET of the client. With `lastEventId`, the response resumes a broken stream. Without
   * it, the response is the stream for messages that belong to no POST.
   *
   * @throws ProxyError `ERR_REQUEST` if the session does not keep the stream to resume
   */
  get(response: ServerResponse, lastEventId = ''): void {
    const found = this.#store.find(lastEventId)
    if (found === undefined && lastEventId !== '') {
      const message = `the stream of the event in ${headerNames.lastEventId} is not kept`
      throw new ProxyError('ERR_REQUEST', message)
    }
    this.#lastHeard = performance.now()
    response.once('close', () => (this.#lastHeard = performance.now()))
    const stream = found?.stream ?? this.#unsolicited
    const connection = this.#connect(response)
    if (found === undefined) this.#prime(connection, stream)
    stream.attach(connection, found?.number)
  }

  override close(): void {
    this.#closing = true
    const isAwaited = [...this.#posts.values()].some((post) => post.connected)
    if (!isAwaited) this.destroy()
  }

  headFor(): { status: number; headers: OutgoingHttpHeaders } {
    // If `initialize` failed, `version` is undefined and the client gets no session id.
    return { status: 200, headers: this.version === undefined ? {} : this.#headers }
  }

  openStream(response: ServerResponse): EventSink {
    const stream = this.#store.createStream()
    const connection = this.#connect(response)
    this.#prime(connection, stream)
    stream.attach(connection)
    return stream
  }

  postOnEnd(post: PostResponse): void {
    for (const { id } of post.requests) {
      if (this.#posts.get(id as Id) === post) this.#posts.delete(id as Id)
    }
    if (this.#closing) this.close()
  }

  protected override send(frame: Frame, callback: Callback): void {
    this.#lastHeard = performance.now()
    if (frame.kind === 'response') this.#respond(frame, callback)
    else (this.#postFor(frame) ?? this.#unsolicited).send(frame, callback)
  }

  override _final(callback: Callback): void {
    this.#endAll(new ProxyError('ERR_CLOSED', 'the server has ended the session'))
    callback()
  }

  override _destroy(error: Error | null, callback: DestroyCallback): void {
    clearTimeout(this.#idleTimer)
    this.deadlines.stop()
    this.#endAll(toProxyError(error, 'the session has ended'))
    this.releaseWaiting()
    callback(error)
  }

  #respond(frame: Frame, callback?: () => void): void {
    const post = this.#posts.get(frame.id as Id)
    if (post === undefined) {
      // The client has cancelled the request, or has closed the connection and cannot resume.
      this.#log.debug(`dropped a response to no pending request (id ${frame.id})`)
      return callback?.()
    }
    if (frame.id === this.#initializeId) this.#onInitialized(frame)
    post.send(frame, callback)
    // If `send` throws, the post stays for the error response.
    this.#posts.delete(frame.id as Id)
  }

  #onInitialized(frame: Frame): void {
    this.#initializeId = undefined
    const version = stringAt(frame.bytes, paths.agreedVersion)
    if (version !== undefined) this.version = version
    else this.push(null) // `initialize` failed, so the server ends, and then the session ends
  }

  // Chooses the POST for a request or a notification of the server. Returns undefined to choose the
  // GET stream.
  //
  // A progress notification goes to the POST whose request has its progress token. Another message
  // goes to the connected POST if there is exactly one. Otherwise the message goes to the GET
  // stream. If the GET stream is not connected, the message goes to the latest connected POST,
  // because all calls may wait for the response to the message. If no POST is connected either, the
  // message goes to the latest POST that the client may resume.
  #postFor(frame: Frame): PostResponse | undefined {
    const open = [...new Set(this.#posts.values())].filter((post) => post.streams)
    if (frame.progressToken !== undefined && frame.kind === 'notification') {
      const token = frame.progressToken
      return open.find((post) => post.expects(token))
    }
    const connected = open.filter((post) => post.connected)
    if (connected.length === 1) return connected[0]
    return this.#unsolicited.connected ? undefined : (connected.at(-1) ?? open.at(-1))
  }

  // Sends an error response to a cancelled request. The server may send none, and without a
  // response the POST would stay open. The client ignores the response.
  #cancel(frame: Frame): void {
    const id = idAt(frame, paths.cancelledId)
    if (id === undefined || !this.#posts.has(id)) return
    this.#respond(errorFrame(id, new ProxyError('ERR_CANCELLED', 'the call was cancelled')))
  }

  #connect(response: ServerResponse): EventStream {
    return new EventStream(response, this.#limits.keepAlive, this.#headers)
  }

  // Sends an event that has an id but no data. With this id, the client can resume the stream even
  // if the connection breaks before the first message.
  #prime(connection: EventStream, stream: ResumableStream): void {
    if (this.version === undefined || this.version < primingVersion) return
    connection.write(encodePriming(stream.lastId, this.#limits.retry))
  }

  // Destroys the session if it is idle, or else sets the timer to the earliest time at which it can
  // be idle. To set the timer again at each message would cost more.
  readonly #checkIdle = (): void => {
    const now = performance.now()
    if (this.#posts.size > 0 || this.#unsolicited.connected) this.#lastHeard = now
    const left = this.#lastHeard + this.#limits.sessionTimeout - now
    if (left <= 0) this.destroy()
    else this.#idleTimer = setTimeout(this.#checkIdle, left)
  }

  #endAll(error: ProxyError): void {
    for (const id of [...this.#posts.keys()]) this.#respond(errorFrame(id, error))
    this.#unsolicited.end()
  }
}

const isRequest = ({ kind }: Frame): boolean => kind === 'request'

/** Returns the first request that has the same id as an earlier request in the list. */
function findTwin(requests: Frame[]): Frame | undefined {
  if (requests.length === 1) return undefined
  const ids = new Set<Id | undefined>()
  return requests.find(({ id }) => ids.size === ids.add(id).size)
}
