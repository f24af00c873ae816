// A `RequestContext` holds one HTTP request, its response, the parts of its URL, and the JSON-RPC
// request in its body. The listener makes a `RequestContext` for each HTTP request.
//
// A `ClientContext` is different: it describes a client, which may send many HTTP requests.

import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http'
import { ProxyError } from '../errors.ts'
import type { Frame } from '../message/frame.ts'
import { RefusedError } from '../message/refusal.ts'
import { answerTo } from '../message/response-to.ts'
import { headerNames } from '../protocol/headers.ts'
import type { RefusalFact } from '../streams/facts.ts'
import { quote } from '../text.ts'
import { CallerLimitError } from './callers/caller.ts'
import type { Caller } from './callers/caller.ts'
import { clientErrorFrame } from './client-error.ts'
import { hasLongRest } from './request/drop-rest.ts'
import type { HttpResponse } from './request/http-response.ts'
import { nowhere } from './routes.ts'
import type { Route } from './routes.ts'
import { writeHead } from './write-head.ts'

/** The content types that the client accepts in an HTTP response: JSON and event streams. */
export interface Accept {
  json: boolean
  events: boolean
}

/** The query parameter with the id of the session, in the URL of the POSTs of HTTP+SSE. */
export const sessionParam = 'session_id'

export class RequestContext {
  readonly request: IncomingMessage
  readonly response: HttpResponse
  readonly pathname: string
  /** The route of the path. It is `nowhere` until the listener has found the route. */
  route: Route = nowhere
  /** The principal of the request's token. Without authorization, it is `undefined`. */
  principal: string | undefined
  /** The address of the client. It is `''` until the listener has found it. */
  address = ''
  /** The caller that sends the request. It is `undefined` until the listener has found it. */
  caller: Caller | undefined
  /** The JSON-RPC request, if the body is a single request. An error response repeats its id. */
  rpcRequest: Frame | undefined
  /** The messages in the body, if the body is a batch. */
  batch: readonly Frame[] | undefined
  /** Gives back the memory that is reserved for the body. More calls have no effect. */
  releaseBody: () => void = nothing
  #awaitsContinue: boolean
  readonly #query: string | undefined

  constructor(request: IncomingMessage, response: HttpResponse) {
    this.request = request
    this.response = response
    // A client that uses this listener as its HTTP proxy sends a full URL instead of a path.
    const url = request.url as string
    const target = url.startsWith('/') ? url : url.replace(/^[^/]*\/\/[^/?]*/, '')
    const mark = target.indexOf('?')
    this.pathname = mark === -1 ? target : target.slice(0, mark)
    this.#awaitsContinue = request.headers.expect?.toLowerCase() === '100-continue'
    this.#query = mark === -1 ? undefined : target.slice(mark + 1)
  }

  /** Whether the client waits for the status 100 before it sends the body. */
  get awaitsContinue(): boolean {
    return this.#awaitsContinue
  }

  /** Whether memory is reserved for the body. */
  get hasReservation(): boolean {
    return this.releaseBody !== nothing
  }

  /** The name of the server in the path. `''` is the default server. */
  get server(): string {
    return this.route.server
  }

  /**
   * The id of the session: in the URL's query if the path is `/messages`, otherwise in a header.
   */
  get sessionId(): string | undefined {
    if (this.route.kind !== 'messages') return this.header(headerNames.sessionId)
    return new URLSearchParams(this.#query).get(sessionParam) ?? undefined
  }

  /** The accepted types. A request without the header `Accept` accepts all types. */
  get accept(): Accept {
    const { accept = '*/*' } = this.request.headers
    // Nearly all clients send exactly this text, so comparing it saves time.
    if (accept === 'application/json, text/event-stream') return both
    return { json: takesJson.test(accept), events: takesEvents.test(accept) }
  }

  /** Returns the value of a header. The name must be in lower case. */
  header(name: string): string | undefined {
    const value = this.request.headers[name]
    return typeof value === 'string' ? value : undefined
  }

  /**
   * Refuses a request whose HTTP method is not in `methods`. The header `Allow` lists `methods`.
   *
   * @throws ProxyError `ERR_METHOD_NOT_ALLOWED`
   */
  allowMethods(...methods: string[]): void {
    const { method } = this.request
    if (methods.includes(method as string)) return
    this.response.setHeader('allow', methods.join(', '))
    const message = `${method} is not allowed here: use ${methods.join(', ')}`
    throw new ProxyError('ERR_METHOD_NOT_ALLOWED', message)
  }

  /**
   * Refuses every body whose content type is not JSON. Before a web page may send JSON to another
   * origin, the browser sends a preflight request, and the origin policy checks the preflight.
   *
   * @throws ProxyError `ERR_MEDIA_TYPE`
   */
  requireJson(): void {
    const { 'content-type': type = '' } = this.request.headers
    if (type === 'application/json' || /^application\/json\s*(;|$)/i.test(type)) return
    throw new ProxyError('ERR_MEDIA_TYPE', `send application/json, not ${quote(type)}`)
  }

  /** Must be called when the proxy starts to read the body. */
  startBody(): void {
    if (!this.#awaitsContinue) return
    this.#awaitsContinue = false
    this.response.writeContinue()
  }

  /**
   * Sends an HTTP response with the status of the error and a JSON-RPC error response as the body.
   * Does nothing if the HTTP response has already begun.
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
    if (error instanceof CallerLimitError) headers['retry-after'] = String(error.retryAfter)
    // The client may now send its body or may not, so the next bytes would have no clear meaning.
    const lingers = !this.#awaitsContinue && hasLongRest(this.request)
    if (this.#awaitsContinue || lingers) headers.connection = 'close'
    writeHead(response, error.status, headers)
    if (!lingers) {
      response.end(bytes)
      return
    }
    // The client gets all of the response now. `end` would close the connection at once.
    response.write(bytes)
    this.request.once('close', () => response.end())
  }

  /** What facts say about the request when the listener refuses it. */
  refusal(error: ProxyError): RefusalFact {
    const { address, pathname: path, principal, sessionId: session } = this
    const { rpcRequest: frame, batch } = this
    const { method: httpMethod } = this.request
    const server = this.route === nowhere ? undefined : this.server
    return { error, address, httpMethod, path, server, principal, session, frame, batch }
  }

  #errorResponse(error: ProxyError): Frame {
    if (this.rpcRequest !== undefined) return answerTo(this.rpcRequest, clientErrorFrame(0, error))
    // A refused response has an id of the server. The client would read it as the id of a request
    // that it sent, so this repeats only the id of a request.
    const envelope = error instanceof RefusedError ? error.envelope : undefined
    return clientErrorFrame(envelope?.kind === 'request' ? envelope.id : undefined, error)
  }
}

const nothing = (): void => {}

const both: Accept = { json: true, events: true }

const takesJson = /(^|,)\s*(application\/(json|\*)|\*\/\*)\s*(;|,|$)/i
const takesEvents = /(^|,)\s*(text\/(event-stream|\*)|\*\/\*)\s*(;|,|$)/i
