// One server that clients can use. It gives each client a transport: either to a process for this
// session alone, or to a process that many clients share. If the client and the server are of
// different eras, the transport translates. It keeps whether the server could start.

import type { Duplex } from 'node:stream'
import type { EraSetting, TranslateSetting } from '../config/config.ts'
import { LegacySide } from '../era/legacy-side.ts'
import { ModernTurn } from '../era/modern-turn.ts'
import { ServerEra } from '../era/server-era.ts'
import { isAbort } from '../errors.ts'
import type { ProxyError } from '../errors.ts'
import type { ClientKind } from '../http-server/client-context.ts'
import type { ServerState } from '../http-server/status-endpoint.ts'
import type { Limits } from '../limits.ts'
import type { Log } from '../log.ts'
import type { Frame } from '../message/frame.ts'
import type { MirroredParam } from '../protocol/mirrored-headers.ts'
import { filterBy } from '../wrappers/filter.ts'
import { Selector } from '../wrappers/filter/selection.ts'
import type { Selections } from '../wrappers/filter/selection.ts'
import type { Translator } from '../wrappers/opening.ts'
import { prewarm } from '../wrappers/prewarm.ts'
import { reconnect } from '../wrappers/reconnect.ts'
import { shareSessions } from '../wrappers/share-sessions.ts'
import type { SharedSessions } from '../wrappers/share-sessions.ts'
import type { SharedServer } from '../wrappers/share.ts'
import { ModernSide } from './modern-side.ts'
import { countingRestarts } from './restarts.ts'

export interface UpstreamOptions {
  /** The name of the server in the URLs of clients (default `''`, the default server). */
  name?: string | undefined
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
  /** The era of the server (default: auto). */
  era?: EraSetting
  /** Whether the proxy translates between the eras (default: auto). */
  translate?: TranslateSetting
  /** What clients may use. A name must pass all selections (default: everything). */
  filters?: Selections[]
  limits: Limits
  log: Log
}

export class Upstream {
  readonly label: string
  state: ServerState = 'configured'
  readonly #options: UpstreamOptions
  readonly #pool: ReturnType<typeof prewarm>
  /** The open transports to the server, for clients of every kind, and that of a probe. */
  readonly #servers = new Set<Duplex>()
  readonly #legacy: LegacySide
  readonly #modern: ModernSide
  readonly #selector: Selector
  readonly #filter: (server: Duplex) => Duplex
  readonly #turn: ModernTurn
  #sessions: SharedSessions | undefined

  constructor(options: UpstreamOptions) {
    const { filters = [], limits, log, remote = false, translate: setting } = options
    this.label = options.label
    this.#options = options
    this.#pool = prewarm(options.connect, options.prewarm)
    const era = new ServerEra(options.era)
    const translate = setting !== 'off'
    this.#selector = new Selector(filters)
    this.#filter = filterBy(this.#selector, log)
    const { connect } = this.#pool
    const open = (): Duplex => this.#track(connect())
    const toLegacy = (probed?: Duplex): Duplex => this.#toLegacy(probed)
    const more = { ...limits, log, era, connect: open, remote }
    this.#legacy = new LegacySide({ ...more, translate })
    this.#modern = new ModernSide({
      era,
      translate,
      limits,
      log,
      connect: open,
      toModern: (probed) => this.#toModern(probed),
      toLegacy
    })
    const mayTranslate = (): boolean => translate && !this.#modern.hasUsers
    this.#turn = new ModernTurn({ ...more, toLegacy, mayTranslate })
  }

  /**
   * Returns a transport to the server for one client. For a modern client it may take time to find
   * out the era of the server, or to start it.
   *
   * @param principal the user of the client, if clients need a token
   * @throws ProxyError `ERR_LEGACY_SERVER` for a modern client, if the server is legacy and the proxy
   * does not translate
   */
  connect(kind: Exclude<ClientKind, 'modern'>): Duplex
  connect(kind: ClientKind, principal?: string): Duplex | Promise<Duplex>
  connect(kind: ClientKind, principal?: string): Duplex | Promise<Duplex> {
    const server = this.#connect(kind, principal)
    return server instanceof Promise ? server.then(this.#filter) : this.#filter(server)
  }

  /**
   * Returns the shared server for a request of a client without a session, if nothing else has to handle
   * the request, and the server is ready. Otherwise the client needs a transport: see `connect`.
   */
  sharedFor(request: Frame, kind: ClientKind, principal?: string): SharedServer | undefined {
    if (this.#selector.hidesSome()) return undefined
    if (kind === 'modern') return this.#modern.shared(principal)
    return this.#sessions?.serverFor(request)
  }

  #connect(kind: ClientKind, principal?: string): Duplex | Promise<Duplex> {
    switch (kind) {
      case 'session':
        return this.#options.shared ? this.#sharedSessions().port() : this.#toLegacy()
      case 'stateless':
        return this.#sharedSessions().port(false)
      case 'modern':
        return this.#modern.port(principal)
    }
  }

  /**
   * Returns the parameters of a tool that a call must repeat in its HTTP headers (2026-07-28).
   *
   * @throws ProxyError the errors of `connect`, and the errors of the server
   */
  paramsOf(tool: string, call: Frame): MirroredParam[] | Promise<MirroredParam[]> {
    return this.#selector.shows('tools', tool) ? this.#modern.paramsOf(tool, call) : []
  }

  /** Whether a request continues a call of this server that waits for its client. */
  holds(request: Frame): boolean {
    return this.#modern.held?.holds(request) === true
  }

  /** Whether a call of this server waits for its client. */
  get hasHeld(): boolean {
    return this.#modern.held?.hasHeld === true
  }

  /** Resolves when no call of a modern client is open, not even one that waits for its client. */
  async callsEnd(): Promise<void> {
    await this.#modern.held?.callsEnd()
  }

  /** Ends the processes that wait for a session, and starts no more of them. */
  stopPrewarm(): void {
    void this.#pool.destroy()
  }

  /** Ends each process as soon as no client uses it. */
  drain(): void {
    void this.#pool.destroy()
    this.#sessions?.drain()
    this.#modern.drain()
  }

  /** Ends all processes of this server. Resolves when the processes have exited. */
  async destroy(): Promise<void> {
    const closed = [...this.#servers].map(
      (server) => new Promise((resolve) => server.once('close', resolve).destroy())
    )
    await Promise.all([...closed, this.#pool.destroy()])
  }

  #toLegacy(probed?: Duplex): Duplex {
    const connect = this.#from(probed)
    const { translator } = this.#legacy
    return this.#reconnect(() => this.#legacy.connect(connect), probed, translator)
  }

  #toModern(probed?: Duplex): Duplex {
    const connect = this.#from(probed)
    return this.#reconnect(() => this.#turn.connect(connect), probed, this.#turn.translator)
  }

  /** Returns a function that connects to a server: first to the one that runs already. */
  #from(probed: Duplex | undefined): () => Duplex {
    let first = probed
    return () => {
      const server = first ?? this.#pool.connect()
      first = undefined
      return server
    }
  }

  #reconnect(connect: () => Duplex, probed?: Duplex, translator?: Translator): Duplex {
    const { name = '', limits, log, remote = false } = this.#options
    // A process that runs already may have ended meanwhile. Then another one is started.
    const failsAtStart = probed === undefined
    const server = reconnect(countingRestarts(connect, { server: name, remote }), {
      ...limits,
      log,
      remote,
      failsAtStart,
      translator
    })
    let wasReady = false
    server.once('ready', () => {
      wasReady = true
      this.state = 'configured'
    })
    server.once('error', (error: ProxyError) => {
      // A refusal because of the era, or a client that disconnects, does not mark the server as
      // failed.
      if (wasReady || error.code === 'ERR_LEGACY_SERVER' || isAbort(error)) return
      this.state = 'failed'
    })
    return this.#track(server)
  }

  /** Keeps a transport until it has closed, so that `destroy` ends it. */
  #track(server: Duplex): Duplex {
    this.#servers.add(server)
    return server.once('close', () => this.#servers.delete(server))
  }

  #sharedSessions(): SharedSessions {
    const { limits, log } = this.#options
    this.#sessions ??= shareSessions(() => this.#toLegacy(), { ...limits, log })
    return this.#sessions
  }
}
