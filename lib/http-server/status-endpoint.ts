// This endpoint serves /status, /healthz and /readyz for operators and monitoring tools, and the
// metadata that tells clients where to get a token.

import type { ServerResponse } from 'node:http'
import type { ProtectedResource } from './auth/protected-resource.ts'
import type { RequestContext } from './request-context.ts'
import type { Sessions } from './sessions.ts'
import { writeHead } from './write-head.ts'

/** `failed` means that the last attempt to start the server failed. */
export type ServerState = 'configured' | 'failed'

/** Returns the state of each server. The keys are the names of the servers. */
export type ServerStates = () => Record<string, ServerState>

export class StatusEndpoint {
  readonly #sessions: Sessions
  readonly #serverStates: ServerStates
  readonly #resource: ProtectedResource | undefined
  #lastActivity = Date.now()

  constructor(
    sessions: Sessions,
    serverStates: ServerStates = () => ({}),
    resource?: ProtectedResource
  ) {
    this.#sessions = sessions
    this.#serverStates = serverStates
    this.#resource = resource
  }

  /** Stores the time of a request to a server. `/status` shows the time of the last request. */
  noteActivity(): void {
    this.#lastActivity = Date.now()
  }

  /** @param closing whether the proxy is about to stop. `/readyz` then responds with 503. */
  serve(context: RequestContext, closing: boolean): void {
    context.allowMethods('GET', 'HEAD')
    const { response, route } = context
    if (route.kind === 'metadata') {
      return sendJson(response, 200, this.#resource?.metadataOf(route))
    }
    if (route.kind === 'healthz') return sendJson(response, 200, { ok: true })
    const states = this.#serverStates()
    if (route.kind === 'readyz') {
      const failed = Object.keys(states).filter((name) => states[name] === 'failed')
      const ready = failed.length === 0 && !closing
      return sendJson(response, ready ? 200 : 503, { ready, failed })
    }
    sendJson(response, 200, {
      api_last_activity: new Date(this.#lastActivity).toISOString(),
      server_instances: states,
      active_sse_connections: this.#sessions.connections,
      sessions: this.#sessions.size
    })
  }
}

function sendJson(response: ServerResponse, status: number, value: unknown): void {
  const body = `${JSON.stringify(value)}\n`
  writeHead(response, status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body)
  })
  response.end(body)
}
