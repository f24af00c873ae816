// Listens on HTTP. Each request passes the origin policy and goes to the endpoint of its path. The
// endpoints make client transports, and the caller of `listen` joins them to servers: this folder
// knows nothing about servers.
//
// Whatever a request's code throws ends here, in `#refuse`. A ProxyError becomes the HTTP response.
// Any other exception is a fault of the proxy: the log gets its text, and the client a general error.

import { EventEmitter, once } from 'node:events'
import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { describe, internalError, ProxyError } from '../errors.ts'
import { limits } from '../limits.ts'
import type { LimitOptions } from '../limits.ts'
import { silent } from '../log.ts'
import type { Log } from '../log.ts'
import type { ClientContext, MirroredParams, OnClient } from './client-context.ts'
import { Connections } from './idle-connections.ts'
import { OriginPolicy } from './origin-policy.ts'
import type { OriginPolicyOptions } from './origin-policy.ts'
import { RequestContext } from './request-context.ts'
import { findRoute, leadsToServer, nowhere, pathOf } from './routes.ts'
import type { Route } from './routes.ts'
import { Sessions } from './sessions.ts'
import { SseEndpoint } from './sse-endpoint.ts'
import { StatusEndpoint } from './status-endpoint.ts'
import type { ServerStates } from './status-endpoint.ts'
import { StreamableEndpoint } from './streamable-endpoint.ts'

export type { ServerState } from './status-endpoint.ts'

export interface ListenerOptions
  extends Omit<OriginPolicyOptions, 'host' | 'address'>, LimitOptions {
  /**
   * The name or address to listen on (default 127.0.0.1). Everyone who can reach an address that is
   * not loopback can use the servers, unless a reverse proxy asks for a password.
   */
  host?: string | undefined
  /** The port to listen on (default 0: a free one). */
  port?: number | undefined
  /** The names of the servers (default `['']`: only the default server). */
  servers?: string[] | undefined
  /** Serves Streamable HTTP without sessions: each POST is a client (default false). */
  stateless?: boolean | undefined
  /** The prefix of our paths at a reverse proxy, such as `/tools` (default: none). */
  basePath?: string | undefined
  /** Certificate and key as PEM: serves HTTPS (default: HTTP). */
  tls?: Tls | undefined
  /** The state of each server, for `/status` and `/readyz` (default: no server is listed). */
  serverStates?: ServerStates | undefined
  /**
   * Finds the parameters of a tool that are mirrored in headers, which are then checked (default: no
   * tool has any). Called for each `tools/call` of the modern revision, so it should be fast.
   */
  mirroredParams?: MirroredParams | undefined
  log?: Log | undefined
}

interface Tls {
  cert: Buffer | string
  key: Buffer | string
}

const defaultHost = '127.0.0.1'

/**
 * Listens for clients over Streamable HTTP and HTTP+SSE.
 *
 * @throws ProxyError `ERR_LISTEN` when it cannot listen on the address
 */
export async function listen(options: ListenerOptions, onClient: OnClient): Promise<Listener> {
  const { host = defaultHost, port = 0, tls } = options
  const http = tls === undefined ? createServer() : await createSecureServer(tls)
  try {
    await once(http.listen(port, host), 'listening')
  } catch (cause) {
    const message = `cannot listen on ${host}:${port}`
    if ((cause as NodeJS.ErrnoException).code !== 'EADDRINUSE') {
      throw new ProxyError('ERR_LISTEN', message, { cause })
    }
    const advice = 'the port is taken; choose another with --port'
    throw new ProxyError('ERR_LISTEN', `${message}: ${advice}`)
  }
  // Before the first connection: that can only come in a later turn of the event loop.
  return new Listener(http, options, onClient)
}

async function createSecureServer(tls: Tls): Promise<Server> {
  const { createServer } = await import('node:https')
  try {
    return createServer({ ...tls })
  } catch (cause) {
    throw new ProxyError('ERR_LISTEN', 'the TLS certificate and key cannot be used', { cause })
  }
}

/** Emits `close` when it has closed. */
export class Listener extends EventEmitter {
  /** The URL of the root path. It ends with a slash. */
  readonly url: string
  readonly #http: Server
  readonly #log: Log
  readonly #originPolicy: OriginPolicy
  readonly #basePath: string
  readonly #servers: Set<string>
  readonly #sessions: Sessions
  readonly #status: StatusEndpoint
  readonly #streamable: StreamableEndpoint
  readonly #sse: SseEndpoint
  readonly #connections: Connections
  /** How many requests have no complete response. */
  #activeRequests = 0
  #whenInactive: (() => void) | undefined
  /** The last path and its route: nearly all requests have the same. */
  #lastPath: string | undefined
  #lastRoute = nowhere
  #closing = false

  /**
   * Use `listen`.
   *
   * @param http listens already: its address tells whether only this machine can reach it
   */
  constructor(http: Server, options: ListenerOptions, onClient: OnClient) {
    super()
    const { host = defaultHost, log = silent } = options
    const { address, port, family } = http.address() as AddressInfo
    const scheme = options.tls === undefined ? 'http' : 'https'
    this.url = `${scheme}://${family === 'IPv6' ? `[${address}]` : address}:${port}/`
    this.#http = http
    this.#log = log
    this.#originPolicy = new OriginPolicy({ ...options, host, address })
    this.#basePath = options.basePath ?? ''
    this.#servers = new Set(options.servers ?? [''])
    this.#sessions = new Sessions(options.maxSessions ?? limits.maxSessions)
    const shared = {
      ...options,
      maxMessage: options.maxMessage ?? limits.maxMessage,
      log,
      sessions: this.#sessions,
      onClient: (client: Duplex, context: ClientContext) =>
        this.#handOver(client, context, onClient)
    }
    this.#status = new StatusEndpoint(this.#sessions, options.serverStates)
    this.#streamable = new StreamableEndpoint(shared)
    this.#sse = new SseEndpoint(shared)
    this.#connections = new Connections(http, options.idleTimeout ?? limits.idleTimeout)
    http.on('request', (request: IncomingMessage, response: ServerResponse) => {
      this.#onRequest(request, response)
    })
    // Accepting a connection failed, for example for lack of file descriptors. The next may succeed.
    http.on('error', (error) => log.error(`a connection failed: ${describe(error)}`))
  }

  /** The URLs of a server: `''` is the default server. */
  urlsOf(server: string): { mcp: string; sse: string } {
    const base = new URL(pathOf(server, this.#basePath), this.url).href
    return { mcp: `${base}mcp`, sse: `${base}sse` }
  }

  /** How many sessions are open. */
  get sessions(): number {
    return this.#sessions.size
  }

  /**
   * Refuses new clients and new requests, waits for the requests in flight, then closes everything.
   *
   * @param drainTimeout how long the requests in flight may take, in milliseconds
   */
  async close(drainTimeout: number = limits.drainTimeout): Promise<void> {
    this.#closing = true
    // The sessions still take POSTs: a server may need the response to a request before it can respond.
    await Promise.all([this.#sessions.drain(drainTimeout), this.#streamable.drain(drainTimeout)])
    const closed = new Promise((resolve) => this.#http.close(resolve))
    const destroyAll = (): void => this.#connections.destroy()
    // A client that does not read its last response is cut off.
    const timer = setTimeout(destroyAll, 1000)
    if (this.#activeRequests === 0) destroyAll()
    else this.#whenInactive = destroyAll
    await closed
    clearTimeout(timer)
    this.emit('close')
  }

  #handOver(client: Duplex, context: ClientContext, onClient: OnClient): void {
    try {
      if (this.#closing) throw aboutToStop()
      onClient(client, context)
    } catch (cause) {
      const error = this.#report(`a client of ${context.server || 'the default server'}`, cause)
      client.once('error', nothing).destroy(error) // the transport sends it to the client
    }
  }

  #onRequest(request: IncomingMessage, response: ServerResponse): void {
    // A response emits `error` when the client has gone: there is nothing to do about it.
    response.on('error', nothing).on('close', () => this.#responseOnClose(request))
    this.#activeRequests++
    this.#connections.begin(request)
    this.#handle(new RequestContext(request, response))
  }

  // Not a part of `#onRequest`: the listener of `close` there must not keep the context in memory.
  #handle(context: RequestContext): void {
    const { request, response } = context
    try {
      this.#originPolicy.check(request.headers)
      this.#originPolicy.setHeaders(request.headers, response)
      this.#serve(context)?.catch((error: unknown) => this.#refuse(context, error))
    } catch (error) {
      this.#refuse(context, error)
    }
  }

  #responseOnClose(request: IncomingMessage): void {
    this.#connections.end(request)
    if (--this.#activeRequests === 0) this.#whenInactive?.()
  }

  #serve(context: RequestContext): Promise<void> | undefined {
    const { request, response } = context
    const route = this.#routeOf(context.pathname)
    context.route = route
    if (request.method === 'OPTIONS') {
      response.writeHead(204, this.#originPolicy.preflight(request.headers)).end()
      return undefined
    }
    if (!leadsToServer(route)) {
      this.#status.serve(context, this.#closing)
      return undefined
    }
    this.#status.noteActivity()
    // The open sessions still take POSTs: see `close`.
    if (this.#closing && !this.#sessions.has(context.sessionId ?? '')) throw aboutToStop()
    if (route.kind === 'mcp') return this.#streamable.serve(context)
    if (route.kind === 'messages') return this.#sse.post(context)
    this.#sse.connect(context)
    return undefined
  }

  #routeOf(pathname: string): Route {
    if (pathname === this.#lastPath) return this.#lastRoute
    const route = findRoute(pathname, this.#basePath)
    if (route === nowhere || (leadsToServer(route) && !this.#servers.has(route.server))) {
      throw new ProxyError('ERR_NOT_FOUND', `there is nothing at ${pathname}`)
    }
    this.#lastPath = pathname
    this.#lastRoute = route
    return route
  }

  #refuse(context: RequestContext, cause: unknown): void {
    const { request, pathname } = context
    context.sendError(this.#report(`${request.method} ${pathname}`, cause))
    request.resume() // reads the rest of the body, and drops it
  }

  /** Logs a failure. Returns the error to send, which says nothing about an internal failure. */
  #report(subject: string, cause: unknown): ProxyError {
    if (cause instanceof ProxyError) {
      this.#log.debug(`${subject}: ${describe(cause)}`)
      return cause
    }
    this.#log.error(`${subject}: internal error: ${describe(cause)}`)
    return internalError()
  }
}

const nothing = (): void => {}

const aboutToStop = (): ProxyError => new ProxyError('ERR_CLOSED', 'the proxy is about to stop')
