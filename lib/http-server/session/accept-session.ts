// The transport to a client of Streamable HTTP with a session (revisions 2025-03-26 to 2025-11-25).
// A session lasts from the POST with `initialize` until the client's DELETE, or until the
// `SessionClock` finds that the client has abandoned it. The endpoint gives the client's POSTs and
// GETs to the transport. For each message of the server, `_write` and `#postFor` choose the HTTP
// response that carries the message.
//
// While the client has no connection for a message, the message goes to the `ReplayStore`. When the
// store is full, the transport takes no more messages until the client connects again, so the
// server has to wait. But if a connected client waits for a response, the store drops its oldest
// messages.

import type { OutgoingHttpHeaders, ServerResponse } from 'node:http'
import { ProxyError, toProxyError } from '../../errors.ts'
import type { Body } from '../../framing/body.ts'
import { encodePriming } from '../../framing/sse.ts'
import { stringAt } from '../../json/find-value.ts'
import { limits } from '../../limits.ts'
import type { LimitOptions } from '../../limits.ts'
import type { Log } from '../../log.ts'
import { ClientRequests, describeDropped } from '../../message/client-requests.ts'
import type { CallCounter } from '../../message/client-requests.ts'
import { idAt } from '../../message/frame.ts'
import type { Frame } from '../../message/frame.ts'
import { errorFrame } from '../../message/refusal.ts'
import { headerNames } from '../../protocol/headers.ts'
import type { Id } from '../../protocol/json-rpc.ts'
import { methods } from '../../protocol/methods.ts'
import { paths } from '../../protocol/paths.ts'
import { primingVersion } from '../../protocol/revisions.ts'
import type { Callback, DestroyCallback } from '../../streams/callbacks.ts'
import { DeadlineQueue } from '../../streams/deadline-queue.ts'
import { publishMessage } from '../../streams/facts.ts'
import type { FactClient } from '../../streams/facts.ts'
import { aboutToEnd, ClientTransport } from '../client-transport.ts'
import { EventStream } from '../event-stream.ts'
import type { EventSink } from '../event-stream.ts'
import { PostResponse } from '../post-response.ts'
import type { PostResponseOwner } from '../post-response.ts'
import { OpenPosts } from './open-posts.ts'
import { ReplayStore } from './replay-store.ts'
import type { ResumableStream } from './replay-store.ts'
import { SessionClock } from './session-clock.ts'
import type { HttpResponse } from '../request/http-response.ts'
import type { Accept } from '../request-context.ts'
import { writeHead } from '../write-head.ts'

export interface SessionOptions extends Pick<
  LimitOptions,
  'keepAlive' | 'retry' | 'maxReplay' | 'sessionTimeout' | 'detachedTimeout'
> {
  /** The session's id, in visible ASCII. Whoever guesses it can take over the session. */
  id: string
  /** What facts say about the client (default: its id alone). */
  client?: FactClient | undefined
  /** Decides when the HTTP response to a POST becomes an event stream (default: never). */
  deadlines?: DeadlineQueue | undefined
  /** Counts the requests in flight (default: nothing counts them). */
  calls?: CallCounter | undefined
  log?: Log | undefined
}

export class SessionTransport extends ClientTransport implements PostResponseOwner {
  /** The negotiated revision. `undefined` until the server has responded to `initialize`. */
  version: string | undefined
  readonly deadlines: DeadlineQueue
  readonly #headers: OutgoingHttpHeaders
  readonly #keepAlive: number
  readonly #retry: number
  readonly #store: ReplayStore
  /** The event stream of the client's GET. It carries the messages that belong to no POST. */
  readonly #unsolicited: ResumableStream
  /** The requests in flight. Their POSTs in `#posts` have the ids and tokens that the server got. */
  readonly #requests: ClientRequests
  readonly #posts = new OpenPosts()
  /** The POST of each event stream that is the response to a POST, until that POST is done. */
  #postOf: Map<ResumableStream, PostResponse> | undefined
  readonly #clock: SessionClock
  /** The POST with `initialize`, until its HTTP response has closed. */
  #initialize: PostResponse | undefined
  #initializeId: Id | undefined
  /** The message that waits until the client connects, because the store is full. */
  #held: { frame: Frame; callback: Callback } | undefined
  /** The HTTP response to the notification that goes to the server right now. */
  #notifying: ServerResponse | undefined
  /** Makes the error for new requests. It is set when the session is about to end. */
  #refusal: (() => ProxyError) | undefined

  constructor(options: SessionOptions) {
    const { sessionTimeout = limits.sessionTimeout, detachedTimeout = limits.detachedTimeout } =
      options
    super(options.id, options.log, options.client)
    this.#requests = new ClientRequests(options.calls)
    this.#headers = { [headerNames.sessionId]: options.id }
    this.#keepAlive = options.keepAlive ?? limits.keepAlive
    this.#retry = options.retry ?? limits.retry
    this.deadlines = options.deadlines ?? new DeadlineQueue(0)
    const onAbandoned = (): void => void this.destroy()
    this.#clock = new SessionClock({ sessionTimeout, detachedTimeout, onAbandoned })
    this.#store = new ReplayStore({
      maxSize: options.maxReplay ?? limits.maxReplay,
      log: this.log,
      onRefused: (response) => this.receive(response)
    })
    this.#unsolicited = this.#store.createStream()
    // `finish` means that the server has ended the session.
    this.once('finish', () => this.destroy())
  }

  /** Call this before the body of a POST is read. A client is present while it sends a body. */
  bodyOnBegin(): void {
    this.#clock.open()
  }

  /**
   * Must be called after `bodyOnBegin`, when the body has been read.
   *
   * @param left whether the client has disconnected in the middle of the body
   */
  bodyOnEnd(left: boolean): void {
    this.#clock.close(left)
  }

  /**
   * Takes a POST of the client. A POST without a request gets the status 202, as soon as the
   * transport has room for the next POST.
   *
   * @throws ProxyError for a request after `close()`: the one that `close` was given
   */
  post(response: HttpResponse, { frames, batch }: Body, accept: Accept): void {
    if (this.#refusal !== undefined && frames.some(isRequest)) throw this.#refusal()
    const sent = frames.map((frame) => this.#requests.toServer(frame))
    const requests = sent.every(isRequest) ? sent : sent.filter(isRequest)
    if (requests.length > 0) {
      const post = new PostResponse(this, response, requests, batch, accept)
      this.#posts.add(post)
      post.start()
      this.#clock.open()
      if (this.version === undefined && this.#initializeId === undefined) this.#initialize = post
    }
    this.#release()
    if (requests.length === 0) this.#notifying = response
    for (const frame of sent) {
      if (frame.method === methods.initialize) this.#initializeId = frame.id
      this.receive(frame)
      if (frame.method === methods.cancelled) this.#cancel(frame)
    }
    if (requests.length > 0) return
    this.#notifying = undefined
    if (!response.headersSent) this.whenRoom(() => writeHead(response, 202).end())
  }

  /**
   * Takes a GET of the client. With `lastEventId`, the response resumes a broken stream. Without
   * it, the response is the stream for messages that belong to no POST.
   *
   * @throws ProxyError `ERR_REQUEST` if the session does not keep the stream to resume
   */
  get(response: ServerResponse, lastEventId = ''): void {
    if (this.#store.hasAll(lastEventId)) {
      // The stream of a cancelled call ends without a response. This status tells the client not to
      // resume the stream again.
      writeHead(response, 204).end()
      return
    }
    const found = this.#store.find(lastEventId)
    if (found === undefined && lastEventId !== '') {
      const message = `the stream of the event in ${headerNames.lastEventId} is not kept`
      throw new ProxyError('ERR_REQUEST', message)
    }
    const stream = found?.stream ?? this.#unsolicited
    const post = this.#postOf?.get(stream)
    this.#clock.open()
    response.once('close', () => {
      this.#clock.close(!stream.ended)
      if (post !== undefined) this.#posts.update(post)
    })
    const connection = this.#connect(response)
    if (found === undefined) this.#prime(connection, stream)
    stream.attach(connection, found?.number)
    if (post !== undefined) this.#posts.update(post)
    this.#release()
  }

  override close(refusal = aboutToEnd): void {
    this.#refusal ??= refusal
    if (!this.#posts.isAwaited) this.destroy()
  }

  headFor(): { status: number; headers?: OutgoingHttpHeaders } {
    // The client gets the id with the response to `initialize`, if that has not failed. In every other
    // response, the header would cost one percent of a small call.
    const isOpening = this.#initialize !== undefined && this.version !== undefined
    return isOpening ? { status: 200, headers: this.#headers } : plainHead
  }

  openStream(response: ServerResponse, post: PostResponse): EventSink {
    const stream = this.#store.createStream()
    this.#postOf ??= new Map()
    this.#postOf.set(stream, post)
    const connection = this.#connect(response)
    this.#prime(connection, stream)
    stream.attach(connection)
    return stream
  }

  postOnEnd(post: PostResponse): void {
    if (!post.settled) for (const id of post.ids) this.#requests.abandon(id)
    this.#posts.delete(post)
    if (post.stream !== undefined) this.#postOf?.delete(post.stream as ResumableStream)
    if (this.#refusal !== undefined) this.close()
  }

  postOnClose(post: PostResponse, complete: boolean): void {
    // A client that sends nothing after `initialize` counts as one that has left.
    this.#clock.close(!complete || this.#initialize !== undefined)
    this.#posts.update(post)
    // The client has not received the id of the session, so it can never use the session.
    if (post !== this.#initialize) return
    this.#initialize = undefined
    if (!complete) this.destroy()
  }

  protected override send(frame: Frame, callback: Callback): void {
    const isResponse = frame.kind === 'response'
    if (isResponse && frame.id === undefined && this.#notifying !== undefined) {
      this.#refuseNotification(this.#notifying, frame, callback)
      return
    }
    const post = isResponse ? this.#posts.withId(frame.id as Id) : this.#postFor(frame)
    // If a connected client waits for a response, the server may send it after this message. So
    // this message must not wait.
    const mayWait = !(post ?? this.#unsolicited).connected && !this.#posts.isAwaited
    // No client waits for a response without a request, or for the progress of a cancelled one. A
    // server may send such messages without end, so the session does not read them either.
    const isDropped = (isResponse && post === undefined) || this.#requests.isLate(frame)
    if (mayWait && (isDropped || !this.#store.hasRoomFor(frame))) this.#held = { frame, callback }
    else if (isResponse) this.#respond(frame, callback)
    else if (isDropped) this.#drop(frame, callback)
    else {
      publishMessage(this.client, 'server', frame)
      ;(post ?? this.#unsolicited).send(this.#requests.restored(frame), callback)
    }
  }

  override _final(callback: Callback): void {
    this.#endAll(new ProxyError('ERR_CLOSED', 'the server has ended the session'))
    callback()
  }

  override _destroy(error: Error | null, callback: DestroyCallback): void {
    this.#clock.stop()
    this.#endAll(toProxyError(error, 'the session has ended'))
    this.releaseWaiting()
    this.#requests.end()
    this.#held?.callback(error)
    callback(error)
  }

  /** Tries again to send the message that waits for the client. */
  #release(): void {
    if (this.#held === undefined) return
    const { frame, callback } = this.#held
    this.#held = undefined
    this._write(frame, 'utf8', callback)
  }

  #respond(frame: Frame, callback?: () => void): void {
    const post = this.#posts.withId(frame.id as Id)
    if (post === undefined) return this.#drop(frame, callback)
    if (frame.id === this.#initializeId) this.#onInitialized(frame)
    publishMessage(this.client, 'server', frame)
    post.send(this.#requests.restored(frame), callback)
    // This comes last. If `send` throws, the error response still finds the POST of the request.
    this.#posts.forget(frame.id as Id)
    this.#requests.settled(frame)
  }

  // The client has cancelled the request, or has closed the connection and cannot resume.
  #drop(frame: Frame, callback?: () => void): void {
    publishMessage(this.client, 'server', frame, false)
    this.log.debug(describeDropped(frame))
    this.#requests.settled(frame)
    callback?.()
  }

  // A shared server has refused the notification before it comes to the server's process.
  #refuseNotification(response: ServerResponse, frame: Frame, callback: Callback): void {
    const { bytes } = frame
    publishMessage(this.client, 'server', frame)
    this.#notifying = undefined
    const headers = { 'content-type': 'application/json', 'content-length': bytes.length }
    writeHead(response, 400, headers).end(bytes)
    callback()
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
  // message goes to the POST that lost its client last.
  #postFor({ kind, progressToken }: Frame): PostResponse | undefined {
    if (progressToken !== undefined && kind === 'notification') {
      return this.#posts.withToken(progressToken)
    }
    return this.#posts.only ?? (this.#unsolicited.connected ? undefined : this.#posts.latest)
  }

  // A cancelled request gets no response (2025-11-25, Cancellation), so its POST may end.
  // `initialize` cannot be cancelled.
  #cancel(frame: Frame): void {
    const id = idAt(frame, paths.cancelledId)
    const post = id === undefined ? undefined : this.#posts.withId(id)
    if (id === undefined || post === undefined || id === this.#initializeId) return
    this.#posts.forget(id)
    post.cancel()
  }

  #connect(response: ServerResponse): EventStream {
    return new EventStream(response, this.#keepAlive, this.#headers)
  }

  // Sends an event that has an id but no data. With this id, the client can resume the stream even
  // if the connection breaks before the first message.
  #prime(connection: EventStream, stream: ResumableStream): void {
    if (this.version === undefined || this.version < primingVersion) return
    connection.write(encodePriming(stream.lastId, this.#retry))
  }

  #endAll(error: ProxyError): void {
    for (const id of this.#posts.ids) this.#respond(errorFrame(id, error))
    this.#unsolicited.end()
  }
}

const plainHead = { status: 200 }

const isRequest = ({ kind }: Frame): boolean => kind === 'request'
