// Serves POSTs that are a client each: those of the modern revision, which has no sessions, and those
// of the legacy revisions when the listener is `stateless`.

import type { Body } from '../framing/body.ts'
import { limits } from '../limits.ts'
import { DeadlineQueue } from '../streams/deadline-queue.ts'
import { Slots } from '../streams/slots.ts'
import { PostTransport } from './accept-post.ts'
import { checkModern, modernStatus } from './check-modern-request.ts'
import type { MirroredParams, OnClient } from './client-context.ts'
import { refuseBatch } from './read-body.ts'
import type { RequestContext } from './request-context.ts'

export interface StatelessEndpointOptions {
  onClient: OnClient
  /** Default: no tool has mirrored parameters. */
  mirroredParams?: MirroredParams | undefined
  keepAlive?: number | undefined
  streamAfter?: number | undefined
}

export class StatelessEndpoint {
  readonly #options: StatelessEndpointOptions
  readonly #deadlines: DeadlineQueue
  readonly #clients = new Slots<PostTransport>()
  #whenEmpty: (() => void) | undefined

  constructor(options: StatelessEndpointOptions) {
    this.#options = options
    this.#deadlines = new DeadlineQueue(options.streamAfter ?? limits.streamAfter)
  }

  /** Takes a POST whose body has been read. */
  async serve(context: RequestContext, body: Body, kind: 'modern' | 'stateless'): Promise<void> {
    const { keepAlive, mirroredParams, onClient } = this.#options
    const { request, response, accept, server } = context
    const [frame] = body.frames
    refuseBatch(body)
    // A notification or a response belongs to an earlier request, which no server of ours knows.
    if (frame?.kind !== 'request') {
      response.writeHead(202).end()
      return
    }
    if (kind === 'modern') {
      await checkModern(request.headers, frame, (tool) => mirroredParams?.(server, tool) ?? [])
      // The client has disconnected during the check. A transport made now would never see `close`.
      if (response.destroyed) return
    }
    const client = new PostTransport({
      response,
      body,
      accept,
      keepAlive,
      deadlines: this.#deadlines,
      statusOf: kind === 'modern' ? modernStatus : undefined
    })
    const number = this.#clients.add(client)
    client.once('close', () => this.#clientOnClose(number))
    onClient(client, { server, kind, session: `post-${number}` })
  }

  /**
   * Ends the subscriptions, and waits for the other requests. Resolves when no client is left.
   *
   * @param timeout milliseconds after which the clients end in any case
   */
  async drain(timeout: number): Promise<void> {
    if (this.#clients.size > 0) await this.#endClients(timeout)
    this.#deadlines.stop()
  }

  async #endClients(timeout: number): Promise<void> {
    const timer = setTimeout(() => {
      for (const client of this.#clients.all) client.destroy()
    }, timeout)
    for (const client of this.#clients.all) client.endSubscription()
    await new Promise<void>((resolve) => (this.#whenEmpty = resolve))
    clearTimeout(timer)
  }

  #clientOnClose(number: number): void {
    this.#clients.delete(number)
    if (this.#clients.size === 0) this.#whenEmpty?.()
  }
}
