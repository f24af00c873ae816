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
import { NotificationTransport, PostTransport } from './accept-post.ts'
import { checkModern, checkModernNotification, modernStatus } from './check-modern-request.ts'
import { logDetails } from './client-error.ts'
import type { ClientContext, MirroredParams, OnClient } from './client-context.ts'
import { faultOfInitialize } from './request/check-initialize.ts'
import { refuseBatch } from './request/read-body.ts'
import type { BodyReader } from './request/read-body.ts'
import type { RequestContext } from './request-context.ts'
import { writeHead } from './write-head.ts'

export interface StatelessEndpointOptions {
  onClient: OnClient
  /** Finds the tool parameters that clients repeat in HTTP headers (default: there are none). */
  mirroredParams?: MirroredParams | undefined
  keepAlive?: number | undefined
  streamAfter?: number | undefined
  bodies: BodyReader
  log: Log
}

export class StatelessEndpoint {
  readonly #options: StatelessEndpointOptions
  readonly #deadlines: DeadlineQueue
  readonly #clients = new Slots<PostTransport | NotificationTransport>()
  /** The clients that `endThoseOf` waits for. */
  readonly #ending = new WeakSet<PostTransport | NotificationTransport>()
  #whenEmpty: (() => void) | undefined

  constructor(options: StatelessEndpointOptions) {
    this.#options = options
    this.#deadlines = new DeadlineQueue(options.streamAfter ?? limits.streamAfter)
  }

  /** Takes a POST whose body has been read. */
  async serve(context: RequestContext, body: Body, kind: 'modern' | 'stateless'): Promise<void> {
    const { bodies, keepAlive, log, mirroredParams } = this.#options
    const { request, response, accept, server } = context
    const frame = body.frames[0] as Frame
    refuseBatch(body)
    const wrong = kind === 'stateless' ? faultOfInitialize(frame) : undefined
    if (wrong !== undefined) throw wrong
    if (frame.kind === 'response') {
      throw new ProxyError('ERR_REQUEST', 'without a session, a client gets no requests to answer')
    }
    if (frame.kind === 'notification') {
      this.#notify(context, frame, kind)
      return
    }
    if (kind === 'modern') {
      await checkModern(
        request.headers,
        frame,
        (tool) => mirroredParams?.(server, tool, frame) ?? []
      )
      // The client may have disconnected during the check. A new transport would then miss the
      // event `close` of the response, and would never end.
      if (response.destroyed) throw new ProxyError('ERR_CLOSED', 'the client has disconnected')
    }
    const { caller } = context
    const fault = caller?.faultOfCalls(body.frames)
    if (fault !== undefined) throw fault
    const client = new PostTransport({
      response,
      body,
      waiting: context.hasReservation ? undefined : bodies.waitingOf(context),
      calls: caller,
      accept,
      keepAlive,
      deadlines: this.#deadlines,
      log,
      statusOf: kind === 'modern' ? modernStatus : undefined
    })
    this.#open(client, frame, context, kind)
    // Each POST has its own transport, so a server that reads nothing would not slow the client
    // down. The memory for a large body stays reserved until the server has shown that it has the
    // request.
    if (context.hasReservation) await client.served()
  }

  #notify(context: RequestContext, frame: Frame, kind: 'modern' | 'stateless'): void {
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
    const client = new NotificationTransport({ response, frame, sendError, log: this.#options.log })
    this.#open(client, frame, context, kind)
  }

  #open(
    client: PostTransport | NotificationTransport,
    frame: Frame,
    { server, principal, address }: RequestContext,
    kind: 'modern' | 'stateless'
  ): void {
    const number = this.#clients.add(client)
    const context: ClientContext = {
      server,
      kind,
      session: `post-${number}`,
      principal,
      address
    }
    client.client = context
    client.once('close', () => {
      this.#clientOnClose(number)
      publishEnd(context, client.errored)
    })
    publishOpen(context)
    publishMessage(context, 'client', frame)
    this.#options.onClient(client, context, frame)
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
      (client) => servers.has((client.client as ClientContext).server) && !this.#ending.has(client)
    )
    const closed = ending.map((client) => new Promise((resolve) => client.once('close', resolve)))
    for (const client of ending) {
      this.#ending.add(client)
      if (client instanceof PostTransport) client.endSubscription()
    }
    await Promise.all(closed)
  }

  async #endClients(timeout: number): Promise<void> {
    const timer = setTimeout(() => {
      for (const client of this.#clients.all) client.destroy()
    }, timeout)
    for (const client of this.#clients.all) {
      if (client instanceof PostTransport) client.endSubscription()
    }
    await new Promise<void>((resolve) => (this.#whenEmpty = resolve))
    clearTimeout(timer)
  }

  #clientOnClose(number: number): void {
    this.#clients.delete(number)
    if (this.#clients.size === 0) this.#whenEmpty?.()
  }
}
