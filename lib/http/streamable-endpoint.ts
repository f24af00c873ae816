// Serves Streamable HTTP: with sessions as the revisions 2025-03-26 to 2025-11-25 have them, or, if
// so asked, without.

import type { IncomingMessage, ServerResponse } from 'node:http'
import { ProxyError } from '../errors.ts'
import type { Frame } from '../frame.ts'
import { parseBody } from '../framing/body.ts'
import type { Body } from '../framing/body.ts'
import { isLegacyVersion } from '../protocol.ts'
import { checkInitialize } from '../schema/index.ts'
import { PostTransport } from '../transports/accept-post.ts'
import { SessionTransport } from '../transports/accept-session.ts'
import type { Accept } from '../transports/exchange.ts'
import { readBody } from './body.ts'
import { allowMethods, requireJson } from './endpoint.ts'
import type { EndpointOptions } from './endpoint.ts'

/** The one revision that has batches. */
const batchVersion = '2025-03-26'

export class StreamableEndpoint {
  readonly #options: EndpointOptions
  /** The clients without a session. */
  readonly #posts = new Set<PostTransport>()

  constructor(options: EndpointOptions) {
    this.#options = options
  }

  async serve(request: IncomingMessage, response: ServerResponse, server: string): Promise<void> {
    const { stateless = false } = this.#options
    if (stateless) allowMethods(request, response, 'POST')
    else allowMethods(request, response, 'POST', 'GET', 'DELETE')
    if (stateless) return this.#postAlone(request, response, server)
    if (request.method === 'POST') return this.#post(request, response, server)
    const session = this.#session(request, server)
    if (request.method === 'DELETE') {
      session.destroy()
      response.writeHead(204).end()
      return
    }
    if (!acceptOf(request).events) throw notAcceptable('text/event-stream')
    const lastEventId = request.headers['last-event-id']
    session.get(response, typeof lastEventId === 'string' ? lastEventId : undefined)
  }

  /** Resolves when no client without a session is left, at the latest after `timeout` ms. */
  async drain(timeout: number): Promise<void> {
    const posts = [...this.#posts]
    const closed = posts.map((post) => new Promise((resolve) => post.once('close', resolve)))
    const timer = setTimeout(() => {
      for (const post of posts) post.destroy()
    }, timeout)
    await Promise.all(closed)
    clearTimeout(timer)
  }

  async #post(request: IncomingMessage, response: ServerResponse, server: string): Promise<void> {
    requireJson(request)
    const accept = acceptOf(request)
    if (!accept.json && !accept.events) throw notAcceptable('application/json, text/event-stream')
    const named = request.headers['mcp-session-id'] !== undefined
    const session = named ? this.#session(request, server) : undefined
    if (session !== undefined) await new Promise<void>((resolve) => session.whenRoom(resolve))
    const body = parseBody(await readBody(request, this.#options.maxMessage))
    const initialize = body.frames.find((frame) => frame.method === 'initialize')
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
    onClient(session, { server, session: id, uninitialized: false })
  }

  // Without sessions each POST is a client of its own, which has said nothing before.
  async #postAlone(
    request: IncomingMessage,
    response: ServerResponse,
    server: string
  ): Promise<void> {
    requireJson(request)
    const accept = acceptOf(request)
    if (!accept.json && !accept.events) throw notAcceptable('application/json, text/event-stream')
    const body = parseBody(await readBody(request, this.#options.maxMessage))
    if (body.batch) throw noBatches()
    // Nothing is there that a notification could mean something to.
    const [frame] = body.frames
    if (frame?.kind !== 'request') {
      response.writeHead(202).end()
      return
    }
    const { createId, keepAlive, streamAfter, onClient } = this.#options
    const client = new PostTransport({ response, body, accept, keepAlive, streamAfter })
    this.#posts.add(client)
    client.once('close', () => this.#posts.delete(client))
    const uninitialized = frame.method !== 'initialize'
    onClient(client, { server, session: createId(), uninitialized })
  }

  #session({ headers }: IncomingMessage, server: string): SessionTransport {
    const id = headers['mcp-session-id']
    if (typeof id !== 'string') throw badRequest('name your session in Mcp-Session-Id')
    const session = this.#options.clients.session(id, server)
    const version = headers['mcp-protocol-version']
    if (typeof version === 'string' && version !== session.version && !isLegacyVersion(version)) {
      throw badRequest(`the protocol version "${version}" is not supported in a session`)
    }
    return session
  }
}

// Who names nothing takes anything. Clients must name both types, and some name one.
function acceptOf({ headers: { accept = '*/*' } }: IncomingMessage): Accept {
  const any = /(^|,)\s*\*\/\*/.test(accept)
  return {
    json: any || /(^|,)\s*application\/(json|\*)/i.test(accept),
    events: any || /(^|,)\s*text\/(event-stream|\*)/i.test(accept)
  }
}

const badRequest = (message: string): ProxyError => new ProxyError('ERR_REQUEST', message)

const noBatches = (): ProxyError => badRequest(`batches are known to revision ${batchVersion} alone`)

const notAcceptable = (types: string): ProxyError =>
  new ProxyError('ERR_NOT_ACCEPTABLE', `the answer is of the type ${types}: name it in Accept`)
