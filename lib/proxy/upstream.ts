// A server that clients can ask for: gives to each kind of client the transport that suits it, and
// knows whether the server could be started.

import type { Duplex } from 'node:stream'
import { discover } from '../era/discover.ts'
import { ToolBook } from '../era/tool-book.ts'
import { isAbort, ProxyError } from '../errors.ts'
import type { ClientKind } from '../http-server/client-context.ts'
import type { ServerState } from '../http-server/listener.ts'
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
  /** As it is called in `/status` and in the log. */
  label: string
  /** Makes the transport to the server itself. */
  connect: () => Duplex
  /** Sessions share one process. */
  shared: boolean
  /** Processes started ahead. */
  prewarm: number
  limits: Limits
  log: Log
}

export class Upstream {
  readonly label: string
  state: ServerState = 'configured'
  readonly #options: UpstreamOptions
  readonly #pool: ReturnType<typeof prewarm>
  /** All that there are now, for clients of whatever kind. */
  readonly #servers = new Set<Duplex>()
  #sessions: SharedSessions | undefined
  #modern: { server: SharedServer; tools: ToolBook } | undefined
  /** Why the server cannot be spoken to in the modern revision, once that is known. */
  #legacy: ProxyError | undefined

  constructor(options: UpstreamOptions) {
    this.label = options.label
    this.#options = options
    this.#pool = prewarm(options.connect, options.prewarm)
  }

  /**
   * Gives the transport for a client.
   *
   * @throws ProxyError `ERR_LEGACY_SERVER` for a modern client of a server that is known to be legacy
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
   * The parameters of a tool that are mirrored in headers (2026-07-28).
   *
   * @throws ProxyError `ERR_LEGACY_SERVER`, and the errors of the server
   */
  paramsOf(tool: string): MirroredParam[] | Promise<MirroredParam[]> {
    const { server, tools } = this.#sharedModern()
    return server.isReady ? tools.paramsOf(tool) : server.ready().then(() => tools.paramsOf(tool))
  }

  /** Ends all processes. Resolves when they have gone. */
  async destroy(): Promise<void> {
    const gone = [...this.#servers].map(
      (server) => new Promise((resolve) => server.once('close', resolve).destroy())
    )
    await Promise.all([...gone, this.#pool.destroy()])
  }

  #reconnect(): Duplex {
    const { limits, log } = this.#options
    const server = reconnect(this.#pool.connect, { ...limits, log })
    let works = false
    server.once('open', () => {
      works = true
      this.state = 'configured'
    })
    this.#servers.add(server)
    server.once('error', (error: ProxyError) => {
      // One that only knows other revisions is none the worse for it, nor for a client that leaves.
      if (works || error.code === 'ERR_LEGACY_SERVER' || isAbort(error)) return
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

  #sharedModern(): { server: SharedServer; tools: ToolBook } {
    if (this.#legacy !== undefined) throw this.#legacy
    this.#modern ??= this.#shareModern()
    return this.#modern
  }

  #shareModern(): { server: SharedServer; tools: ToolBook } {
    const { limits, log } = this.#options
    const server = share(() => this.#reconnect(), {
      ...limits,
      log,
      open: (server) => this.#discover(server)
    })
    return { server, tools: new ToolBook(() => server.port(), limits.connectTimeout, log) }
  }

  async #discover(server: Duplex): Promise<void> {
    try {
      await discover(server, this.#options.limits.connectTimeout)
    } catch (error) {
      if (error instanceof ProxyError && error.code === 'ERR_LEGACY_SERVER') this.#legacy = error
      throw error
    }
  }
}
