// One frame on its way to a server over Streamable HTTP, and the answer to it: a POST, and when its
// event stream breaks, the GETs that take it up again.

import type { IncomingHttpHeaders } from 'node:http'
import { ProxyError } from '../errors.ts'
import { makeFrame, refuse } from '../frame.ts'
import type { Frame, Message } from '../frame.ts'
import { BodyParser, parseBody } from '../framing/body.ts'
import { SseParser } from '../framing/sse.ts'
import { limits } from '../limits.ts'
import { isEnvelope } from '../schema/index.ts'
import { Excerpt } from './http-client.ts'
import type { Exchange, HttpClient, ReplyHandler } from './http-client.ts'

/** What a POST needs of the transport that makes it, and tells it. */
export interface PostOwner {
  readonly client: HttpClient
  readonly maxMessage: number
  /** The headers that name the session and the revision. */
  sessionHeaders(): Record<string, string>
  /** The server has received the frame: the first that was heard of it. */
  postOnReply(post: Post, headers: IncomingHttpHeaders): void
  /** The server has forgotten the session, and not looked at the frame. */
  postOnRefused(post: Post): void
  /** A frame came in the answer. */
  deliver(frame: Frame): void
  /** A frame of the proxy's own must go to the server. */
  answer(frame: Frame): void
  /** The frame will not be answered. `response` says so in the server's own words, if it had any. */
  postOnFailed(post: Post, error: ProxyError, response?: Frame): void
  /** Nothing more will come of it. */
  postOnEnd(post: Post): void
}

/** How often a stream that broke is asked for again before its request fails. */
const maxResumptions = 5

export class Post implements ReplyHandler {
  readonly frame: Frame
  /** Set by the owner when the response has come, on whichever stream. */
  answered = false
  readonly #owner: PostOwner
  #exchange: Exchange
  #status = 0
  #body: BodyParser | undefined
  #events: SseParser | undefined
  #excerpt: Excerpt | undefined
  #lastEventId: string | undefined
  #retry = limits.retry
  #resumptions = 0
  #timer: NodeJS.Timeout | undefined

  constructor(frame: Frame, owner: PostOwner) {
    this.frame = frame
    this.#owner = owner
    this.#exchange = owner.client.send(
      {
        method: 'POST',
        headers: {
          accept: 'application/json, text/event-stream',
          'content-type': 'application/json',
          ...owner.sessionHeaders()
        },
        body: frame.bytes
      },
      this
    )
  }

  /** Nobody waits for the answer any longer. */
  abort(): void {
    clearTimeout(this.#timer)
    this.#exchange.abort()
  }

  onReply(status: number, headers: IncomingHttpHeaders): void {
    this.#owner.postOnReply(this, headers)
    if (status === 404 && this.#owner.sessionHeaders()['mcp-session-id'] !== undefined) {
      this.abort()
      this.#owner.postOnRefused(this)
      return
    }
    const type = headers['content-type'] ?? ''
    this.#status = status
    if (status >= 300) this.#excerpt = new Excerpt()
    else if (/^text\/event-stream\b/i.test(type)) this.#events = this.#eventParser()
    else if (/^application\/json\b/i.test(type)) this.#body = new BodyParser(this.#owner.maxMessage)
    else if (status !== 202 && this.frame.kind === 'request') this.#excerpt = new Excerpt()
  }

  onData(chunk: Buffer): void {
    try {
      this.#body?.feed(chunk)
    } catch (error) {
      this.abort()
      this.#fail(error as ProxyError)
      return
    }
    this.#events?.feed(chunk)
    this.#excerpt?.feed(chunk)
  }

  onEnd(): void {
    if (this.#events !== undefined) this.#eventsOnEnd()
    else if (this.#excerpt !== undefined) this.#refusal(this.#excerpt)
    else if (this.#body !== undefined) this.#bodyOnEnd(this.#body)
    else this.#owner.postOnEnd(this)
  }

  onError(error: ProxyError): void {
    if (this.#events !== undefined) this.#eventsOnEnd(error)
    else this.#fail(error)
  }

  #eventParser(): SseParser {
    return new SseParser({
      maxMessage: this.#owner.maxMessage,
      onFrame: (frame) => this.#owner.deliver(frame),
      onInvalid: (error, envelope) => {
        // An event without data primes the stream with an id; it is no message, and no fault.
        const { back, onward } = refuse(error, envelope)
        if (onward !== undefined) this.#owner.deliver(onward)
        if (back !== undefined) this.#owner.answer(back)
      },
      onId: (id) => (this.#lastEventId = id),
      onRetry: (time) => (this.#retry = time)
    })
  }

  #bodyOnEnd(body: BodyParser): void {
    try {
      for (const frame of parseBody(body.end()).frames) this.#owner.deliver(frame)
    } catch (error) {
      this.#fail(error as ProxyError)
      return
    }
    this.#unlessAnswered('answered without a response to the request')
  }

  // The stream may end before the response comes: then it is to be taken up where it broke.
  #eventsOnEnd(cause?: ProxyError): void {
    if (this.answered || this.frame.kind !== 'request') return this.#owner.postOnEnd(this)
    if (this.#lastEventId === undefined || this.#resumptions++ >= maxResumptions) {
      const message = `${this.#owner.client.name} ended the stream before the answer came`
      return this.#fail(new ProxyError('ERR_CONNECTION', message, { cause }))
    }
    const lastEventId = this.#lastEventId
    this.#timer = setTimeout(() => {
      const headers = {
        accept: 'text/event-stream',
        'last-event-id': lastEventId,
        ...this.#owner.sessionHeaders()
      }
      this.#exchange = this.#owner.client.send({ method: 'GET', headers }, this)
    }, this.#retry)
  }

  // Not served. A server that says why in a JSON-RPC error is given the word.
  #refusal(excerpt: Excerpt): void {
    const error = excerpt.error(this.#owner.client.name, this.#status)
    this.#fail(error, this.#wordsOf(excerpt.text))
  }

  #wordsOf(text: string): Frame | undefined {
    const { id } = this.frame
    try {
      const message: unknown = JSON.parse(text)
      if (id === undefined || !isEnvelope(message)) return undefined
      const { error } = message as Message
      return error && makeFrame({ jsonrpc: '2.0', id, error })
    } catch {
      return undefined // a page for people, or nothing: the status has to do
    }
  }

  #unlessAnswered(message: string): void {
    if (this.answered || this.frame.kind !== 'request') return this.#owner.postOnEnd(this)
    this.#fail(new ProxyError('ERR_HTTP_ANSWER', `${this.#owner.client.name} ${message}`))
  }

  #fail(error: ProxyError, response?: Frame): void {
    this.#owner.postOnFailed(this, error, response)
  }
}

