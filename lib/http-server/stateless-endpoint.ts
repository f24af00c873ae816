// Serves clients that are one POST with one request in it: those of the modern revision, which has no
// sessions, and those of the legacy ones where sessions are not wanted.

import type { IncomingMessage, ServerResponse } from 'node:http'
import { ProxyError } from '../errors.ts'
import type { Body } from '../framing/body.ts'
import { limits } from '../limits.ts'
import { DeadlineQueue } from '../streams/deadline-queue.ts'
import { Slots } from '../streams/slots.ts'
import { PostTransport } from './accept-post.ts'
import type { EndpointOptions } from './endpoint.ts'
import { checkModern, modernStatus } from './modern-request.ts'
import type { Accept } from './post-response.ts'
import { replyError } from './reply.ts'

export class StatelessEndpoint {
  readonly #options: EndpointOptions
  readonly #deadlines: DeadlineQueue
  readonly #clients = new Slots<PostTransport>()
  #whenEmpty: (() => void) | undefined

  constructor(options: EndpointOptions) {
    this.#options = options
    this.#deadlines = new DeadlineQueue(options.streamAfter ?? limits.streamAfter)
  }

  async serve(
    request: IncomingMessage,
    response: ServerResponse,
    body: Body,
    accept: Accept,
    to: { server: string; kind: 'modern' | 'stateless' }
  ): Promise<void> {
    const { keepAlive, mirroredParams, onClient } = this.#options
    const [frame] = body.frames
    if (body.batch) throw new ProxyError('ERR_REQUEST', 'batches need a session')
    // Nothing was said before that a notification could be about.
    if (frame?.kind !== 'request') {
      response.writeHead(202).end()
      return
    }
    const isModern = to.kind === 'modern'
    if (isModern) {
      try {
        await checkModern(request.headers, frame, (tool) => mirroredParams?.(to.server, tool) ?? [])
      } catch (error) {
        if (!(error instanceof ProxyError)) throw error
        replyError(response, error, {}, frame.id)
        return
      }
      // Nobody is left to be answered, and nothing would tell the transport so.
      if (response.destroyed) return
    }
    const statusOf = isModern ? modernStatus : undefined
    const client = new PostTransport({
      response,
      body,
      accept,
      keepAlive,
      deadlines: this.#deadlines,
      statusOf
    })
    const number = this.#clients.add(client)
    client.once('close', () => this.#clientOnClose(number))
    onClient(client, { server: to.server, kind: to.kind, session: `post-${number}` })
  }

  /** Ends subscriptions at once, and resolves when no client is left: after `timeout` ms at the latest. */
  async drain(timeout: number): Promise<void> {
    if (this.#clients.size > 0) await this.#whenGone(timeout)
    this.#deadlines.stop()
  }

  async #whenGone(timeout: number): Promise<void> {
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
