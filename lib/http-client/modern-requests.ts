// The requests of the modern revision over HTTP (2026-07-28). Each is a POST that has nothing to do
// with any other: no session, nothing to resume. What it says of itself it says again in its headers,
// and to cancel it is to close it.

import type { ProxyError } from '../errors.ts'
import type { Log } from '../log.ts'
import { errorFrame, makeFrame } from '../message/frame.ts'
import type { Frame } from '../message/frame.ts'
import { errorCodes } from '../protocol/error-codes.ts'
import type { Id } from '../protocol/json-rpc.ts'
import { methods } from '../protocol/methods.ts'
import { mirrorHeaders } from '../protocol/mirrored-headers.ts'
import type { Callback } from '../streams/callbacks.ts'
import type { HttpClient } from './http-client.ts'
import { Post } from './post.ts'
import type { PostOwner } from './post.ts'
import { SendWindow } from './send-window.ts'
import { ToolList } from './tool-list.ts'

/** The transport that the requests are made for. */
export interface ModernOwner {
  readonly client: HttpClient
  readonly log: Log
  readonly maxMessage: number
  /** A frame has come for the client. */
  pass(frame: Frame): void
}

export class ModernRequests implements PostOwner {
  readonly client: HttpClient
  readonly log: Log
  readonly maxMessage: number
  readonly resumes = false
  readonly #owner: ModernOwner
  readonly #tools: ToolList
  readonly #calls = new Map<Id, Post>()
  readonly #sendWindow: SendWindow
  /** What waits for the answers to requests of our own. */
  readonly #own = new Map<Id, (answer: Frame) => void>()
  readonly #retried = new WeakSet<Frame>()
  #lastId = 0

  constructor(owner: ModernOwner) {
    this.#owner = owner
    this.client = owner.client
    this.log = owner.log
    this.maxMessage = owner.maxMessage
    this.#tools = new ToolList(owner.log)
    this.#sendWindow = new SendWindow(owner.maxMessage)
  }

  /** How many requests have no response yet. */
  get size(): number {
    return this.#calls.size
  }

  /** Sends a request; `callback` is called when the next frame can follow. */
  send(frame: Frame, callback: Callback): void {
    this.#post(frame)
    this.#sendWindow.sent(frame, false, callback)
  }

  /** Cancels a request. Returns whether it was one of these. */
  cancel(id: Id): boolean {
    const post = this.#calls.get(id)
    if (post === undefined) return false
    this.#calls.delete(id)
    post.abort()
    this.#sendWindow.done(post.frame)
    return true
  }

  /** Nothing more is to come. */
  stop(): void {
    for (const post of this.#calls.values()) post.abort()
    this.#calls.clear()
    this.#sendWindow.stop()
  }

  sessionHeaders(): Record<string, string> {
    return {}
  }

  headersOf(frame: Frame): Record<string, string> {
    const message = frame.message()
    const tool = frame.method === methods.callTool ? message.params?.name : undefined
    return mirrorHeaders(message, typeof tool === 'string' ? this.#tools.paramsOf(tool) : [])
  }

  deliver(frame: Frame): void {
    const post = frame.kind === 'response' ? this.#calls.get(frame.id as Id) : undefined
    if (post === undefined) return this.#owner.pass(frame)
    this.#calls.delete(post.frame.id as Id)
    post.answered = true
    const answer = post.frame.method === methods.listTools ? this.#tools.read(frame) : frame
    const own = this.#own.get(post.frame.id as Id)
    if (own === undefined) this.#owner.pass(answer)
    else own(answer)
  }

  // A server of this revision asks nothing, and is not answered.
  answer(): void {}

  postOnReply(post: Post): void {
    this.#sendWindow.heard(post.frame)
  }

  /* c8 ignore next 2 -- there is no session that could be forgotten */
  postOnRefused(): void {}

  postOnFailed(post: Post, error: ProxyError, response?: Frame): void {
    const { frame } = post
    if (this.#calls.get(frame.id as Id) !== post) return
    this.#sendWindow.done(frame)
    const isMismatch =
      response?.errorCode === errorCodes.headerMismatch && frame.method === methods.callTool
    if (isMismatch && !this.#retried.has(frame)) this.#retry(frame, response)
    else this.deliver(response ?? errorFrame(frame.id, error))
  }

  postOnEnd(post: Post): void {
    this.#sendWindow.done(post.frame)
  }

  #post(frame: Frame): void {
    this.#calls.set(frame.id as Id, new Post(frame, this))
  }

  // The tool's definition may have changed, or was never asked for.
  #retry(frame: Frame, response: Frame): void {
    const before = JSON.stringify(this.headersOf(frame))
    this.#retried.add(frame)
    this.#listTools(frame, () => {
      if (!this.#calls.has(frame.id as Id)) return // cancelled meanwhile
      if (JSON.stringify(this.headersOf(frame)) === before) this.deliver(response)
      else this.#post(frame)
    })
  }

  /** Asks for all tools, on the behalf of the client whose request is given. */
  #listTools(request: Frame, done: () => void, cursor?: unknown): void {
    const id = `mcp-proxy-tools-${++this.#lastId}`
    const { _meta } = request.message().params as Record<string, unknown>
    const params = { _meta, ...(cursor !== undefined && { cursor }) }
    this.#own.set(id, (answer) => {
      this.#own.delete(id)
      const { nextCursor } = Object(answer.message().result) as { nextCursor?: unknown }
      if (nextCursor === undefined) done()
      else this.#listTools(request, done, nextCursor)
    })
    this.#post(makeFrame({ jsonrpc: '2.0', id, method: methods.listTools, params }))
  }
}
