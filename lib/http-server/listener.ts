// The HTTP listener. The origin policy checks each request, and then the endpoint for the request's
// path serves it. The endpoints make client transports. The caller of `listen` joins these
// transports to servers, so this folder contains no code for servers.
//
// If the code that serves a request throws, `#refuse` sends the error. A ProxyError becomes the
// HTTP response. Any other exception is a fault of the proxy, so its text goes to the log, and the
// client gets an error without details.

import { EventEmitter } from 'node:events'
import type { IncomingMessage, Server } from 'node:http'
import type { Server as HttpsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { describe, internalError, ProxyError } from '../errors.ts'
import { limits } from '../limits.ts'
import { silent } from '../log.ts'
import type { Log } from '../log.ts'
import type { Frame } from '../message/frame.ts'
import { publishRefusal } from '../streams/facts.ts'
import { quote } from '../text.ts'
import type { ClientContext, ListenerOptions, OnClient, Serve } from './client-context.ts'
import { accessOptions, createAuthorizer } from './auth/create-authorizer.ts'
import type { Authorizer } from './auth/authorize.ts'
import { Callers } from './callers/callers.ts'
import { logDetails } from './client-error.ts'
import { dropRest, hasBody } from './request/drop-rest.ts'
import { Connections } from './idle-connections.ts'
import type { Connection } from './idle-connections.ts'
import { checkHasHost, refuseBroken } from './request/refuse-broken.ts'
import { openServer } from './open-server.ts'
import type { Tls } from './open-server.ts'
import { OriginPolicy } from './origin-policy.ts'
import { BodyReader } from './request/read-body.ts'
import type { HttpResponse } from './request/http-response.ts'
import { RequestContext } from './request-context.ts'
import { isOpen, leadsToServer, nowhere, RouteTable } from './routes.ts'
import type { Route } from './routes.ts'
import { Sessions } from './sessions.ts'
import { SseEndpoint } from './sse-endpoint.ts'
import { StatusEndpoint } from './status-endpoint.ts'
import { StreamableEndpoint } from './streamable-endpoint.ts'
import { writeHead } from './write-head.ts'

export type { ListenerOptions } from './client-context.ts'

const defaultHost = '127.0.0.1'

/**
 * Listens for clients over Streamable HTTP and HTTP+SSE.
 *
 * @throws ProxyError `ERR_LISTEN` if it cannot listen on the address, `ERR_CONFIG` for a wrong option
 */
export async function listen(options: ListenerOptions, onClient: OnClient): Promise<Listener> {
  const callers = new Callers(options)
  const { host = defaultHost, port = 0, tls } = options
  try {
    const access = accessOptions(options)
    const http = await openServer(host, port, tls)
    // No connection is missed, because connections come only in a later turn of the event loop.
    return new Listener(http, { ...options, ...access }, callers, onClient)
  } catch (error) {
    callers.stop()
    throw error
  }
}

/**
 * Emits `drained` when `close` has ended all sessions, and `close` when all connections are closed.
 */
export class Listener extends EventEmitter {
  /** The URL of the root path. It ends with a slash. */
  readonly url: string
  readonly #http: Server
  readonly #log: Log
  readonly #originPolicy: OriginPolicy
  readonly #authorizer: Authorizer | undefined
  readonly #refusal: ListenerOptions['refusal']
  readonly #holdsCalls: ListenerOptions['holdsCalls']
  readonly #callers: Callers
  readonly #routes: RouteTable
  readonly #sessions: Sessions
  readonly #status: StatusEndpoint
  readonly #streamable: StreamableEndpoint
  readonly #sse: SseEndpoint
  readonly #bodies: BodyReader
  readonly #connections: Connections
  /** How many requests do not have their complete response yet. */
  #activeRequests = 0
  #whenInactive: (() => void) | undefined
  #closing = false

  /**
   * To make a listener, call `listen`.
   *
   * @param http must already listen, because the origin policy depends on its address
   */
  constructor(http: Server, options: ListenerOptions, callers: Callers, onClient: OnClient) {
    super()
    const { host = defaultHost, log = silent } = options
    const { address, port, family } = http.address() as AddressInfo
    const scheme = options.tls === undefined ? 'http' : 'https'
    this.url = `${scheme}://${family === 'IPv6' ? `[${address}]` : address}:${port}/`
    this.#http = http
    this.#log = log
    this.#originPolicy = new OriginPolicy({ ...options, host, address })
    this.#refusal = options.refusal
    this.#holdsCalls = options.holdsCalls
    this.#callers = callers
    const { maxSessions = limits.maxSessions, exiting, replica } = options
    this.#sessions = new Sessions(maxSessions, exiting, replica, options.streamAfter)
    this.#authorizer = createAuthorizer(options, this.url, this.#sessions)
    this.#routes = new RouteTable({
      basePath: options.basePath,
      metricsPath: options.metrics?.path,
      servers: options.servers ?? [''],
      hasMetadata: this.#authorizer?.resource !== undefined
    })
    this.#bodies = new BodyReader(options)
    const shared = {
      ...options,
      bodies: this.#bodies,
      log,
      sessions: this.#sessions,
      onClient: (client: Duplex, context: ClientContext, message?: Frame) =>
        this.#handOver(client, context, message, onClient),
      serve: (...of: Parameters<Serve>) => !this.#closing && options.serve?.(...of) === true
    }
    this.#status = new StatusEndpoint(
      this.#sessions,
      options.serverStates,
      this.#authorizer?.resource,
      options.metrics
    )
    this.#streamable = new StreamableEndpoint(shared)
    this.#sse = new SseEndpoint(shared)
    this.#connections = new Connections(http, options.idleTimeout ?? limits.idleTimeout)
    const onRequest = this.#onRequest
    // Without these listeners, Node answers `Expect` before the checks of this listener: it sends
    // the status 100, or refuses an unknown expectation.
    http.on('request', onRequest).on('checkContinue', onRequest).on('checkExpectation', onRequest)
    http.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
      this.#log.debug(`a client sent a broken request: ${describe(error)}`)
      if (this.#connections.mayRespond(socket)) refuseBroken(error, socket)
      else socket.destroy()
    })
    // The server could not accept a connection, for example because there are no free file
    // descriptors. It may be able to accept the next connection.
    http.on('error', (error) => log.error(`a connection failed: ${describe(error)}`))
    callers.watch(http, (address, error) => {
      log.debug(describe(error))
      publishRefusal({ address, error })
    })
  }

  /** Returns the URLs of a server. The name `''` means the default server. */
  urlsOf(server: string): { mcp: string; sse: string } {
    const base = new URL(this.#routes.pathOf(server), this.url).href
    return { mcp: `${base}mcp`, sse: `${base}sse` }
  }

  /** How many sessions are open. */
  get sessions(): number {
    return this.#sessions.size
  }

  /** How many bytes of memory are reserved for the bodies of requests. */
  get bodyMemory(): number {
    return this.#bodies.reserved
  }

  /**
   * Serves other servers from now on. The clients of all others do not notice.
   *
   * @param servers the names of the servers
   * @param ended the names of the servers, removed or not, whose clients must end: their requests in
   * flight get their responses, and a new request in one of their sessions gets 404
   * @returns a promise that resolves when the clients of the `ended` servers have ended
   */
  async replaceServers(servers: string[], ended: string[]): Promise<void> {
    this.#routes.setServers(servers)
    this.#authorizer?.resource?.setServers(servers)
    const names = new Set(ended)
    await Promise.all([this.#sessions.endThoseOf(names), this.#streamable.endThoseOf(names)])
  }

  /**
   * Sets the certificate and the key for new connections, if the listener serves HTTPS. Open
   * connections go on.
   */
  setTls(tls: Tls): void {
    if ('setSecureContext' in this.#http) (this.#http as HttpsServer).setSecureContext(tls)
  }

  /**
   * Refuses new clients and new requests, waits for the pending requests whose clients are
   * connected, then closes all connections.
   *
   * @param drainTimeout how long to wait for the pending requests, in ms
   */
  async close(drainTimeout: number = limits.drainTimeout): Promise<void> {
    this.#closing = true
    // The sessions still take POSTs. A server may have sent the client a request, and may need the
    // client's response before it can respond itself.
    await Promise.all([this.#sessions.drain(drainTimeout), this.#streamable.drain(drainTimeout)])
    this.emit('drained')
    const closed = new Promise((resolve) => this.#http.close(resolve))
    const destroyAll = (): void => this.#connections.destroy()
    // If a client does not read its last response in time, its connection is closed.
    const timer = setTimeout(destroyAll, drainTimeout === 0 ? 100 : 1000)
    if (this.#activeRequests === 0) destroyAll()
    else this.#whenInactive = destroyAll
    await closed
    clearTimeout(timer)
    this.#callers.stop()
    this.emit('close')
  }

  #handOver(
    client: Duplex,
    context: ClientContext,
    message: Frame | undefined,
    onClient: OnClient
  ): void {
    try {
      if (this.#closing) throw aboutToStop()
      onClient(client, context, message)
    } catch (cause) {
      const error = this.#report(`a client of ${context.server || 'the default server'}`, cause)
      client.once('error', nothing).destroy(error) // the client's transport turns this error into a response
    }
  }

  readonly #onRequest = (request: IncomingMessage, response: HttpResponse): void => {
    const connection = this.#connections.begin(request, response)
    response.whenClosed(() => this.#responseOnClose(request, connection))
    this.#activeRequests++
    this.#handle(new RequestContext(request, response), connection)
  }

  // This code is not in `#onRequest`, because the `close` callback there would keep the context in
  // memory.
  #handle(context: RequestContext, { peer }: Connection): void {
    const { request, response } = context
    try {
      context.address = this.#callers.addressOf(peer, request.headers)
      const route = this.#routeOf(context)
      context.route = route
      const isPublic = route.kind === 'metadata'
      this.#originPolicy.setHeaders(request.headers, response, isPublic)
      checkHasHost(request)
      const ownOrigin = this.#callers.originOf(peer, request.headers)
      this.#originPolicy.check(request.headers, isPublic, ownOrigin)
      this.#serve(context)?.then(
        () => context.releaseBody(),
        (error: unknown) => this.#refuse(context, error)
      )
    } catch (error) {
      this.#refuse(context, error)
    }
  }

  #responseOnClose(request: IncomingMessage, connection: Connection): void {
    this.#connections.end(connection)
    // This is a body that nobody has read. Without a limit, Node would read it to its end.
    if (!request.complete && hasBody(request)) dropRest(request)
    if (--this.#activeRequests === 0) this.#whenInactive?.()
  }

  #serve(context: RequestContext): Promise<void> | undefined {
    const { request, response, route } = context
    if (request.method === 'OPTIONS' && route !== nowhere) {
      const isPublic = route.kind === 'metadata'
      writeHead(response, 204, this.#originPolicy.preflight(request.headers, isPublic)).end()
      return undefined
    }
    // A client without a token does not learn which paths exist, except for those with metadata.
    if (this.#authorizer === undefined || isOpen(route)) return this.#route(context)
    const principal = this.#authorizer.authorize(context)
    if (principal instanceof Promise) {
      return principal.then((principal) => this.#serveAs(context, principal))
    }
    return this.#serveAs(context, principal)
  }

  #serveAs(context: RequestContext, principal: string): Promise<void> | undefined {
    context.principal = principal
    // The client may have disconnected during the check of its token.
    return context.response.destroyed ? undefined : this.#route(context)
  }

  #route(context: RequestContext): Promise<void> | undefined {
    const { route } = context
    if (route === nowhere) {
      throw new ProxyError('ERR_NOT_FOUND', `there is nothing at ${quote(context.pathname)}`)
    }
    if (!leadsToServer(route)) return this.#status.serve(context, this.#closing)
    const refusal = this.#refusal?.()
    if (refusal !== undefined) throw refusal
    context.caller = this.#callers.find(context.address, context.principal)
    context.caller.takeRequest()
    this.#status.noteActivity()
    // The open sessions still take POSTs. The method `close` explains why.
    if (this.#closing && !this.#sessions.has(context.sessionId ?? '')) throw aboutToStop()
    if (route.kind === 'mcp') return this.#streamable.serve(context)
    if (route.kind === 'messages') return this.#sse.post(context)
    this.#sse.connect(context)
    return undefined
  }

  #routeOf(context: RequestContext): Route {
    const { pathname } = context
    const route = this.#routes.find(pathname)
    if (route !== nowhere) return route
    const ending = this.#sessions.serverOf(context.sessionId ?? '')
    return this.#routes.findEnding(
      pathname,
      (server) => server === ending || this.#holdsCalls?.(server) === true
    )
  }

  #refuse(context: RequestContext, cause: unknown): void {
    const { request, pathname } = context
    context.releaseBody()
    const path = quote(pathname).slice(1, -1)
    const error = this.#report(
      `${request.method} ${path}`,
      this.#callers.limit(context.address, cause)
    )
    publishRefusal(context.refusal(error))
    context.sendError(error)
    dropRest(request)
  }

  /**
   * Logs a failure. Returns the error for the client, without the details of an internal failure.
   */
  #report(subject: string, cause: unknown): ProxyError {
    if (cause instanceof ProxyError) {
      this.#log.debug(`${subject}: ${describe(cause)}`, { code: cause.code })
      logDetails(cause, this.#log)
      return cause
    }
    this.#log.error(`${subject}: internal error: ${describe(cause)}`, { code: 'ERR_INTERNAL' })
    return internalError()
  }
}

const nothing = (): void => {}

const aboutToStop = (): ProxyError => new ProxyError('ERR_CLOSED', 'the proxy is about to stop')
