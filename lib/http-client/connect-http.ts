// The transport to a server over Streamable HTTP, with sessions as the revisions 2025-03-26 to
// 2025-11-25 have them; requests of the modern revision go their own way. Each frame written is a
// POST; what is read comes in the answers to them, as JSON or as an event stream, and on the stream of
// a GET.

import type { IncomingHttpHeaders } from 'node:http'
import { addAbortSignal, Duplex } from 'node:stream'
import { describe, HttpStatusError, ProxyError } from '../errors.ts'
import { limits } from '../limits.ts'
import { silent } from '../log.ts'
import type { Log } from '../log.ts'
import { errorFrame } from '../message/frame.ts'
import type { Frame } from '../message/frame.ts'
import { checkInitializeResult } from '../message/schemas.ts'
import { headerNames } from '../protocol/headers.ts'
import type { Id } from '../protocol/json-rpc.ts'
import { methods } from '../protocol/methods.ts'
import { isModernVersion } from '../protocol/revisions.ts'
import type { Callback, DestroyCallback } from '../streams/callbacks.ts'
import { failAfterReading } from '../streams/fail-after-reading.ts'
import { EventReader } from './event-reader.ts'
import { GetStream } from './get-stream.ts'
import type { GetOwner } from './get-stream.ts'
import { HttpClient, SessionUnknownError } from './http-client.ts'
import type { HttpClientOptions } from './http-client.ts'
import { ModernRequests } from './modern-requests.ts'
import { Post } from './post.ts'
import type { PostOwner } from './post.ts'
import { SendWindow } from './send-window.ts'

export interface HttpOptions extends Omit<HttpClientOptions, 'url'> {
  url: URL | string
  /** The largest message taken from the server, in bytes (64 MiB; 0: any). */
  maxMessage?: number | undefined
  /** Milliseconds until a connection must be there, and then the first answer (30 000; 0: any). */
  connectTimeout?: number | undefined
  /** Milliseconds in which the server must confirm the end of the session (5000; 0: any). */
  closeTimeout?: number | undefined
  /** Destroys the transport. */
  signal?: AbortSignal | undefined
  log?: Log | undefined
}

/**
 * Gives the transport to the server at a URL (Streamable HTTP, 2025-03-26 and later). What is said in
 * the modern revision (2026-07-28) needs no session, and can be mixed with what does.
 *
 * A request that fails gets an error response, and the transport goes on; only the failure of the
 * first one or of `initialize` destroys it, and a session that the server has forgotten. `end()` waits
 * for the answers still owed, then ends the session with a DELETE.
 *
 * Errors: `ERR_CONNECTION`, `ERR_HTTP_STATUS`, `ERR_HTTP_ANSWER`, `ERR_TOKEN`, `ERR_TIMEOUT`,
 * `ERR_SESSION_UNKNOWN`.
 */
export function connectHttp(options: HttpOptions): HttpTransport {
  return new HttpTransport(options)
}

/** How long frames under way may take to be refused like the first one, in milliseconds. */
const refusalTime = 500

export class HttpTransport extends Duplex implements PostOwner, GetOwner {
  readonly resumes = true
  readonly client: HttpClient
  readonly log: Log
  readonly maxMessage: number
  readonly #connectTimeout: number
  readonly #closeTimeout: number
  /** Requests without a response, whichever stream it will come on. */
  readonly #calls = new Map<Id, Post>()
  readonly #posts = new Set<Post>()
  readonly #sendWindow: SendWindow
  readonly #modern: ModernRequests
  /** A request has been written. */
  #begun = false
  /** The first request: until it is answered there may be no session, or no server at all. */
  #opening: Post | undefined
  #session: string | undefined
  #version: string | undefined
  /** What the server says unsolicited. */
  readonly #events = new EventReader(this)
  readonly #get = new GetStream(this, this.#events)
  #listening = false
  /** Set when the server has forgotten the session, with what it refused because of that. */
  #forgotten: SessionUnknownError | undefined
  #timer: NodeJS.Timeout | undefined
  #whenSettled: (() => void) | undefined
  #sessionEnd: Promise<void> | undefined

  constructor(options: HttpOptions) {
    super({ objectMode: true })
    this.client = new HttpClient({ ...options, url: new URL(options.url) })
    this.log = options.log ?? silent
    this.maxMessage = options.maxMessage ?? limits.maxMessage
    this.#connectTimeout = options.connectTimeout ?? limits.connectTimeout
    this.#closeTimeout = options.closeTimeout ?? limits.closeTimeout
    this.#sendWindow = new SendWindow(this.maxMessage)
    this.#modern = new ModernRequests(this)
    // Last of all, since a signal may have been given already.
    if (options.signal) addAbortSignal(options.signal, this)
  }

  override _read(): void {
    this.client.resume()
  }

  override _write(frame: Frame, _encoding: BufferEncoding, callback: Callback): void {
    if (this.#takesAsModern(frame, callback)) return
    if (this.#forgotten !== undefined) {
      this.#forgotten.undelivered.push(frame)
      callback()
      return
    }
    const isRequest = frame.kind === 'request'
    const opens = isRequest && (!this.#begun || frame.method === methods.initialize)
    const post = new Post(frame, this, opens ? this.#connectTimeout : 0)
    this.#posts.add(post)
    if (isRequest) this.#calls.set(frame.id as Id, post)
    if (opens) this.#opening = post
    this.#begun ||= opens
    this.#sendWindow.sent(frame, opens || !isRequest, callback)
  }

  override _final(callback: Callback): void {
    this.#whenSettled = () => {
      this.#stop()
      void this.#endSession().then(() => {
        this.push(null)
        callback()
      })
    }
    this.#settle()
  }

  override _destroy(error: Error | null, callback: DestroyCallback): void {
    this.#stop()
    // Only of a server that there turned out not to be is it known that it never had the frame.
    const closed = error ?? new ProxyError('ERR_CLOSED', 'the transport was destroyed')
    this.#sendWindow.stop(this.#opening && closed)
    void this.#endSession()
      .then(() => this.client.destroy())
      .then(() => callback(error))
  }

  sessionHeaders(): Record<string, string> {
    return {
      ...(this.#session !== undefined && { [headerNames.sessionId]: this.#session }),
      ...(this.#version !== undefined && { [headerNames.protocolVersion]: this.#version })
    }
  }

  headersOf(): Record<string, string> {
    return this.sessionHeaders()
  }

  deliver(frame: Frame): void {
    if (frame.kind === 'response' && frame.id !== undefined) this.#onResponse(frame, frame.id)
    this.pass(frame)
  }

  pass(frame: Frame): void {
    if (!this.push(frame)) this.client.pause()
    this.#settle()
  }

  answer(frame: Frame): void {
    this.#posts.add(new Post(frame, this))
  }

  postOnReply(post: Post, headers: IncomingHttpHeaders): void {
    const session = headers[headerNames.sessionId]
    if (post === this.#opening && typeof session === 'string') this.#session = session
    this.#sendWindow.heard(post.frame)
  }

  postOnRefused(post: Post, undelivered: boolean): void {
    this.#forget(undelivered ? [post.frame] : [])
    this.postOnEnd(post)
  }

  postOnFailed(post: Post, error: ProxyError, response?: Frame): void {
    const { id, kind } = post.frame
    // A page that is not there has no say in what the request means (nor has one for other methods).
    const isElsewhere = error instanceof HttpStatusError && [404, 405].includes(error.received)
    if (post === this.#opening && (response === undefined || isElsewhere)) {
      this.#fail(error)
      return
    }
    if (kind !== 'request') this.log.warn(`a ${kind} was not taken: ${describe(error)}`)
    else if (this.#calls.get(id as Id) === post) this.deliver(response ?? errorFrame(id, error))
    this.postOnEnd(post)
  }

  postOnEnd(post: Post): void {
    const { frame } = post
    this.#posts.delete(post)
    if (frame.method === methods.cancelled) this.#cancel(frame)
    if (frame.method === methods.initialized) this.#listen()
    this.#sendWindow.done(frame)
    this.#settle()
  }

  getOnRefused(error: HttpStatusError): void {
    // 405 is how a server says that it offers no stream, and others mean the same, less clearly. But
    // where there has been one, 404 is about the session.
    const inSession = this.#session !== undefined && this.#events.begun
    if (error.received === 404 && inSession) this.#forget([])
    else this.log.debug(`no stream on GET: ${describe(error)}`)
  }

  getOnEnd(error?: ProxyError): boolean {
    if (error !== undefined) this.log.debug(describe(error))
    return true
  }

  // Each frame says itself of which era it is, except the one that cancels another.
  #takesAsModern(frame: Frame, callback: Callback): boolean {
    if (frame.kind === 'request' && isModernVersion(frame.protocolVersion)) {
      this.#modern.send(frame, callback)
      return true
    }
    if (frame.method !== methods.cancelled) return false
    if (!this.#modern.cancel(frame.message().params?.requestId as Id)) return false
    callback()
    this.#settle()
    return true
  }

  #onResponse(frame: Frame, id: Id): void {
    const post = this.#calls.get(id)
    if (post === undefined) return
    this.#calls.delete(id)
    post.answered = true
    if (post !== this.#opening) return
    this.#opening = undefined
    if (post.frame.method === methods.initialize) this.#version = this.#readVersion(frame)
    this.#sendWindow.done(post.frame)
  }

  #readVersion(frame: Frame): string | undefined {
    const message = frame.message()
    if (message.error !== undefined) return undefined
    const fault = checkInitializeResult(message)
    if (fault !== undefined)
      this.log.warn(`${this.client.name} answered initialize oddly: ${fault}`)
    const { protocolVersion } = Object(message.result) as { protocolVersion?: unknown }
    return typeof protocolVersion === 'string' ? protocolVersion : undefined
  }

  // Who will say no more need not be told either what nobody has asked for.
  #listen(): void {
    if (this.#listening || this.writableEnded || this.#forgotten !== undefined) return
    this.#listening = true
    this.#get.open()
  }

  // The server need not answer any more, and many never end the stream of what was cancelled.
  #cancel(frame: Frame): void {
    const id = frame.message().params?.requestId as Id
    const post = this.#calls.get(id)
    if (post === undefined) return
    this.#calls.delete(id)
    post.abort()
    this.postOnEnd(post)
  }

  #forget(frames: Frame[]): void {
    if (this.#forgotten === undefined) {
      const error = new SessionUnknownError(this.client.name)
      this.#forgotten = error
      this.#get.stop()
      this.#timer = setTimeout(() => this.#fail(error), refusalTime)
    }
    this.#forgotten.undelivered.push(...frames)
    this.#settle()
  }

  #fail(error: ProxyError): void {
    this.#stop()
    failAfterReading(this, error)
  }

  /** Nothing more is to come. */
  #stop(): void {
    clearTimeout(this.#timer)
    this.#get.stop()
    this.#modern.stop()
    for (const post of this.#posts) post.abort()
    this.#posts.clear()
  }

  #settle(): void {
    if (this.#forgotten !== undefined) {
      if (this.#sendWindow.allHeard) this.#fail(this.#forgotten)
      return
    }
    if (this.#calls.size > 0 || this.#modern.size > 0) return
    // Servers may leave a stream open on which all has been said.
    for (const post of this.#posts) if (!post.answered) return
    const settled = this.#whenSettled
    this.#whenSettled = undefined
    settled?.()
  }

  #endSession(): Promise<void> {
    if (this.#session === undefined || this.#forgotten !== undefined) return Promise.resolve()
    return (this.#sessionEnd ??= new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer)
        resolve()
      }
      const timer = this.#closeTimeout > 0 ? setTimeout(done, this.#closeTimeout) : undefined
      // 405 is a server that ends its sessions itself. Whatever comes, there is nothing more to do.
      this.client.send(
        { method: 'DELETE', headers: this.sessionHeaders() },
        { onReply: done, onData() {}, onEnd: done, onError: done }
      )
    }))
  }
}
