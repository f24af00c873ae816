// A server that clients can ask for: gives to each kind of client the transport that suits it, and
// knows whether the server could be started.

import type { Duplex } from 'node:stream'
import { ProxyError } from '../errors.ts'
import type { Frame } from '../frame.ts'
import type { ArrivalKind, ServerState } from '../http/listener.ts'
import type { Limits } from '../limits.ts'
import type { Log } from '../log.ts'
import type { MirroredParam } from '../transports/mcp-headers.ts'
import { prewarm } from '../wrappers/prewarm.ts'
import { reconnect } from '../wrappers/reconnect.ts'
import { share } from '../wrappers/share.ts'
import type { SharedServer } from '../wrappers/share.ts'
import { shareSessions } from '../wrappers/share-sessions.ts'
import type { SharedSessions } from '../wrappers/share-sessions.ts'
import { ToolBook, discovery } from '../wrappers/tool-book.ts'

export interface TargetOptions {
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

export class Target {
  readonly label: string
  state: ServerState = 'configured'
  readonly #options: TargetOptions
  readonly #pool: ReturnType<typeof prewarm>
  /** Transports to the server of which nobody else would see that they end. */
  readonly #own = new Set<Duplex>()
  #sessions: SharedSessions | undefined
  #modern: { server: SharedServer; tools: ToolBook } | undefined
  /** Why the server cannot be spoken to in the modern revision, once that is known. */
  #legacy: ProxyError | undefined

  constructor(options: TargetOptions) {
    this.label = options.label
    this.#options = options
    this.#pool = prewarm(options.connect, options.prewarm)
  }

  /**
   * Gives the transport for a client.
   *
   * @throws ProxyError `ERR_LEGACY_SERVER` for a modern client of a server that is known to be legacy
   */
  connect(kind: ArrivalKind): Duplex {
    switch (kind) {
      case 'session':
        return this.#options.shared ? this.#sharedSessions().port() : this.#reconnect()
      case 'stateless':
        return this.#sharedSessions().port(false)
      case 'modern':
        return this.#sharedModern().server.port()
    }
  }

  /** The parameters of a tool that are mirrored in headers (2026-07-28). */
  async paramsOf(tool: string): Promise<MirroredParam[]> {
    return this.#legacy === undefined ? this.#sharedModern().tools.paramsOf(tool) : []
  }

  /** Ends all processes. Resolves when they have gone. */
  async destroy(): Promise<void> {
    const own = [...this.#own].map(
      (server) => new Promise((resolve) => server.once('close', resolve).destroy())
    )
    await Promise.all([
      ...own,
      this.#pool.destroy(),
      this.#sessions?.destroy(),
      this.#modern?.server.destroy()
    ])
  }

  #reconnect(): Duplex {
    const { limits, log } = this.#options
    const server = reconnect(this.#pool.connect, { ...limits, log })
    let works = false
    server.once('open', () => {
      works = true
      this.state = 'configured'
    })
    this.#own.add(server)
    server.once('error', () => {
      if (!works) this.state = 'failed'
    })
    server.once('close', () => this.#own.delete(server))
    return server
  }

  #sharedSessions(): SharedSessions {
    const { limits, log } = this.#options
    this.#sessions ??= shareSessions(() => this.#reconnect(), { ...limits, log })
    return this.#sessions
  }

  #sharedModern(): { server: SharedServer; tools: ToolBook } {
    if (this.#legacy !== undefined) throw this.#legacy
    if (this.#modern !== undefined) return this.#modern
    const { limits, log } = this.#options
    const server = share(() => this.#reconnect(), {
      ...limits,
      log,
      opening: [discovery()],
      onOpened: checkModern
    })
    server.ready().catch((error: unknown) => {
      // Silence is an answer too: a legacy server need not answer what it does not know.
      const { code } = error as ProxyError
      if (code === 'ERR_TIMEOUT' || code === 'ERR_LEGACY_SERVER') this.#legacy = legacyServer()
      this.#modern = undefined
    })
    const tools = new ToolBook(() => server.port(), limits.connectTimeout)
    this.#modern = { server, tools }
    return this.#modern
  }
}

/** Looks at a server's answer to `server/discover` (2026-07-28, stdio, Backward Compatibility). */
function checkModern(answer: Frame | undefined): void {
  const { result } = answer?.message() ?? {}
  const { errorCode = 0 } = answer ?? {}
  const isModern = 'supportedVersions' in Object(result) || modernErrors.has(errorCode)
  if (!isModern) throw legacyServer()
}

const modernErrors = new Set([-32020, -32021, -32022])

function legacyServer(): ProxyError {
  const message = 'this server knows only revisions that open with initialize'
  return new ProxyError('ERR_LEGACY_SERVER', message)
}
