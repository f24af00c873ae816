// This endpoint serves Streamable HTTP at /mcp. It passes each POST of the modern revision to the
// `StatelessEndpoint`. In the revisions 2025-03-26 to 2025-11-25, a POST with `initialize` opens a
// session, and every other HTTP request names its session in a header.

import { ProxyError } from '../errors.ts'
import type { Body } from '../framing/body.ts'
import type { LimitOptions } from '../limits.ts'
import type { Log } from '../log.ts'
import type { Frame } from '../message/frame.ts'
import { checkInitialize } from '../message/schemas.ts'
import { headerNames, sessionIdHeader } from '../protocol/headers.ts'
import { methods } from '../protocol/methods.ts'
import { batchVersion, isLegacyVersion } from '../protocol/revisions.ts'
import { quote } from '../text.ts'
import { SessionTransport } from './session/accept-session.ts'
import { isModern, namesModern } from './check-modern-request.ts'
import type { BodyReader } from './request/read-body.ts'
import type { RequestContext } from './request-context.ts'
import type { Sessions } from './sessions.ts'
import { StatelessEndpoint } from './stateless-endpoint.ts'
import type { StatelessEndpointOptions } from './stateless-endpoint.ts'

/** The limits in these options apply to each session. */
export interface StreamableEndpointOptions extends StatelessEndpointOptions, LimitOptions {
  sessions: Sessions
  bodies: BodyReader
  /** Serves each POST as a new client, without sessions. */
  stateless?: boolean | undefined
  log: Log
}

export class StreamableEndpoint {
  readonly #options: StreamableEndpointOptions
  readonly #stateless: StatelessEndpoint

  constructor(options: StreamableEndpointOptions) {
    this.#options = options
    this.#stateless = new StatelessEndpoint(options)
  }

  /** Serves an HTTP request. Returns a promise for a POST, because its body must be read first. */
  serve(context: RequestContext): Promise<void> | undefined {
    const { method } = context.request
    if (this.#options.stateless === true) context.allowMethods('POST')
    else context.allowMethods('POST', 'GET', 'DELETE')
    if (method === 'POST') return this.#post(context)
    const session = this.#session(context)
    if (method === 'DELETE') {
      session.destroy()
      context.response.writeHead(204).end()
      return undefined
    }
    if (!context.accept.events) throw notAcceptable('text/event-stream')
    session.get(context.response, context.header(headerNames.lastEventId))
    return undefined
  }

  /** Resolves when all clients without a session have ended, after `timeout` ms at the latest. */
  drain(timeout: number): Promise<void> {
    return this.#stateless.drain(timeout)
  }

  async #post(context: RequestContext): Promise<void> {
    context.requireJson()
    const { headers } = context.request
    const { accept } = context
    if (!accept.json && !accept.events) throw notAcceptable('application/json, text/event-stream')
    const { stateless = false, bodies } = this.#options
    // A stateless listener and the modern revision have no sessions, so they ignore the session
    // header.
    const inSession = context.sessionId !== undefined && !stateless && !namesModern(headers)
    const session = inSession ? this.#session(context) : undefined
    session?.noteRequest(context.response)
    const body = await bodies.readFrames(context, session, session?.version === batchVersion)
    if (isModern(headers, body)) return this.#stateless.serve(context, body, 'modern')
    if (stateless) return this.#stateless.serve(context, body, 'stateless')
    const initialize = body.frames.find(isInitialize)
    if (session === undefined) {
      if (initialize === undefined) throw badRequest(`${unnamed}, or initialize a session`)
      this.#open(context, body, initialize)
      return
    }
    if (initialize !== undefined) throw badRequest('the session is initialized already')
    // The session may have ended while the body came. In this case, `#session` throws.
    if (session.destroyed) this.#session(context)
    session.post(context.response, body, accept)
  }

  #open(context: RequestContext, body: Body, initialize: Frame): void {
    const fault = checkInitialize(initialize.message())
    if (fault !== undefined) throw new ProxyError('ERR_PARAMS', `${methods.initialize}: ${fault}`)
    const { sessions, onClient } = this.#options
    const { response, accept, server, principal } = context
    const id = sessions.createId()
    const session = new SessionTransport({ ...this.#options, id })
    sessions.add(session, server, principal)
    session.noteRequest(response)
    session.post(response, body, accept)
    onClient(session, { server, session: id, kind: 'session', principal })
  }

  #session(context: RequestContext): SessionTransport {
    const { sessionId, server, principal } = context
    if (sessionId === undefined) throw badRequest(unnamed)
    const session = this.#options.sessions.session(sessionId, server, principal)
    const version = context.header(headerNames.protocolVersion)
    if (version !== undefined && version !== session.version && !isLegacyVersion(version)) {
      throw badRequest(`the protocol version ${quote(version)} is not supported in a session`)
    }
    return session
  }
}

const unnamed = `name your session in ${sessionIdHeader}`

const isInitialize = ({ method }: Frame): boolean => method === methods.initialize

const badRequest = (message: string): ProxyError => new ProxyError('ERR_REQUEST', message)

const notAcceptable = (types: string): ProxyError =>
  new ProxyError('ERR_NOT_ACCEPTABLE', `the response is of the type ${types}: name it in Accept`)
