// Serves Streamable HTTP: tells the eras apart, and gives the clients of the revisions 2025-03-26 to
// 2025-11-25 their sessions.

import type { IncomingMessage, ServerResponse } from 'node:http'
import { ProxyError } from '../errors.ts'
import type { Body } from '../framing/body.ts'
import type { Frame } from '../message/frame.ts'
import { checkInitialize } from '../message/schemas.ts'
import { headerNames } from '../protocol/headers.ts'
import { methods } from '../protocol/methods.ts'
import { batchVersion, isLegacyVersion } from '../protocol/revisions.ts'
import { SessionTransport } from './accept-session.ts'
import { allowMethods, noBatches, requireJson } from './endpoint.ts'
import type { EndpointOptions } from './endpoint.ts'
import { isModern, namesModern } from './modern-request.ts'
import type { Accept } from './post-response.ts'
import { readFrames } from './read-body.ts'
import { StatelessEndpoint } from './stateless-endpoint.ts'

export class StreamableEndpoint {
  readonly #options: EndpointOptions
  readonly #posts: StatelessEndpoint

  constructor(options: EndpointOptions) {
    this.#options = options
    this.#posts = new StatelessEndpoint(options)
  }

  /** @returns the end of a POST, whose body is yet to come */
  serve(
    request: IncomingMessage,
    response: ServerResponse,
    server: string
  ): Promise<void> | undefined {
    if (this.#options.stateless === true) allowMethods(request, response, 'POST')
    else allowMethods(request, response, 'POST', 'GET', 'DELETE')
    if (request.method === 'POST') return this.#post(request, response, server)
    const session = this.#session(request, server)
    if (request.method === 'DELETE') {
      session.destroy()
      response.writeHead(204).end()
      return undefined
    }
    if (!acceptOf(request).events) throw notAcceptable('text/event-stream')
    const lastEventId = request.headers[headerNames.lastEventId]
    session.get(response, typeof lastEventId === 'string' ? lastEventId : undefined)
    return undefined
  }

  /** Resolves when no client without a session is left, at the latest after `timeout` ms. */
  drain(timeout: number): Promise<void> {
    return this.#posts.drain(timeout)
  }

  async #post(request: IncomingMessage, response: ServerResponse, server: string): Promise<void> {
    const { headers } = request
    requireJson(request)
    const accept = acceptOf(request)
    if (!accept.json && !accept.events) throw notAcceptable('application/json, text/event-stream')
    const { stateless = false, maxMessage } = this.#options
    // Where there are no sessions, one that is named all the same is passed over.
    const inSession =
      headers[headerNames.sessionId] !== undefined && !stateless && !namesModern(headers)
    const session = inSession ? this.#session(request, server) : undefined
    if (session?.hasRoom === false) await new Promise<void>((done) => session.whenRoom(done))
    const body = await readFrames(request, maxMessage, (answer) => session?.receive(answer))
    if (isModern(headers, body)) {
      return this.#posts.serve(request, response, body, accept, { server, kind: 'modern' })
    }
    if (stateless) {
      return this.#posts.serve(request, response, body, accept, { server, kind: 'stateless' })
    }
    const initialize = body.frames.find(initializes)
    if (session !== undefined) {
      if (initialize !== undefined) throw badRequest('the session is initialized already')
      if (body.batch && session.version !== batchVersion) throw noBatches()
      // It may have ended while the body came.
      if (session.destroyed) this.#session(request, server)
      session.post(response, body, accept)
    } else if (initialize === undefined) {
      throw badRequest('name your session in Mcp-Session-Id, or initialize one')
    } else {
      this.#open(response, body, accept, initialize, server)
    }
  }

  #open(
    response: ServerResponse,
    body: Body,
    accept: Accept,
    initialize: Frame,
    server: string
  ): void {
    if (body.batch) throw badRequest('initialize must not be part of a batch')
    const fault = checkInitialize(initialize.message())
    if (fault !== undefined) throw new ProxyError('ERR_PARAMS', `initialize: ${fault}`)
    const { clients, createId, onClient } = this.#options
    clients.makeRoom()
    const id = createId()
    const session = new SessionTransport({ ...this.#options, id })
    clients.add(session, server)
    session.post(response, body, accept)
    onClient(session, { server, session: id, kind: 'session' })
  }

  #session({ headers }: IncomingMessage, server: string): SessionTransport {
    const id = headers[headerNames.sessionId]
    if (typeof id !== 'string') throw badRequest('name your session in Mcp-Session-Id')
    const session = this.#options.clients.session(id, server)
    const version = headers[headerNames.protocolVersion]
    if (typeof version === 'string' && version !== session.version && !isLegacyVersion(version)) {
      throw badRequest(`the protocol version "${version}" is not supported in a session`)
    }
    return session
  }
}

// Who names nothing takes anything. Sessions must name both types, and some name one.
function acceptOf({ headers: { accept = '*/*' } }: IncomingMessage): Accept {
  // As nearly all do.
  if (accept === 'application/json, text/event-stream') return both
  return { json: takesJson.test(accept), events: takesEvents.test(accept) }
}

const both: Accept = { json: true, events: true }

const takesJson = /(^|,)\s*(application\/(json|\*)|\*\/\*)\s*(;|,|$)/i
const takesEvents = /(^|,)\s*(text\/(event-stream|\*)|\*\/\*)\s*(;|,|$)/i

const initializes = ({ method }: Frame): boolean => method === methods.initialize

const badRequest = (message: string): ProxyError => new ProxyError('ERR_REQUEST', message)

const notAcceptable = (types: string): ProxyError =>
  new ProxyError('ERR_NOT_ACCEPTABLE', `the answer is of the type ${types}: name it in Accept`)
