// The transport to a server over Streamable HTTP, as in the revisions with sessions (2025-03-26 to
// 2025-11-25). Each frame written is a POST; what is read comes in the answers to them, as JSON or as
// an event stream, and on the stream of a GET.

import type { IncomingHttpHeaders } from 'node:http'
import { Duplex } from 'node:stream'
import { ProxyError, describe } from '../errors.ts'
import { errorFrame } from '../frame.ts'
import type { Frame, Id } from '../frame.ts'
import { limits } from '../limits.ts'
import { silent } from '../log.ts'
import type { Log } from '../log.ts'
import { checkInitializeResult } from '../schema/index.ts'
import { failAfterReading } from './fail.ts'
import { HttpClient, HttpStatusError, SessionUnknownError } from './http-client.ts'
import type { HttpClientOptions } from './http-client.ts'
import { Get } from './http-get.ts'
import type { GetOwner } from './http-get.ts'
import { Post } from './http-post.ts'
import type { PostOwner } from './http-post.ts'
import type { Callback, DestroyCallback } from './types.ts'

export interface HttpOptions extends Omit<HttpClientOptions, 'url'> {
  url: URL | string
  /** The largest message taken from the server, in bytes (64 MiB; 0: any). */
  maxMessage?: number | undefined
  /** Milliseconds in which the server must confirm the end of the session (5000). */
  closeTimeout?: number | undefined
  /** Destroys the transport. */
  signal?: AbortSignal | undefined
  log?: Log | undefined
}

/**
 * Gives the transport to the server at a URL (Streamable HTTP, 2025-11-25 and before).
 *
 * A request that fails gets an error response, and the transport goes on; only the failure of the
 * first one destroys it, and a session that the server has forgotten. `end()` waits for the answers still
 * owed, then ends the session with a DELETE.
 *
 * Errors: `ERR_CONNECTION`, `ERR_HTTP_STATUS`, `ERR_HTTP_ANSWER`, `ERR_AUTHORIZATION`,
 * `ERR_SESSION_UNKNOWN`.
 */
export function connectHttp(options: HttpOptions): HttpTransport {
  return new HttpTransport(options)
}

/** How long frames under way may take to be refused like the first one, in milliseconds. */
const refusalTime = 500

export class HttpTransport extends Duplex implements PostOwner, GetOwner {
  readonly client: HttpClient
  readonly log: Log
  readonly maxMessage: number
  readonly #closeTimeout: number
  /** Requests without a response, whichever stream it will come on. */
  readonly #calls = new Map<Id, Post>()
  readonly #posts = new Set<Post>()
  /** Posts that nothing has been heard of, and the sum of their bytes. */
  readonly #unheard = new Set<Post>()
  #unheardBytes = 0
  /** Goes on with writing when `post` has come to its end, or else when enough has been heard of. */
  #writing: { post: Post | undefined; callback: Callback } | undefined
  /** The first request: until it is answered there may be no session, or no server at all. */
  #opening: Post | undefined
  #requests = 0
  #session: string | undefined
  #version: string | undefined
  #get: Get | undefined
  /** The frames that the server refused because it has forgotten the session. */
  #refused: Frame[] | undefined
  #timer: NodeJS.Timeout | undefined
  #whenSettled: (() => void) | undefined

  constructor(options: HttpOptions) {
    super({ objectMode: true, ...(options.signal && { signal: options.signal }) })
    this.client = new HttpClient({ ...options, url: new URL(options.url) })
    this.log = options.log ?? silent
    this.maxMessage = options.maxMessage ?? limits.maxMessage
    this.#closeTimeout = options.closeTimeout ?? limits.closeTimeout
  }

  override _read(): void {
    this.client.resume()
  }

  override _write(frame: Frame, _encoding: BufferEncoding, callback: Callback): void {
    if (this.#refused !== undefined) {
      this.#refused.push(frame)
      callback()
      return
    }
    const post = new Post(frame, this)
    this.#posts.add(post)
    this.#unheard.add(post)
    this.#unheardBytes += frame.bytes.length
    if (frame.kind === 'request') this.#calls.set(frame.id as Id, post)
    if (frame.kind === 'request' && this.#requests++ === 0) this.#opening = post
    // What is no request is answered at once, and must be there before what follows; so must the
    // session. Requests may take their time, as long as the server can be seen to take them.
    const waits = frame.kind !== 'request' || post === this.#opening
    this.#writing = { post: waits ? post : undefined, callback }
    this.#goOn()
  }

  override _final(callback: Callback): void {
    this.#whenSettled = () => {
      this.#get?.stop()
      void this.#endSession().then(() => {
        this.push(null)
        callback()
      })
    }
    this.#settle()
  }

  override _destroy(error: Error | null, callback: DestroyCallback): void {
    clearTimeout(this.#timer)
    this.#get?.stop()
    for (const post of this.#posts) post.abort()
    const { callback: onWritten } = this.#writing ?? {}
    this.#writing = undefined
    onWritten?.(error ?? new ProxyError('ERR_CLOSED', 'the transport was destroyed'))
    void this.#endSession()
      .then(() => this.client.destroy())
      .then(() => callback(error))
  }

  sessionHeaders(): Record<string, string> {
    return {
      ...(this.#session !== undefined && { 'mcp-session-id': this.#session }),
      ...(this.#version !== undefined && { 'mcp-protocol-version': this.#version })
    }
  }

  deliver(frame: Frame): void {
    if (frame.kind === 'response' && frame.id !== undefined) this.#onResponse(frame, frame.id)
    if (!this.push(frame)) this.client.pause()
    this.#settle()
  }

  answer(frame: Frame): void {
    this.#posts.add(new Post(frame, this))
  }

  postOnReply(post: Post, headers: IncomingHttpHeaders): void {
    if (post === this.#opening) {
      const session = headers['mcp-session-id']
      if (typeof session === 'string') this.#session = session
    }
    this.#heard(post)
  }

  postOnRefused(post: Post): void {
    this.#calls.delete(post.frame.id as Id)
    this.#forgotten([post.frame])
    this.postOnEnd(post)
  }

  getOnRefused(): void {
    this.#forgotten([])
  }

  postOnFailed(post: Post, error: ProxyError, response?: Frame): void {
    const { id, kind } = post.frame
    // A page that is not there has no say in what the request means (nor has one for other methods).
    const isElsewhere = error instanceof HttpStatusError && [404, 405].includes(error.received)
    if (post === this.#opening && (response === undefined || isElsewhere)) {
      this.#posts.delete(post)
      failAfterReading(this, error)
      return
    }
    if (kind !== 'request') this.log.warn(`a ${kind} was not taken: ${describe(error)}`)
    else if (this.#calls.get(id as Id) === post) this.deliver(response ?? errorFrame(id, error))
    this.postOnEnd(post)
  }

  postOnEnd(post: Post): void {
    this.#posts.delete(post)
    this.#heard(post)
    if (this.#writing?.post === post) this.#writing.post = undefined
    const { method } = post.frame
    if (method === 'notifications/cancelled') this.#cancel(post.frame)
    if (method === 'notifications/initialized' && !this.writableEnded) this.#get ??= new Get(this)
    this.#goOn()
    this.#settle()
  }

  #onResponse(frame: Frame, id: Id): void {
    const post = this.#calls.get(id)
    if (post === undefined) return
    this.#calls.delete(id)
    post.answered = true
    if (post !== this.#opening) return
    this.#opening = undefined
    if (post.frame.method === 'initialize') this.#version = this.#readVersion(frame)
    if (this.#writing?.post === post) this.#writing.post = undefined
    this.#goOn()
  }

  #readVersion(frame: Frame): string | undefined {
    const message = frame.message()
    if (message.error !== undefined) return undefined
    const fault = checkInitializeResult(message)
    if (fault !== undefined) this.log.warn(`${this.client.name} answered initialize oddly: ${fault}`)
    const { protocolVersion } = Object(message.result) as { protocolVersion?: unknown }
    return typeof protocolVersion === 'string' ? protocolVersion : undefined
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

  #heard(post: Post): void {
    if (!this.#unheard.delete(post)) return
    this.#unheardBytes -= post.frame.bytes.length
    this.#goOn()
  }

  #goOn(): void {
    if (this.#writing === undefined || this.#writing.post !== undefined) return
    if (this.#unheardBytes > (this.maxMessage || Infinity)) return
    const { callback } = this.#writing
    this.#writing = undefined
    callback()
  }

  #forgotten(frames: Frame[]): void {
    if (this.#refused === undefined) {
      this.#refused = []
      this.#get?.stop()
      this.#timer = setTimeout(() => this.#giveUp(), refusalTime)
    }
    this.#refused.push(...frames)
    this.#settle()
  }

  #giveUp(): void {
    clearTimeout(this.#timer)
    for (const post of this.#posts) post.abort()
    this.#posts.clear()
    failAfterReading(this, new SessionUnknownError(this.client.name, this.#refused ?? []))
  }

  #settle(): void {
    if (this.#refused !== undefined && this.#unheard.size === 0 && this.#timer) this.#giveUp()
    if (this.#calls.size > 0 || this.#posts.size > 0) return
    const settled = this.#whenSettled
    this.#whenSettled = undefined
    settled?.()
  }

  async #endSession(): Promise<void> {
    const headers = this.sessionHeaders()
    if (this.#session === undefined || this.#refused !== undefined) return
    this.#session = undefined
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer)
        resolve()
      }
      const timer = setTimeout(done, this.#closeTimeout)
      // 405 is a server that ends its sessions itself. Whatever comes, there is nothing more to do.
      this.client.send(
        { method: 'DELETE', headers },
        { onReply: done, onData() {}, onEnd: done, onError: done }
      )
    })
  }
}
