// One server that clients can use. It gives each client a transport: either to a process for this
// session alone, or to a process that many clients share. It keeps whether the server could start.

import type { Duplex } from 'node:stream'
import { discover } from '../era/discover.ts'
import { ToolCache } from '../era/tool-cache.ts'
import { isAbort, ProxyError } from '../errors.ts'
import type { ClientKind } from '../http-server/client-context.ts'
import type { ServerState } from '../http-server/status-endpoint.ts'
import type { Limits } from '../limits.ts'
import type { Log } from '../log.ts'
import type { MirroredParam } from '../protocol/mirrored-headers.ts'
import { prewarm } from '../wrappers/prewarm.ts'
import { reconnect } from '../wrappers/reconnect.ts'
import { shareSessions } from '../wrappers/share-sessions.ts'
import type { SharedSessions } from '../wrappers/share-sessions.ts'
import { share } from '../wrappers/share.ts'
import type { SharedServer } from '../wrappers/share.ts'

export interface UpstreamOptions {
  /** The name of the server in `/status` and in the log. */
  label: string
  /** Makes the transport to the server. */
  connect: () => Duplex
  /** Whether the server is at a URL (default: false, it is a process). */
  remote?: boolean | undefined
  /** Whether all sessions share one process. If not, each session has its own process. */
  shared: boolean
  /** How many processes the proxy starts before a session needs them. */
  prewarm: number
  limits: Limits
  log: Log
}

export class Upstream {
  readonly label: string
  state: ServerState = 'configured'
  readonly #options: UpstreamOptions
  readonly #pool: ReturnType<typeof prewarm>
  /** The open transports to the server, for clients of every kind. */
  readonly #servers = new Set<Duplex>()
  #sessions: SharedSessions | undefined
  #modern: { server: SharedServer; tools: ToolCache } | undefined
  /** The error for modern clients. It is set when the proxy knows that the server is legacy. */
  #legacyError: ProxyError | undefined

  constructor(options: UpstreamOptions) {
    this.label = options.label
    this.#options = options
    this.#pool = prewarm(options.connect, options.prewarm)
  }

  /**
   * Returns a transport to the server for one client.
   *
   * @throws ProxyError `ERR_LEGACY_SERVER` for a modern client, if the server is known to be legacy
   */
  connect(kind: ClientKind): Duplex {
    switch (kind) {
      case 'session':
        return this.#options.shared ? this.#sharedSessions().port() : this.#reconnect()
      case 'stateless':
        return this.#sharedSessions().port(false)
      case 'modern':
        return this.#sharedModern().server.port()
    }
  }

  /**
   * Returns the parameters of a tool that a call must repeat in its HTTP headers (2026-07-28).
   *
   * @throws ProxyError `ERR_LEGACY_SERVER`, and the errors of the server
   */
  paramsOf(tool: string): MirroredParam[] | Promise<MirroredParam[]> {
    const { server, tools } = this.#sharedModern()
    return server.isReady ? tools.paramsOf(tool) : server.ready().then(() => tools.paramsOf(tool))
  }

  /** Ends each process as soon as no client uses it. */
  drain(): void {
    void this.#pool.destroy()
    this.#sessions?.drain()
    this.#modern?.server.drain()
  }

  /** Ends all processes of this server. Resolves when the processes have exited. */
  async destroy(): Promise<void> {
    const closed = [...this.#servers].map(
      (server) => new Promise((resolve) => server.once('close', resolve).destroy())
    )
    await Promise.all([...closed, this.#pool.destroy()])
  }

  #reconnect(): Duplex {
    const { limits, log, remote } = this.#options
    const server = reconnect(this.#pool.connect, { ...limits, log, remote, failsAtStart: true })
    let wasReady = false
    server.once('ready', () => {
      wasReady = true
      this.state = 'configured'
    })
    this.#servers.add(server)
    server.once('error', (error: ProxyError) => {
      // A refusal because of the era, or a client that disconnects, does not mark the server as
      // failed.
      if (wasReady || error.code === 'ERR_LEGACY_SERVER' || isAbort(error)) return
      this.state = 'failed'
    })
    server.once('close', () => this.#servers.delete(server))
    return server
  }

  #sharedSessions(): SharedSessions {
    const { limits, log } = this.#options
    this.#sessions ??= shareSessions(() => this.#reconnect(), { ...limits, log })
    return this.#sessions
  }

  #sharedModern(): { server: SharedServer; tools: ToolCache } {
    if (this.#legacyError !== undefined) throw this.#legacyError
    this.#modern ??= this.#shareModern()
    return this.#modern
  }

  #shareModern(): { server: SharedServer; tools: ToolCache } {
    const { limits, log } = this.#options
    const server = share(() => this.#reconnect(), {
      ...limits,
      log,
      prepare: (server) => this.#discover(server)
    })
    return { server, tools: new ToolCache(() => server.port(), limits.connectTimeout, log) }
  }

  async #discover(server: Duplex): Promise<void> {
    try {
      await discover(server, this.#options.limits.connectTimeout)
    } catch (error) {
      if (error instanceof ProxyError && error.code === 'ERR_LEGACY_SERVER') {
        this.#legacyError = error
      }
      throw error
    }
  }
}
