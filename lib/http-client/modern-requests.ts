// The requests of the modern revision over HTTP. Each request is a separate POST. There is no
// session, and the proxy does not resume a broken stream. To cancel a request, the proxy closes the
// POST.
//
// The headers of a tool call repeat the arguments that the tool's definition names. If the server
// refuses a call because of its headers, the proxy does not know the definition, or the definition
// has changed. So the proxy lists the tools again. If the new list changes the headers of the call,
// the proxy sends the call again, but only once.

import { describe, HttpStatusError } from '../errors.ts'
import type { ProxyError } from '../errors.ts'
import { stringAt, valueText } from '../json/find-value.ts'
import type { Log } from '../log.ts'
import type { Frame } from '../message/frame.ts'
import { jsonOf } from '../message/id.ts'
import { IdMap } from '../message/id-map.ts'
import { parseFrame } from '../message/parse-frame.ts'
import { errorFrame } from '../message/refusal.ts'
import { errorCodes } from '../protocol/error-codes.ts'
import type { Id } from '../protocol/json-rpc.ts'
import { methods } from '../protocol/methods.ts'
import { mirroredMembers, mirrorHeaders } from '../protocol/mirrored-headers.ts'
import { paths } from '../protocol/paths.ts'
import { Pagination } from '../protocol/pagination.ts'
import type { Callback } from '../streams/callbacks.ts'
import type { HttpClient } from './http-client.ts'
import { readResponse } from './http-part.ts'
import type { HttpPart, HttpPartOwner } from './http-part.ts'
import { Post } from './post.ts'
import type { PostOwner } from './post.ts'
import { SendWindow } from './send-window.ts'
import { ToolList } from './tool-list.ts'

export class ModernRequests implements HttpPart, PostOwner {
  readonly client: HttpClient
  readonly log: Log
  readonly maxMessage: number
  readonly connectTimeout: number
  readonly resumes = false
  readonly sessionHeaders = {}
  readonly inSession = false
  /** Whether the server has sent a result, so that it is an MCP server. */
  hasAnswered = false
  readonly #owner: HttpPartOwner
  readonly #tools: ToolList
  /** The requests of the client without a response, by id. */
  readonly #calls = new IdMap<Post>()
  readonly #sendWindow: SendWindow
  /** The requests of the proxy itself without a response. */
  readonly #ownRequests = new Set<OwnRequest>()
  readonly #repeated = new WeakSet<Frame>()
  #lastOwnId = firstOwnId

  constructor(owner: HttpPartOwner) {
    this.#owner = owner
    this.client = owner.client
    this.log = owner.log
    this.maxMessage = owner.maxMessage
    this.connectTimeout = owner.connectTimeout
    this.#tools = new ToolList(owner.log, owner.client.name)
    this.#sendWindow = new SendWindow(owner.maxMessage)
  }

  send(frame: Frame, callback: Callback): void {
    this.#post(frame)
    this.#sendWindow.add(frame, false, callback)
  }

  /** Cancels the request with this id. Returns false if no modern request with this id waits. */
  cancel(id: Id): boolean {
    const post = this.#calls.get(id)
    if (post === undefined) return false
    this.#calls.delete(id)
    post.abort()
    this.#sendWindow.finish(post.frame)
    this.#owner.partOnSettled()
    return true
  }

  get settled(): boolean {
    return this.#calls.size === 0
  }

  stop(): void {
    for (const post of this.#calls.values) post.abort()
    for (const own of this.#ownRequests) own.abort()
    this.#calls.clear()
    this.#ownRequests.clear()
  }

  destroy(): void {
    this.stop()
    this.#sendWindow.release()
  }

  headersOf(frame: Frame): Record<string, string> {
    const tool =
      frame.method === methods.callTool ? stringAt(frame.bytes, paths.toolName) : undefined
    const params = tool === undefined ? [] : this.#tools.paramsOf(tool)
    return mirrorHeaders(frame.members(mirroredMembers(params)), params)
  }

  deliver(received: Frame): void {
    const frame = this.#calls.match(received)
    const post = frame.kind === 'response' ? this.#calls.get(frame.id as Id) : undefined
    if (post === undefined) {
      if (frame.kind !== 'response' || frame.id === undefined) this.#owner.pass(frame)
      else this.log.debug(`dropped a response to no pending request (id ${jsonOf(frame.id)})`)
      return
    }
    this.#calls.delete(post.frame.id as Id)
    post.answered = true
    this.hasAnswered ||= frame.errorCode === undefined
    const isList = post.frame.method === methods.listTools
    this.#owner.pass(isList ? this.#readTools(frame) : frame)
    this.#owner.partOnSettled()
  }

  // Does nothing. A server of the modern revision sends no requests, so it needs no error response.
  sendBack(): void {}

  postOnHeaders(post: Post): void {
    this.#sendWindow.acknowledge(post.frame)
  }

  postOnFailed(post: Post, error: ProxyError, response?: Frame): void {
    const { frame } = post
    if (this.#calls.get(frame.id as Id) !== post) {
      this.log.debug(`after the response: ${describe(error)}`)
      return
    }
    this.#sendWindow.finish(frame)
    const isMismatch =
      response?.errorCode === errorCodes.headerMismatch && frame.method === methods.callTool
    // A URL that takes no POST has no server of this revision, even if its body is a JSON-RPC
    // error.
    const isRefusal = error instanceof HttpStatusError && error.received === 405
    if (isMismatch && !this.#repeated.has(frame)) this.#repeat(frame, response)
    else
      this.deliver(
        isRefusal ? errorFrame(frame.id, error) : (response ?? errorFrame(frame.id, error))
      )
  }

  postOnEnd(post: Post): void {
    this.#sendWindow.finish(post.frame)
  }

  #readTools(response: Frame): Frame {
    return readResponse(response, this.client.name, (list) => this.#tools.read(list))
  }

  #post(frame: Frame): void {
    this.#calls.set(frame.id as Id, new Post(frame, this, frame.method === methods.discover))
  }

  /**
   * Lists the tools again, because the server refused the headers of a tool call. If the new list
   * leads to other headers, sends the call again. Otherwise the client gets the server's refusal.
   */
  #repeat(call: Frame, refusal: Frame): void {
    const before = JSON.stringify(this.headersOf(call))
    this.#repeated.add(call)
    this.#listTools(call, new Pagination(), () => {
      if (!this.#calls.has(call.id as Id)) return // the client has cancelled the call
      if (JSON.stringify(this.headersOf(call)) === before) this.deliver(refusal)
      else this.#post(call)
    })
  }

  /**
   * Requests the page of tools at `cursor` and all later pages, then calls `done`. The requests
   * carry the `_meta` of the client's `call`.
   */
  #listTools(call: Frame, pages: Pagination, done: () => void, cursor?: string): void {
    do this.#lastOwnId++
    while (this.#calls.has(this.#lastOwnId))
    const own = new OwnRequest(this, listRequest(this.#lastOwnId, call, cursor), (response) => {
      this.#ownRequests.delete(own)
      this.#readTools(response)
      const next = pages.next(stringAt(response.bytes, paths.nextCursor))
      if (next !== undefined) {
        this.#listTools(call, pages, done, next)
        return
      }
      if (pages.fault !== undefined) {
        this.log.warn(`${this.client.name}: the list of tools is cut short: ${pages.fault}`)
      }
      done()
    })
    this.#ownRequests.add(own)
  }
}

/**
 * The ids of the proxy's own requests are larger than this. A client that counts its requests does
 * not reach it soon, and an integer of 32 bits can hold it.
 */
const firstOwnId = 1_000_000

const nothing = (): void => {}

/**
 * A request of the proxy itself. It has a separate POST owner. So a client may send a request with
 * the same id meanwhile, and both get their responses.
 */
class OwnRequest implements PostOwner {
  readonly client: HttpClient
  readonly log: Log
  readonly maxMessage: number
  readonly connectTimeout: number
  readonly resumes = false
  readonly sessionHeaders = {}
  readonly inSession = false
  readonly sendBack = nothing
  readonly postOnHeaders = nothing
  readonly postOnEnd = nothing
  readonly #requests: ModernRequests
  readonly #onResponse: (response: Frame) => void
  readonly #post: Post

  constructor(requests: ModernRequests, frame: Frame, onResponse: (response: Frame) => void) {
    this.client = requests.client
    this.log = requests.log
    this.maxMessage = requests.maxMessage
    this.connectTimeout = requests.connectTimeout
    this.#requests = requests
    this.#onResponse = onResponse
    this.#post = new Post(frame, this)
  }

  abort(): void {
    this.#post.abort()
  }

  headersOf(frame: Frame): Record<string, string> {
    return this.#requests.headersOf(frame)
  }

  deliver(frame: Frame): void {
    const isResponse = frame.kind === 'response' && frame.id === this.#post.frame.id
    if (!isResponse) this.#requests.deliver(frame)
    else if (!this.#post.answered) {
      this.#post.answered = true
      this.#onResponse(frame)
    }
  }

  postOnFailed({ frame }: Post, error: ProxyError, response?: Frame): void {
    this.deliver(response ?? errorFrame(frame.id, error))
  }
}

/**
 * Returns a `tools/list` request. It joins JSON text, because `JSON.stringify` would overflow the
 * stack if `_meta` is deeply nested.
 */
function listRequest(id: number, call: Frame, cursor: string | undefined): Frame {
  const meta = valueText(call.bytes, ['params', '_meta'])
  const page = cursor === undefined ? '' : `,"cursor":${JSON.stringify(cursor)}`
  const params = `{"_meta":${meta}${page}}`
  const text = `{"jsonrpc":"2.0","id":${id},"method":"${methods.listTools}","params":${params}}`
  return parseFrame(Buffer.from(text))
}
