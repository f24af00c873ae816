// This endpoint serves Streamable HTTP at /mcp. It passes each POST of the modern revision to the
// `StatelessEndpoint`. In the revisions 2025-03-26 to 2025-11-25, a POST with `initialize` opens a
// session, and every other HTTP request names its session in a header.

import { ProxyError } from '../errors.ts'
import type { Body } from '../framing/body.ts'
import type { LimitOptions } from '../limits.ts'
import type { Log } from '../log.ts'
import type { Frame } from '../message/frame.ts'
import { headerNames, protocolVersionHeader, sessionIdHeader } from '../protocol/headers.ts'
import {
  batchVersion,
  isKnownVersion,
  isLegacyVersion,
  isModernVersion,
  legacyVersions,
  modernVersion
} from '../protocol/revisions.ts'
import { quote } from '../text.ts'
import type { ClientContext } from './client-context.ts'
import { SessionTransport } from './session/accept-session.ts'
import type { SessionOptions } from './session/accept-session.ts'
import { isModern } from './check-modern-request.ts'
import { faultOfInitialize, isInitialize } from './request/check-initialize.ts'
import type { RequestContext } from './request-context.ts'
import type { Sessions } from './sessions.ts'
import { StatelessEndpoint } from './stateless-endpoint.ts'
import type { StatelessEndpointOptions } from './stateless-endpoint.ts'
import { writeHead } from './write-head.ts'

/** The limits in these options apply to each session. */
export interface StreamableEndpointOptions extends StatelessEndpointOptions, LimitOptions {
  sessions: Sessions
  /** Serves each POST as a new client, without sessions. */
  stateless?: boolean | undefined
  log: Log
}

/** The options that all sessions have in common. */
type CommonOptions = Omit<SessionOptions, 'id' | 'client' | 'calls'>

export class StreamableEndpoint {
  readonly #options: StreamableEndpointOptions
  readonly #common: CommonOptions
  readonly #stateless: StatelessEndpoint

  constructor(options: StreamableEndpointOptions) {
    this.#options = options
    // A copy of all options for each session would take 10 KiB of memory until it is collected.
    const { log, sessions, keepAlive, retry, maxReplay, sessionTimeout, detachedTimeout } = options
    const { deadlines } = sessions
    const limits = { keepAlive, retry, maxReplay, sessionTimeout, detachedTimeout }
    this.#common = { log, deadlines, ...limits } satisfies Record<keyof CommonOptions, unknown>
    this.#stateless = new StatelessEndpoint(options)
  }

  /** Serves an HTTP request. Returns a promise for a POST, because its body must be read first. */
  serve(context: RequestContext): Promise<void> | undefined {
    const { method } = context.request
    if (method === 'POST') return this.#post(context)
    const isModern = versionIn(context) === modernVersion
    if (this.#options.stateless === true || isModern) context.allowMethods('POST')
    else context.allowMethods('POST', 'GET', 'DELETE')
    const session = this.#session(context)
    if (method === 'DELETE') {
      session.destroy()
      writeHead(context.response, 204).end()
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

  /** Resolves when all clients of these servers without a session have ended. */
  endThoseOf(servers: ReadonlySet<string>): Promise<void> {
    return this.#stateless.endThoseOf(servers)
  }

  #post(context: RequestContext): Promise<void> {
    context.requireJson()
    const { accept } = context
    if (!accept.json && !accept.events) throw notAcceptable('application/json, text/event-stream')
    const session = this.#sessionOfPost(context)
    const { bodies } = this.#options
    session?.bodyOnBegin()
    return bodies.readFrames(context, session, session?.version === batchVersion).then(
      (body) => {
        session?.bodyOnEnd(context.response.destroyed)
        return this.#serveBody(context, session, body)
      },
      (error: unknown) => {
        session?.bodyOnEnd(context.response.destroyed)
        throw error
      }
    )
  }

  #serveBody(
    context: RequestContext,
    session: SessionTransport | undefined,
    body: Body
  ): Promise<void> | undefined {
    if (session === undefined) refuseUnknownVersion(versionIn(context), body)
    // In a session the header names a version that the session may use.
    if (isModern(session === undefined ? context.request.headers : {}, body)) {
      return this.#stateless.serve(context, body, 'modern')
    }
    const { stateless = false } = this.#options
    if (stateless) return this.#stateless.serve(context, body, 'stateless')
    const initialize = body.frames.find(isInitialize)
    const fault = context.caller?.faultOfCalls(body.frames)
    if (fault !== undefined) throw fault
    if (session === undefined) {
      if (initialize === undefined) throw badRequest(`${unnamed}, or initialize a session`)
      this.#open(context, body, initialize)
      return undefined
    }
    if (initialize !== undefined) throw badRequest('the session is initialized already')
    // The session may have ended while the body came. In this case, `#session` throws.
    if (session.destroyed) this.#session(context)
    session.post(context.response, body, context.accept)
    return undefined
  }

  #open(context: RequestContext, body: Body, initialize: Frame): void {
    const fault = faultOfInitialize(initialize)
    if (fault !== undefined) throw fault
    const { sessions, onClient } = this.#options
    const { response, accept, server, principal, address, caller } = context
    caller?.admitSession()
    const id = sessions.createId()
    const client: ClientContext = { server, session: id, kind: 'session', principal, address }
    const session = new SessionTransport({ ...this.#common, id, client, calls: caller })
    sessions.add(session, server, principal, caller)
    session.post(response, body, accept)
    onClient(session, client)
  }

  // A stateless listener and the modern revision have no sessions, so they ignore the session header.
  // So does a POST with an unknown version, unless the session has agreed on this version.
  #sessionOfPost(context: RequestContext): SessionTransport | undefined {
    const { sessionId, server, principal } = context
    const { stateless = false, sessions } = this.#options
    const version = versionIn(context)
    if (sessionId === undefined || stateless || version === modernVersion) return undefined
    const session = sessions.find(sessionId, server, principal)
    if (session !== undefined && session.version === version) return session
    const isLegacy = version === undefined || isLegacyVersion(version)
    return isLegacy ? this.#session(context) : undefined
  }

  #session(context: RequestContext): SessionTransport {
    const { sessionId, server, principal } = context
    const version = versionIn(context)
    const isKnown = version === undefined || isKnownVersion(version)
    if (sessionId === undefined) throw isKnown ? badRequest(unnamed) : unsupported(version)
    const session = this.#options.sessions.session(sessionId, server, principal)
    if (!isKnown && version !== session.version) throw unsupported(version)
    return session
  }
}

const unnamed = `name your session in ${sessionIdHeader}`

const versionIn = (context: RequestContext): string | undefined =>
  context.header(headerNames.protocolVersion)

/**
 * Refuses a POST whose header names an unknown version. But if the body names an unknown version, the
 * server gets the request, because only the server knows which versions it supports.
 *
 * @throws ProxyError `ERR_REQUEST`
 */
function refuseUnknownVersion(version: string | undefined, { frames }: Body): void {
  if (version === undefined || isKnownVersion(version)) return
  if (!isModernVersion(frames[0]?.protocolVersion)) throw unsupported(version)
}

function unsupported(version: string): ProxyError {
  const supported = [...legacyVersions, modernVersion].join(', ')
  const message = `${protocolVersionHeader} ${quote(version)} is not supported`
  return badRequest(`${message}; supported are ${supported}`)
}

const badRequest = (message: string): ProxyError => new ProxyError('ERR_REQUEST', message)

const notAcceptable = (types: string): ProxyError =>
  new ProxyError('ERR_NOT_ACCEPTABLE', `the response is of the type ${types}: name it in Accept`)
