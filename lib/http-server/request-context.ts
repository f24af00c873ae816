// One HTTP request on its way through the endpoints: the request, its response, what its URL names,
// and the JSON-RPC request in its body. The listener makes one for each HTTP request.
//
// `ClientContext` is something else: what goes with a client transport, which may live for many HTTP
// requests.

import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http'
import { ProxyError } from '../errors.ts'
import type { Frame } from '../message/frame.ts'
import { errorFrame, RefusedError } from '../message/refusal.ts'
import { answerTo } from '../message/response-to.ts'
import { headerNames } from '../protocol/headers.ts'
import { nowhere } from './routes.ts'
import type { Route } from './routes.ts'

/** Which content types the client takes in an HTTP response. */
export interface Accept {
  json: boolean
  events: boolean
}

/** The query parameter that names the session in POSTs of HTTP+SSE. */
export const sessionParam = 'session_id'

export class RequestContext {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly pathname: string
  /** What the path leads to. `nowhere` until the listener has looked. */
  route: Route = nowhere
  /** Who sends the request. Only authorization sets it. */
  principal: string | undefined
  /** The body's only message, if it is a request: an error response repeats its id. */
  rpcRequest: Frame | undefined
  readonly #query: string | undefined

  constructor(request: IncomingMessage, response: ServerResponse) {
    this.request = request
    this.response = response
    // A client that takes us for an HTTP proxy sends the whole URL.
    const url = request.url as string
    const target = url.startsWith('/') ? url : url.replace(/^[^/]*\/\/[^/?]*/, '')
    const mark = target.indexOf('?')
    this.pathname = mark === -1 ? target : target.slice(0, mark)
    this.#query = mark === -1 ? undefined : target.slice(mark + 1)
  }

  /** The name of the server in the path: `''` is the default server. */
  get server(): string {
    return this.route.server
  }

  /** The id of the session that the request names: in the query on `/messages`, else in a header. */
  get sessionId(): string | undefined {
    if (this.route.kind !== 'messages') return this.header(headerNames.sessionId)
    return new URLSearchParams(this.#query).get(sessionParam) ?? undefined
  }

  /** A request without the header `Accept` takes everything. */
  get accept(): Accept {
    const { accept = '*/*' } = this.request.headers
    // Nearly all clients send these words.
    if (accept === 'application/json, text/event-stream') return both
    return { json: takesJson.test(accept), events: takesEvents.test(accept) }
  }

  /** The value of a header, by its name in lower case. */
  header(name: string): string | undefined {
    const value = this.request.headers[name]
    return typeof value === 'string' ? value : undefined
  }

  /** @throws ProxyError `ERR_METHOD_NOT_ALLOWED`; the response then names the allowed methods */
  allowMethods(...methods: string[]): void {
    const { method } = this.request
    if (methods.includes(method as string)) return
    this.response.setHeader('allow', methods.join(', '))
    const message = `${method} is not allowed here: use ${methods.join(', ')}`
    throw new ProxyError('ERR_METHOD_NOT_ALLOWED', message)
  }

  /**
   * Refuses every body that is not JSON. A web page cannot send JSON to another origin without a
   * preflight, which the origin policy checks.
   *
   * @throws ProxyError `ERR_MEDIA_TYPE`
   */
  requireJson(): void {
    const { 'content-type': type = '' } = this.request.headers
    if (type === 'application/json' || /^application\/json\s*(;|$)/i.test(type)) return
    throw new ProxyError('ERR_MEDIA_TYPE', `send application/json, not "${type}"`)
  }

  /**
   * Sends an error as an HTTP response: its status, and a JSON-RPC error response as the body. Does
   * nothing if a response has begun.
   */
  sendError(error: ProxyError): void {
    const { response } = this
    if (response.headersSent || response.destroyed) return
    const { bytes } = this.#errorResponse(error)
    const headers: OutgoingHttpHeaders = {
      'content-type': 'application/json',
      'content-length': bytes.length
    }
    if (error.status === 503) headers['retry-after'] = '10'
    response.writeHead(error.status, headers).end(bytes)
  }

  #errorResponse(error: ProxyError): Frame {
    if (this.rpcRequest !== undefined) return answerTo(this.rpcRequest, errorFrame(0, error))
    // The id of a refused response is the server's. The client would take it for one of its own.
    const envelope = error instanceof RefusedError ? error.envelope : undefined
    return errorFrame(envelope?.kind === 'request' ? envelope.id : undefined, error)
  }
}

const both: Accept = { json: true, events: true }

const takesJson = /(^|,)\s*(application\/(json|\*)|\*\/\*)\s*(;|,|$)/i
const takesEvents = /(^|,)\s*(text\/(event-stream|\*)|\*\/\*)\s*(;|,|$)/i
