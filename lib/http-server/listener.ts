// The HTTP side of the proxy: turns requests into client transports and hands each to a callback,
// which joins it to a server. It knows nothing of what the servers are.

import { randomUUID } from 'node:crypto'
import { EventEmitter } from 'node:events'
import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { describe, ProxyError } from '../errors.ts'
import { limits } from '../limits.ts'
import type { LimitOptions } from '../limits.ts'
import { silent } from '../log.ts'
import type { Log } from '../log.ts'
import { headerNames } from '../protocol/headers.ts'
import type { ClientContext, MirroredParams, OnClient } from './client-context.ts'
import { Connections } from './connections.ts'
import { allowMethods } from './endpoint.ts'
import { OriginPolicy } from './origin-policy.ts'
import type { OriginPolicyOptions } from './origin-policy.ts'
import { replyError, replyJson } from './reply.ts'
import { findRoute, pathOf } from './routes.ts'
import type { Route } from './routes.ts'
import { Sessions } from './sessions.ts'
import { SseEndpoint } from './sse-endpoint.ts'
import { StreamableEndpoint } from './streamable-endpoint.ts'

export interface ListenerOptions extends Omit<OriginPolicyOptions, 'host'>, LimitOptions {
  /** The address to listen on (127.0.0.1). */
  host?: string | undefined
  /** The port to listen on (0: a free one). */
  port?: number | undefined
  /** The names of the servers that can be asked for (`['']`: just the default one). */
  servers?: string[] | undefined
  /** Streamable HTTP without sessions: each POST is a client of its own. */
  stateless?: boolean | undefined
  /** What reverse proxies put before our paths (none). */
  basePath?: string | undefined
  /** Certificate and key as PEM, to serve HTTPS. */
  tls?: Tls | undefined
  /** The state of each server by its name, for `/status` and `/readyz`. Default: all are fine. */
  serverStates?: (() => Record<string, ServerState>) | undefined
  /**
   * Which parameters of a tool are mirrored in headers, which are then checked (none). May be slow:
   * it is asked for each call.
   */
  mirroredParams?: MirroredParams | undefined
  log?: Log | undefined
}

interface Tls {
  cert: Buffer | string
  key: Buffer | string
}

/** `failed`: it could not be started when it was last tried. */
export type ServerState = 'configured' | 'failed'

/**
 * Listens for clients over Streamable HTTP (2025-03-26 to 2025-11-25) and HTTP+SSE (2024-11-05).
 *
 * @throws ProxyError `ERR_LISTEN` when the address cannot be had
 */
export async function listen(options: ListenerOptions, onClient: OnClient): Promise<Listener> {
  const server = options.tls === undefined ? createServer() : await createSecureServer(options.tls)
  const listener = new Listener(server, options, onClient)
  const { host = '127.0.0.1', port = 0 } = options
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const why = cause.code === 'EADDRINUSE' ? 'the port is taken; choose another with --port' : ''
      reject(
        new ProxyError('ERR_LISTEN', `cannot listen on ${host}:${port}${why && `: ${why}`}`, {
          cause: why === '' ? cause : undefined
        })
      )
    })
    server.listen(port, host, resolve)
  })
  // Such as too many open files: it passes.
  server.on('error', (error) => options.log?.error(`a connection failed: ${describe(error)}`))
  return listener
}

async function createSecureServer(tls: Tls): Promise<Server> {
  const { createServer } = await import('node:https')
  try {
    return createServer({ ...tls })
  } catch (cause) {
    throw new ProxyError('ERR_LISTEN', 'the TLS certificate and key cannot be used', { cause })
  }
}

/** Emits `close` when it has been closed. */
export class Listener extends EventEmitter {
  readonly #http: Server
  readonly #options: ListenerOptions
  readonly #log: Log
  readonly #originPolicy: OriginPolicy
  readonly #basePath: string
  readonly #servers: Set<string>
  readonly #clients: Sessions
  readonly #streamable: StreamableEndpoint
  readonly #sse: SseEndpoint
  /** How many responses have not gone out. */
  #responses = 0
  #whenQuiet: (() => void) | undefined
  readonly #connections: Connections
  #lastPath = '/healthz'
  #lastRoute: Route = { kind: 'healthz' }
  #lastActivity = Date.now()
  #closing = false

  /** Use `listen`. */
  constructor(http: Server, options: ListenerOptions, onClient: OnClient) {
    super()
    this.#http = http
    this.#options = options
    this.#log = options.log ?? silent
    this.#originPolicy = new OriginPolicy({ ...options, host: options.host ?? '127.0.0.1' })
    this.#basePath = options.basePath ?? ''
    this.#servers = new Set(options.servers ?? [''])
    this.#clients = new Sessions(options.maxSessions ?? limits.maxSessions)
    const maxMessage = options.maxMessage ?? limits.maxMessage
    const shared = {
      ...options,
      maxMessage,
      log: this.#log,
      clients: this.#clients,
      createId: () => randomUUID().replaceAll('-', ''),
      onClient: (client: Duplex, arrival: ClientContext) => this.#arrive(client, arrival, onClient)
    }
    this.#streamable = new StreamableEndpoint(shared)
    this.#sse = new SseEndpoint(shared)
    this.#connections = new Connections(http, options.idleTimeout ?? limits.idleTimeout)
    http.on('request', (request: IncomingMessage, response: ServerResponse) => {
      this.#onRequest(request, response)
    })
  }

  /** The URL that ours are relative to, with a slash at the end. */
  get url(): string {
    const { address, port, family } = this.#http.address() as AddressInfo
    const scheme = this.#options.tls === undefined ? 'http' : 'https'
    return `${scheme}://${family === 'IPv6' ? `[${address}]` : address}:${port}/`
  }

  /** The URLs of a server: `''` is the default one. */
  urlsOf(server: string): { mcp: string; sse: string } {
    const base = new URL(pathOf(server, this.#basePath), this.url).href
    return { mcp: `${base}mcp`, sse: `${base}sse` }
  }

  /** How many sessions are open. */
  get sessions(): number {
    return this.#clients.size
  }

  /**
   * Takes no more clients and no more requests, lets calls in flight be answered, then ends what is
   * left.
   *
   * @param drainTimeout milliseconds that the calls may take
   */
  async close(drainTimeout: number = limits.drainTimeout): Promise<void> {
    this.#closing = true
    // As long as there are calls, clients can connect: to answer what a server asks meanwhile.
    await Promise.all([this.#clients.drain(drainTimeout), this.#streamable.drain(drainTimeout)])
    const closed = new Promise((resolve) => this.#http.close(resolve))
    // What is left has no request on it, or goes out to one who does not read it.
    const cutOff = (): void => this.#connections.destroy()
    const timer = setTimeout(cutOff, 1000)
    if (this.#responses === 0) cutOff()
    else this.#whenQuiet = cutOff
    await closed
    clearTimeout(timer)
    this.emit('close')
  }

  #arrive(client: Duplex, arrival: ClientContext, onClient: OnClient): void {
    try {
      if (this.#closing) throw aboutToStop()
      onClient(client, arrival)
    } catch (error) {
      client.once('error', () => {}).destroy(error as Error) // which tells the client why
    }
  }

  #onRequest(request: IncomingMessage, response: ServerResponse): void {
    // A client that goes away has no use for our complaint about it. (The request has an error only for
    // those who listen.)
    response.on('error', nothing).on('close', () => this.#responseOnClose(request))
    this.#responses++
    this.#connections.begin(request)
    const refuse = (error: unknown): void => this.#refuse(request, response, error)
    try {
      this.#originPolicy.check(request.headers)
      this.#originPolicy.setHeaders(request.headers, response)
      this.#serve(request, response)?.catch(refuse)
    } catch (error) {
      refuse(error)
    }
  }

  #responseOnClose(request: IncomingMessage): void {
    this.#connections.end(request)
    if (--this.#responses === 0) this.#whenQuiet?.()
  }

  #serve(request: IncomingMessage, response: ServerResponse): Promise<void> | undefined {
    const [pathname, query] = splitUrl(request.url as string)
    const route = this.#routeOf(pathname)
    if (request.method === 'OPTIONS') {
      response.writeHead(204, this.#originPolicy.preflight(request.headers)).end()
      return undefined
    }
    if (!('server' in route)) {
      this.#serveState(route.kind, request, response)
      return undefined
    }
    this.#lastActivity = Date.now()
    const posted = (query !== undefined && new URLSearchParams(query).get('session_id')) || ''
    const named = request.headers[headerNames.sessionId] ?? posted
    // Who is here already may have to answer what a call waits for.
    if (this.#closing && !this.#clients.has(String(named))) throw aboutToStop()
    switch (route.kind) {
      case 'mcp':
        return this.#streamable.serve(request, response, route.server)
      case 'sse':
        this.#sse.connect(request, response, route.server, route.endpoint)
        return undefined
      case 'messages':
        return this.#sse.post(request, response, route.server, posted)
    }
  }

  // Nearly all requests are for the same.
  #routeOf(pathname: string): Route {
    if (pathname === this.#lastPath) return this.#lastRoute
    const route = findRoute(pathname, this.#basePath)
    if (route === undefined || ('server' in route && !this.#servers.has(route.server))) {
      throw new ProxyError('ERR_NOT_FOUND', `there is nothing at ${pathname}`)
    }
    this.#lastPath = pathname
    this.#lastRoute = route
    return route
  }

  #serveState(
    kind: 'status' | 'healthz' | 'readyz',
    request: IncomingMessage,
    response: ServerResponse
  ): void {
    allowMethods(request, response, 'GET', 'HEAD')
    const states = this.#options.serverStates?.() ?? {}
    const failed = Object.keys(states).filter((name) => states[name] === 'failed')
    if (kind === 'healthz') return replyJson(response, 200, { ok: true })
    if (kind === 'readyz') {
      const ready = failed.length === 0 && !this.#closing
      return replyJson(response, ready ? 200 : 503, { ready, failed })
    }
    replyJson(response, 200, {
      api_last_activity: new Date(this.#lastActivity).toISOString(),
      server_instances: states,
      sessions: this.sessions
    })
  }

  #refuse(request: IncomingMessage, response: ServerResponse, cause: unknown): void {
    const known = cause instanceof ProxyError
    const error = known ? cause : new ProxyError('ERR_REQUEST', 'the request failed', { cause })
    const message = `${request.method} ${request.url?.split('?')[0]}: ${describe(error)}`
    if (known) this.#log.debug(message)
    else this.#log.error(message)
    replyError(response, error, error.status === 503 ? { 'retry-after': '10' } : {})
    request.resume() // what is left of the body
  }
}

const nothing = (): void => {}

/** The path of a request, and its query if it has one. */
function splitUrl(url: string): [string, string?] {
  // What asks through a proxy names all of it.
  const path = url.startsWith('/') ? url : url.replace(/^[^/]*\/\/[^/?]*/, '')
  const mark = path.indexOf('?')
  return mark === -1 ? [path] : [path.slice(0, mark), path.slice(mark + 1)]
}

const aboutToStop = (): ProxyError => new ProxyError('ERR_CLOSED', 'the proxy is about to stop')
