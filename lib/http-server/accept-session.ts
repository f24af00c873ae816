// The transport to a client over Streamable HTTP with a session (2025-03-26 to 2025-11-25). It lives
// from the POST that initializes to the DELETE, or until nothing has been heard for long. The client's
// POSTs and GETs come from the listener; here it is decided on which of them each message goes back.

import type { OutgoingHttpHeaders, ServerResponse } from 'node:http'
import { Duplex } from 'node:stream'
import { ProxyError } from '../errors.ts'
import type { Body } from '../framing/body.ts'
import { encodePriming } from '../framing/sse.ts'
import { withDefaults } from '../limits.ts'
import type { LimitOptions, Limits } from '../limits.ts'
import { silent } from '../log.ts'
import type { Log } from '../log.ts'
import type { Frame } from '../message/frame.ts'
import { errorFrame } from '../message/refusal.ts'
import { headerNames } from '../protocol/headers.ts'
import type { Id } from '../protocol/json-rpc.ts'
import { methods } from '../protocol/methods.ts'
import { primingVersion } from '../protocol/revisions.ts'
import type { Callback, DestroyCallback } from '../streams/callbacks.ts'
import { DeadlineQueue } from '../streams/deadline-queue.ts'
import { EventStream } from './event-stream.ts'
import type { EventSink } from './event-stream.ts'
import { PostResponse } from './post-response.ts'
import type { Accept, PostResponseOwner } from './post-response.ts'
import { ReplayStore } from './replay.ts'
import type { ResumableStream } from './replay.ts'

export interface SessionOptions extends LimitOptions {
  /** The session's id: visible ASCII, and not to be guessed. */
  id: string
  log?: Log | undefined
}

export class SessionTransport extends Duplex implements PostResponseOwner {
  readonly id: string
  /** The revision that was agreed on, once the server has answered `initialize`. */
  version: string | undefined
  readonly deadlines: DeadlineQueue
  readonly #headers: OutgoingHttpHeaders
  readonly #limits: Limits
  readonly #log: Log
  readonly #store: ReplayStore
  /** Carries what belongs to no POST: the stream of a GET. */
  readonly #unsolicited: ResumableStream
  /** The posts that there are, by the ids of the requests that wait for an answer. */
  readonly #posts = new Map<Id, PostResponse>()
  /** When there was traffic, as `performance.now()` has it. */
  #lastHeard = performance.now()
  #idle: NodeJS.Timeout | undefined
  #initializeId: Id | undefined
  #waitingForRoom: (() => void)[] = []
  #full = false
  #closing = false

  constructor(options: SessionOptions) {
    super({ objectMode: true })
    this.id = options.id
    this.#headers = { [headerNames.sessionId]: options.id }
    this.#limits = withDefaults(options)
    this.#log = options.log ?? silent
    const { maxReplay, sessionTimeout, streamAfter } = this.#limits
    this.deadlines = new DeadlineQueue(streamAfter)
    this.#store = new ReplayStore({
      maxSize: maxReplay,
      log: this.#log,
      onRefused: (answer) => this.receive(answer)
    })
    this.#unsolicited = this.#store.createStream()
    if (sessionTimeout > 0) this.#idle = setTimeout(this.#timeOut, sessionTimeout)
    // Without a server there is nothing more to be had here.
    this.once('finish', () => this.destroy())
  }

  /** The client's next frame can be taken. */
  get hasRoom(): boolean {
    return !this.#full || this.destroyed
  }

  /** Calls back when the client's next frame can be taken. */
  whenRoom(callback: () => void): void {
    if (this.hasRoom) callback()
    else this.#waitingForRoom.push(callback)
  }

  /**
   * Takes a POST. Frames without a request among them are acknowledged with 202 when there is room
   * for more.
   *
   * @throws ProxyError `ERR_REQUEST` for an id that is in use, `ERR_CLOSED` for requests that come
   * after `close()`
   */
  post(response: ServerResponse, { frames, batch }: Body, accept: Accept): void {
    const requests = frames.every(isRequest) ? frames : frames.filter(isRequest)
    if (this.#closing && requests.length > 0) {
      throw new ProxyError('ERR_CLOSED', 'the session is about to end')
    }
    const taken = requests.find(({ id }) => this.#posts.has(id as Id)) ?? findTwin(requests)
    if (taken !== undefined) {
      const id = JSON.stringify(taken.id)
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

  /** Takes a frame that came in no POST of its own. */
  receive(frame: Frame): void {
    if (!this.push(frame)) this.#full = true
  }

  /**
   * Takes a GET: opens the stream for what belongs to no POST, or goes on with one that broke.
   *
   * @throws ProxyError `ERR_REQUEST` for an event of which nothing is known any more
   */
  get(response: ServerResponse, lastEventId = ''): void {
    const found = this.#store.find(lastEventId)
    if (found === undefined && lastEventId !== '') {
      throw new ProxyError('ERR_REQUEST', 'the stream of the event in Last-Event-ID is not kept')
    }
    this.#lastHeard = performance.now()
    response.once('close', () => (this.#lastHeard = performance.now()))
    const channel = found?.stream ?? this.#unsolicited
    const stream = this.#openStream(response)
    if (found === undefined) this.#prime(stream, channel)
    channel.attach(stream, found?.number)
  }

  /** Takes no more requests, and ends when those in flight have been answered. */
  close(): void {
    this.#closing = true
    if (this.#posts.size === 0) this.destroy()
  }

  headOf(): { status: number; headers: OutgoingHttpHeaders } {
    // An initialization that failed has made no session.
    return { status: 200, headers: this.version === undefined ? {} : this.#headers }
  }

  openStream(response: ServerResponse): EventSink {
    const channel = this.#store.createStream()
    const stream = this.#openStream(response)
    this.#prime(stream, channel)
    channel.attach(stream)
    return channel
  }

  postOnEnd(post: PostResponse): void {
    for (const { id } of post.requests) {
      if (this.#posts.get(id as Id) === post) this.#posts.delete(id as Id)
    }
    if (this.#closing) this.close()
  }

  override _read(): void {
    this.#full = false
    for (const goOn of this.#waitingForRoom.splice(0)) goOn()
  }

  override _write(frame: Frame, _encoding: BufferEncoding, callback: Callback): void {
    this.#lastHeard = performance.now()
    if (frame.kind === 'response') this.#answer(frame, callback)
    else (this.#postFor(frame) ?? this.#unsolicited).send(frame, callback)
  }

  override _final(callback: Callback): void {
    this.#endAll(new ProxyError('ERR_CLOSED', 'the server has ended the session'))
    callback()
  }

  override _destroy(error: Error | null, callback: DestroyCallback): void {
    clearTimeout(this.#idle)
    this.deadlines.stop()
    this.#endAll(
      error instanceof ProxyError ? error : new ProxyError('ERR_CLOSED', 'the session has ended')
    )
    this._read()
    callback(error)
  }

  #answer(frame: Frame, callback?: () => void): void {
    const post = this.#posts.get(frame.id as Id)
    if (post === undefined) {
      // To what was cancelled, or to a client that went away without a way back.
      this.#log.debug(`an answer came that nobody waits for (id ${frame.id})`)
      return callback?.()
    }
    this.#posts.delete(frame.id as Id)
    if (frame.id === this.#initializeId) this.#onInitialized(frame)
    post.send(frame, callback)
  }

  #onInitialized(frame: Frame): void {
    this.#initializeId = undefined
    const { result } = frame.message()
    const { protocolVersion } = Object(result) as { protocolVersion?: unknown }
    if (typeof protocolVersion === 'string') this.version = protocolVersion
    else this.push(null) // there is no session: the server may go, and tell why
  }

  // Progress belongs to its call. Anything else belongs to the call in flight if there is just one.
  // With several it goes where messages without a call go, but rather on any of the calls than
  // nowhere: what the server asks is perhaps what they all wait for. Where somebody listens now comes
  // before where somebody may come back.
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

  #cancel(frame: Frame): void {
    const id = frame.message().params?.requestId as Id
    if (!this.#posts.has(id)) return
    // The server need not answer what was cancelled, but the POST needs an end. The client ignores
    // what it says.
    this.#answer(errorFrame(id, new ProxyError('ERR_CANCELLED', 'the call was cancelled')))
  }

  #openStream(response: ServerResponse): EventStream {
    return new EventStream(response, this.#limits.keepAlive, this.#headers)
  }

  // Gives the client an id to come back with before there is any event (2025-11-25).
  #prime(stream: EventStream, channel: ResumableStream): void {
    if (this.version === undefined || this.version < primingVersion) return
    stream.write(encodePriming(channel.lastId, this.#limits.retry))
  }

  // To set the timer anew at each message would cost more than to see now and then how long ago it was.
  readonly #timeOut = (): void => {
    const now = performance.now()
    if (this.#posts.size > 0 || this.#unsolicited.connected) this.#lastHeard = now
    const left = this.#lastHeard + this.#limits.sessionTimeout - now
    if (left <= 0) this.destroy()
    else this.#idle = setTimeout(this.#timeOut, left)
  }

  #endAll(error: ProxyError): void {
    for (const id of [...this.#posts.keys()]) this.#answer(errorFrame(id, error))
    this.#unsolicited.end()
  }
}

const isRequest = ({ kind }: Frame): boolean => kind === 'request'

/** A request that has the id of one before it. */
function findTwin(requests: Frame[]): Frame | undefined {
  if (requests.length === 1) return undefined
  const ids = new Set<Id | undefined>()
  return requests.find(({ id }) => ids.size === ids.add(id).size)
}
