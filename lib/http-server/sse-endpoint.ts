// This endpoint serves HTTP+SSE, the HTTP transport of the revision 2024-11-05. A client gets the
// event stream at /sse and sends its POSTs to /messages.

import type { Log } from '../log.ts'
import type { Frame } from '../message/frame.ts'
import { SseConnection } from './accept-sse.ts'
import type { ClientContext, OnClient } from './client-context.ts'
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
    const { response, route, server, principal, address, caller } = context
    caller?.admitSession()
    const id = sessions.createId()
    const about: ClientContext = { server, session: id, kind: 'session', principal, address }
    const endpoint = `${route.endpoint}?${sessionParam}=${id}`
    const options = { id, response, endpoint, keepAlive, client: about, calls: caller, log }
    const client = new SseConnection(options)
    sessions.add(client, server, principal, caller)
    onClient(client, about)
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
    const fault = faultOfInitialize(frame) ?? context.caller?.faultOfCalls(body.frames)
    if (fault === undefined) return client.post(response, frame)
    // Some clients ignore the response to the POST and wait for the event.
    client.refuse(frame, fault)
    throw fault
  }
}
