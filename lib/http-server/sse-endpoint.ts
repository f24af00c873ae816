// This endpoint serves HTTP+SSE, the HTTP transport of the revision 2024-11-05. A client gets the
// event stream at /sse and sends its POSTs to /messages.

import type { Log } from '../log.ts'
import type { Frame } from '../message/frame.ts'
import { SseConnection } from './accept-sse.ts'
import type { OnClient } from './client-context.ts'
import { faultOfInitialize } from './request/check-initialize.ts'
import type { BodyReader } from './request/read-body.ts'
import { sessionParam } from './request-context.ts'
import type { RequestContext } from './request-context.ts'
import type { Sessions } from './sessions.ts'

export interface SseEndpointOptions {
  sessions: Sessions
  onClient: OnClient
  bodies: BodyReader
  keepAlive?: number | undefined
  log?: Log | undefined
}

export class SseEndpoint {
  readonly #options: SseEndpointOptions

  constructor(options: SseEndpointOptions) {
    this.#options = options
  }

  /** Opens the event stream of a new client. */
  connect(context: RequestContext): void {
    context.allowMethods('GET')
    const { sessions, keepAlive, log, onClient } = this.#options
    const { response, route, server, principal } = context
    const id = sessions.createId()
    const endpoint = `${route.endpoint}?${sessionParam}=${id}`
    const client = new SseConnection({ id, response, endpoint, keepAlive, log })
    sessions.add(client, server, principal)
    onClient(client, { server, session: id, kind: 'session', principal })
  }

  /** Takes a POST of a client whose event stream is open. */
  async post(context: RequestContext): Promise<void> {
    context.allowMethods('POST')
    context.requireJson()
    const { sessions, bodies } = this.#options
    const { response, sessionId = '', principal } = context
    const body = await bodies.readFrames(context, sessions.connection(sessionId, principal))
    // The event stream may have closed while the body came. In this case, `connection` throws.
    const client = sessions.connection(sessionId, principal)
    const frame = body.frames[0] as Frame
    const fault = faultOfInitialize(frame)
    if (fault === undefined) return client.post(response, frame)
    // Some clients ignore the response to the POST and wait for the event.
    client.refuse(frame, fault)
    throw fault
  }
}
