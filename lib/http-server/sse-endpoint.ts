// Serves HTTP+SSE, the transport of revision 2024-11-05: the event stream, and the POSTs to it.

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Frame } from '../message/frame.ts'
import { SseConnection } from './accept-sse.ts'
import { allowMethods, noBatches, requireJson } from './endpoint.ts'
import type { EndpointOptions } from './endpoint.ts'
import { readFrames } from './read-body.ts'

export class SseEndpoint {
  readonly #options: EndpointOptions

  constructor(options: EndpointOptions) {
    this.#options = options
  }

  /** Opens the event stream of a new client. */
  connect(
    request: IncomingMessage,
    response: ServerResponse,
    server: string,
    endpoint: string
  ): void {
    allowMethods(request, response, 'GET')
    const { clients, createId, keepAlive, onClient } = this.#options
    clients.makeRoom()
    const id = createId()
    const query = `?session_id=${id}`
    const client = new SseConnection({ id, response, endpoint: endpoint + query, keepAlive })
    clients.add(client, server)
    onClient(client, { server, session: id, kind: 'session' })
  }

  /** Takes what a client posts to the endpoint that its stream has named. */
  async post(
    request: IncomingMessage,
    response: ServerResponse,
    server: string,
    session: string
  ): Promise<void> {
    allowMethods(request, response, 'POST')
    requireJson(request)
    const { clients, maxMessage } = this.#options
    const client = clients.connection(session, server)
    await new Promise<void>((resolve) => client.whenRoom(resolve))
    const { frames, batch } = await readFrames(request, maxMessage, (answer) =>
      client.receive(answer)
    )
    if (batch) throw noBatches()
    // It may have ended while the body came.
    clients.connection(session, server).post(response, frames[0] as Frame)
  }
}
