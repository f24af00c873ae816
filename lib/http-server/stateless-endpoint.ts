// This endpoint serves POSTs without a session, and each POST counts as a new client. The POSTs of
// the modern revision, which has no sessions, always come here. The POSTs of the legacy revisions
// come here if the listener has the option `stateless`.

import { ProxyError } from '../errors.ts'
import type { Body } from '../framing/body.ts'
import { limits } from '../limits.ts'
import type { Log } from '../log.ts'
import type { Frame } from '../message/frame.ts'
import { methods } from '../protocol/methods.ts'
import { DeadlineQueue } from '../streams/deadline-queue.ts'
import { publishEnd, publishMessage, publishOpen } from '../streams/facts.ts'
import { Slots } from '../streams/slots.ts'
import { NotificationTransport, PostExchange, PostTransport } from './accept-post.ts'
import { checkModern, checkModernNotification, modernStatus } from './check-modern-request.ts'
import { logDetails } from './client-error.ts'
import type { ClientContext, MirroredParams, OnClient, Serve } from './client-context.ts'
import { faultOfInitialize } from './request/check-initialize.ts'
import { refuseBatch } from './request/read-body.ts'
import type { BodyReader } from './request/read-body.ts'
import type { RequestContext } from './request-context.ts'
import { writeHead } from './write-head.ts'

export interface StatelessEndpointOptions {
  onClient: OnClient
  serve?: Serve | undefined
  /** Finds the tool parameters that clients repeat in HTTP headers (default: there are none). */
  mirroredParams?: MirroredParams | undefined
  keepAlive?: number | undefined
  streamAfter?: number | undefined
  bodies: BodyReader
  log: Log
}

/** See `ClientKind`. */
type StatelessKind = 'modern' | 'stateless'

type Client = PostExchange | NotificationTransport

export class StatelessEndpoint {
  readonly #options: StatelessEndpointOptions
  readonly #deadlines: DeadlineQueue
  readonly #clients = new Slots<Client>()
  #lastNumber = 0
  /** The clients that `endThoseOf` waits for. The value resolves its wait. */
  readonly #ending = new Map<Client, () => void>()
  #whenEmpty: (() => void) | undefined

  constructor(options: StatelessEndpointOptions) {
    this.#options = options
    this.#deadlines = new DeadlineQueue(options.streamAfter ?? limits.streamAfter)
  }

  /** Takes a POST whose body has been read. Returns a promise if its memory is needed for longer. */
  serve(context: RequestContext, body: Body, kind: StatelessKind): Promise<void> | undefined {
    const frame = body.frames[0] as Frame
    refuseBatch(body)
    const wrong = kind === 'stateless' ? faultOfInitialize(frame) : undefined
    if (wrong !== undefined) throw wrong
    if (frame.kind === 'response') {
      throw new ProxyError('ERR_REQUEST', 'without a session, a client gets no requests to answer')
    }
    if (frame.kind === 'notification') {
      this.#notify(context, frame, kind)
      return undefined
    }
    if (kind === 'stateless') return this.#request(context, body, kind)
    const { mirroredParams } = this.#options
    const check = checkModern(
      context.request.headers,
      frame,
      (tool) => mirroredParams?.(context.server, tool, frame) ?? []
    )
    if (check === undefined) return this.#request(context, body, kind)
    // The client may disconnect during the check. A new exchange would then miss the event `close` of
    // the response, and would never end.
    return check.then(() => {
      if (!context.response.destroyed) return this.#request(context, body, kind)
      throw new ProxyError('ERR_CLOSED', 'the client has disconnected')
    })
  }

  #request(context: RequestContext, body: Body, kind: StatelessKind): Promise<void> | undefined {
    const { bodies, keepAlive, log, onClient, serve } = this.#options
    const { response, accept, caller } = context
    const fault = caller?.faultOfCalls(body.frames)
    if (fault !== undefined) throw fault
    const client = this.#clientOf(context, kind)
    const exchange = new PostExchange({
      response,
      body,
      client,
      onEnd: this.#clientOnEnd,
      waiting: context.hasReservation ? undefined : bodies.waitingOf(context),
      calls: caller,
      accept,
      keepAlive,
      deadlines: this.#deadlines,
      log,
      statusOf: kind === 'modern' ? modernStatus : undefined
    })
    const { request } = exchange
    this.#open(exchange, request)
    if (serve?.(exchange, client) !== true) onClient(new PostTransport(exchange), client, request)
    // Each POST is a client, so a server that reads nothing would not slow the client down. The
    // memory for a large body stays reserved until the server has shown that it has the request.
    return context.hasReservation ? exchange.served() : undefined
  }

  #notify(context: RequestContext, frame: Frame, kind: StatelessKind): void {
    const { response } = context
    if (kind === 'modern') checkModernNotification(frame)
    // The server of a stateless client is initialized already, and the modern revision has no
    // `initialized`.
    if (frame.method === methods.initialized) {
      writeHead(response, 202).end()
      return
    }
    const sendError = (error: ProxyError): void => {
      logDetails(error, this.#options.log)
      context.sendError(error)
    }
    const client = this.#clientOf(context, kind)
    const { log, onClient } = this.#options
    const transport = new NotificationTransport({ response, frame, client, sendError, log })
    transport.once('close', () => this.#clientOnEnd(transport, transport.errored))
    this.#open(transport, frame)
    onClient(transport, client, frame)
  }

  #clientOf({ server, principal, address }: RequestContext, kind: StatelessKind): ClientContext {
    return { server, kind, session: `post-${++this.#lastNumber}`, principal, address }
  }

  #open(client: Client, frame: Frame): void {
    client.number = this.#clients.add(client)
    publishOpen(client.client)
    publishMessage(client.client, 'client', frame)
  }

  /**
   * Ends the subscriptions and waits for the other requests. Resolves when all clients have ended.
   *
   * @param timeout the time in ms after which all clients end, even with pending requests
   */
  async drain(timeout: number): Promise<void> {
    if (this.#clients.size > 0) await this.#endClients(timeout)
    this.#deadlines.stop()
  }

  /**
   * Ends the subscriptions at these servers. Resolves when all clients of these servers have ended,
   * without those for which an earlier call waits. The wait has no limit, because calls have none.
   */
  async endThoseOf(servers: ReadonlySet<string>): Promise<void> {
    const ending = this.#clients.all.filter(
      (client) => servers.has(client.client.server) && !this.#ending.has(client)
    )
    const ended = ending.map(
      (client) => new Promise<void>((resolve) => this.#ending.set(client, resolve))
    )
    for (const client of ending) if (client instanceof PostExchange) client.endSubscription()
    await Promise.all(ended)
  }

  async #endClients(timeout: number): Promise<void> {
    const timer = setTimeout(() => {
      for (const client of this.#clients.all) client.destroy()
    }, timeout)
    for (const client of this.#clients.all) {
      if (client instanceof PostExchange) client.endSubscription()
    }
    await new Promise<void>((resolve) => (this.#whenEmpty = resolve))
    clearTimeout(timer)
  }

  readonly #clientOnEnd = (client: Client, error: Error | null): void => {
    this.#clients.delete(client.number)
    publishEnd(client.client, error)
    this.#ending.get(client)?.()
    this.#ending.delete(client)
    if (this.#clients.size === 0) this.#whenEmpty?.()
  }
}
