// One frame on its way to a server over Streamable HTTP, and the answer to it: a POST, and when its
// event stream breaks, the GETs that take it up again.

import type { IncomingHttpHeaders } from 'node:http'
import { ProxyError } from '../errors.ts'
import type { HttpStatusError } from '../errors.ts'
import { BodyParser, parseBody } from '../framing/body.ts'
import { JsonSequenceParser } from '../framing/json-sequence.ts'
import { makeFrame, parseFrame } from '../message/frame.ts'
import type { Frame } from '../message/frame.ts'
import { headerNames } from '../protocol/headers.ts'
import type { Id } from '../protocol/json-rpc.ts'
import { EventReader } from './event-reader.ts'
import type { EventsOwner } from './event-reader.ts'
import { GetStream } from './get-stream.ts'
import type { GetOwner } from './get-stream.ts'
import { Excerpt, isEventStream } from './http-client.ts'
import type { HttpClient, HttpExchange, ReplyHandler } from './http-client.ts'

/** What a POST needs of the transport that makes it, and tells it. */
export interface PostOwner extends EventsOwner {
  /** The headers that a frame is sent with. */
  headersOf(frame: Frame): Record<string, string>
  /** The server has received the frame: the first that was heard of it. */
  postOnReply(post: Post, headers: IncomingHttpHeaders): void
  /** The server has forgotten the session; `undelivered` if it did so without a look at the frame. */
  postOnRefused(post: Post, undelivered: boolean): void
  /** The frame will not be answered. `response` says so in the server's own words, if it had any. */
  postOnFailed(post: Post, error: ProxyError, response?: Frame): void
  /** Nothing more will come of it. */
  postOnEnd(post: Post): void
}

/** How often in a row a stream that broke is asked for in vain before its request fails. */
const maxFailures = 5

export class Post implements ReplyHandler, GetOwner {
  readonly frame: Frame
  readonly client: HttpClient
  /** Set by the owner when the response has come, on whichever stream. */
  answered = false
  readonly #owner: PostOwner
  readonly #exchange: HttpExchange
  #status = 0
  #accepted = false
  /** A JSON answer whose end is known, or one that may be several. */
  #whole: BodyParser | undefined
  #values: JsonSequenceParser | undefined
  #events: EventReader | undefined
  #excerpt: Excerpt | undefined
  #get: GetStream | undefined

  /** @param timeout milliseconds in which something must be heard of the frame (0: any) */
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

  /** Nobody waits for the answer any longer. */
  abort(): void {
    this.#exchange.abort()
    this.#get?.stop()
  }

  onReply(status: number, headers: IncomingHttpHeaders): void {
    const isRequest = this.frame.kind === 'request'
    this.#status = status
    this.#owner.postOnReply(this, headers)
    if (status === 404 && this.#inSession) {
      this.abort()
      this.#owner.postOnRefused(this, true)
    } else if (status >= 300) {
      this.#excerpt = new Excerpt()
    } else if (isRequest && isEventStream(headers)) {
      this.#events = new EventReader(this.#owner)
      this.#events.begin()
    } else if (!isRequest || status === 202) {
      // Whatever body there is says nothing: many call it JSON, and empty it is not even that. The
      // response to a request comes on another stream.
      this.#accepted = true
      this.#owner.postOnEnd(this)
    } else if (/^application\/json\b/i.test(headers['content-type'] ?? '')) {
      const { maxMessage } = this.#owner
      if (headers['content-length'] !== undefined) this.#whole = new BodyParser(maxMessage)
      else this.#values = this.#valueParser()
    } else {
      this.#excerpt = new Excerpt()
    }
  }

  onData(chunk: Buffer): void {
    try {
      this.#whole?.feed(chunk)
      this.#values?.feed(chunk)
    } catch (error) {
      this.abort()
      this.#fail(error as ProxyError)
      return
    }
    this.#events?.feed(chunk)
    this.#excerpt?.feed(chunk)
  }

  onEnd(): void {
    if (this.#events !== undefined) this.#eventsOnEnd(this.#events)
    else if (this.#excerpt !== undefined) this.#refusal(this.#excerpt)
    else if (!this.#accepted) this.#bodyOnEnd()
  }

  onError(error: ProxyError): void {
    if (this.#events !== undefined) this.#eventsOnEnd(this.#events, error)
    else if (this.#whole !== undefined) this.#cutOff(this.#whole, error)
    else if (!this.#accepted) this.#fail(error)
  }

  getOnRefused(error: HttpStatusError): void {
    // The frame itself was taken long before: nobody may send it again.
    if (error.received === 404 && this.#inSession) this.#owner.postOnRefused(this, false)
    else this.#fail(error)
  }

  getOnEnd(cause?: ProxyError): boolean {
    if (this.answered) {
      this.#owner.postOnEnd(this)
      return false
    }
    const { resumable, failures, fault } = this.#events as EventReader
    if (resumable && failures < maxFailures && fault === undefined) return true
    const message = `${this.client.name} ended the stream before the answer came`
    this.#fail(new ProxyError('ERR_CONNECTION', message, { cause: fault ?? cause }))
    return false
  }

  get #inSession(): boolean {
    return this.#owner.sessionHeaders()[headerNames.sessionId] !== undefined
  }

  // The stream may end before the response comes: then it is to be taken up where it broke.
  #eventsOnEnd(events: EventReader, cause?: ProxyError): void {
    if (!this.getOnEnd(cause)) return
    this.#get = new GetStream(this, events)
    this.#get.openLater()
  }

  #onValue(bytes: Buffer): void {
    let frames: Frame[]
    try {
      ;({ frames } = parseBody(bytes))
    } catch (cause) {
      const message = `${this.client.name} answered with what is not a message`
      throw new ProxyError('ERR_HTTP_ANSWER', message, { cause })
    }
    for (const frame of frames) this.#owner.deliver(frame)
  }

  // It is one value, as a rule, and then it need not be looked for.
  #readWhole(whole: BodyParser): void {
    const bytes = whole.end()
    let frames: Frame[]
    try {
      ;({ frames } = parseBody(bytes))
    } catch {
      const values = this.#valueParser()
      values.feed(bytes)
      values.end()
      return
    }
    for (const frame of frames) this.#owner.deliver(frame)
  }

  // All that was said may have come.
  #cutOff(whole: BodyParser, error: ProxyError): void {
    this.#read(() => this.#valueParser().feed(whole.end()), error)
  }

  #valueParser(): JsonSequenceParser {
    return new JsonSequenceParser(this.#owner.maxMessage, (bytes) => this.#onValue(bytes))
  }

  #bodyOnEnd(): void {
    const message = `${this.client.name} answered without a response to the request`
    const read = (): void => {
      if (this.#whole === undefined) this.#values?.end()
      else this.#readWhole(this.#whole)
    }
    this.#read(read, new ProxyError('ERR_HTTP_ANSWER', message))
  }

  /** @param error what is told if the response is not in what is read */
  #read(read: () => void, error: ProxyError): void {
    try {
      read()
    } catch (fault) {
      this.#fail(fault as ProxyError)
      return
    }
    if (this.answered) this.#owner.postOnEnd(this)
    else this.#fail(error)
  }

  // Not served. A server that says why in a JSON-RPC error is given the word.
  #refusal(excerpt: Excerpt): void {
    this.#fail(excerpt.error(this.client.name, this.#status), this.#wordsOf(excerpt.bytes))
  }

  #wordsOf(bytes: Buffer): Frame | undefined {
    const { id } = this.frame
    try {
      const response = parseFrame(bytes)
      const { error } = response.message()
      if (error === undefined) return undefined
      return response.id === id ? response : makeFrame({ jsonrpc: '2.0', id: id as Id, error })
    } catch {
      return undefined // a page for people, or nothing: the status has to do
    }
  }

  #fail(error: ProxyError, response?: Frame): void {
    this.#owner.postOnFailed(this, error, response)
  }
}
