// This endpoint serves /status, /healthz, /readyz and the metrics for operators and monitoring tools, and
// the metadata that tells clients where to get a token.

import type { ServerResponse } from 'node:http'
import type { ProtectedResource } from './auth/protected-resource.ts'
import type { RequestContext } from './request-context.ts'
import type { Route } from './routes.ts'
import type { Sessions } from './sessions.ts'
import { writeHead } from './write-head.ts'

/** `failed` means that the last attempt to start the server failed. */
export type ServerState = 'configured' | 'failed'

/** Returns the state of each server. The keys are the names of the servers. */
export type ServerStates = () => Record<string, ServerState>

/** The metrics and the path where the listener serves them. */
export interface MetricsPage {
  /** Begins with a slash, and is none of the other paths of the listener. */
  path: string
  contentType: string
  text: () => Promise<string>
}

export class StatusEndpoint {
  readonly #sessions: Sessions
  readonly #serverStates: ServerStates
  readonly #resource: ProtectedResource | undefined
  readonly #metrics: MetricsPage | undefined
  #lastActivity = Date.now()

  constructor(
    sessions: Sessions,
    serverStates: ServerStates = () => ({}),
    resource?: ProtectedResource,
    metrics?: MetricsPage
  ) {
    this.#sessions = sessions
    this.#serverStates = serverStates
    this.#resource = resource
    this.#metrics = metrics
  }

  /** Stores the time of a request to a server. `/status` shows the time of the last request. */
  noteActivity(): void {
    this.#lastActivity = Date.now()
  }

  /** @param closing whether the proxy is about to stop. `/readyz` then responds with 503. */
  serve(context: RequestContext, closing: boolean): Promise<void> | undefined {
    context.allowMethods('GET', 'HEAD')
    const { response, route } = context
    if (route.kind === 'metrics') return sendMetrics(response, this.#metrics as MetricsPage)
    this.#sendJson(response, route, closing)
    return undefined
  }

  #sendJson(response: ServerResponse, route: Route, closing: boolean): void {
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

async function sendMetrics(response: ServerResponse, metrics: MetricsPage): Promise<void> {
  const text = await metrics.text()
  // The client may have disconnected meanwhile.
  if (!response.destroyed) send(response, 200, metrics.contentType, text)
}

function sendJson(response: ServerResponse, status: number, value: unknown): void {
  send(response, status, 'application/json', `${JSON.stringify(value)}\n`)
}

function send(response: ServerResponse, status: number, type: string, body: string): void {
  writeHead(response, status, {
    'content-type': type,
    'content-length': Buffer.byteLength(body)
  })
  response.end(body)
}
