// How modern clients reach a server. All modern clients share it. If the server is modern, they use
// it as it is. If it is legacy, `asModern` translates. The first modern client waits for a probe of
// a process that no other client uses. This process is then the first one that modern clients use.

import type { Duplex } from 'node:stream'
import { asModern } from '../era/as-modern.ts'
import type { ModernServer } from '../era/as-modern.ts'
import { discover, legacyServerError } from '../era/discover.ts'
import type { Era } from '../era/discover.ts'
import { gone, probe } from '../era/probe.ts'
import type { ServerEra } from '../era/server-era.ts'
import { ToolCache } from '../era/tool-cache.ts'
import type { Limits } from '../limits.ts'
import type { Log } from '../log.ts'
import type { Frame } from '../message/frame.ts'
import type { MirroredParam } from '../protocol/mirrored-headers.ts'
import { share } from '../wrappers/share.ts'
import type { SharedServer } from '../wrappers/share.ts'

export interface ModernSideOptions {
  era: ServerEra
  /** False: modern clients of a legacy server get an error. */
  translate: boolean
  limits: Limits
  log: Log
  /** Makes a transport for the probe. */
  connect: () => Duplex
  /**
   * Makes a transport to a modern server, which outlives its process.
   *
   * @param probed the transport of the probe, to be used first
   */
  toModern: (probed: Duplex | undefined) => Duplex
  /** The same for a legacy server. */
  toLegacy: (probed: Duplex | undefined) => Duplex
}

/** A server that many modern clients use. */
interface ServerOfMany {
  /** The server itself. Undefined if it is translated. */
  shared?: SharedServer
  /** @param principal the user of the client. A translated server keeps users apart */
  port(principal?: string): Duplex
  drain(): void
  /** A translated server keeps calls whose clients must come back: see `ModernServer`. */
  held?: Pick<ModernServer, 'holds' | 'hasHeld' | 'callsEnd'>
}

/** The server as modern clients see it, and what is known about its tools. */
interface Served {
  era: Era
  server: ServerOfMany
  /**
   * Starts the server if it does not run. Undefined if it is ready. A translated server starts when
   * it gets a request, because the request says which connection it needs.
   */
  start: () => Promise<unknown> | undefined
  tools: ToolCache
}

export class ModernSide {
  readonly #options: ModernSideOptions
  #served: Served | undefined
  /** Set while the era is not known. */
  #finding: Promise<Served> | undefined
  /** The transport of the probe, until a client needs it. */
  #probed: Duplex | undefined
  /** Whether the proxy knows the users of clients. Different users never share a translation. */
  hasUsers = false

  constructor(options: ModernSideOptions) {
    this.#options = options
  }

  /**
   * Returns a transport for one client. It resolves as soon as the server is ready.
   *
   * @param principal the user of the client, if clients need a token
   */
  port(principal?: string): Duplex | Promise<Duplex> {
    this.hasUsers ||= principal !== undefined
    return this.#whenReady(({ server }) => server.port(principal))
  }

  /** Returns the server if it is modern and ready. See `Upstream.sharedFor`. */
  shared(principal?: string): SharedServer | undefined {
    this.hasUsers ||= principal !== undefined
    const served = this.#served
    if (served === undefined || served.era !== this.#options.era.known) return undefined
    const { shared } = served.server
    return shared?.isReady === true ? shared : undefined
  }

  /** See `Upstream`. */
  paramsOf(tool: string, call: Frame): MirroredParam[] | Promise<MirroredParam[]> {
    return this.#whenReady<MirroredParam[] | Promise<MirroredParam[]>>(({ tools }) =>
      tools.paramsOf(tool, call)
    )
  }

  /** The calls of a translated server whose clients must come back. Undefined: there are none. */
  get held(): ServerOfMany['held'] {
    return this.#served?.server.held
  }

  drain(): void {
    this.#served?.server.drain()
  }

  #whenReady<Result>(use: (served: Served) => Result): Result | Promise<Awaited<Result>> {
    const served = this.#serve()
    if (served instanceof Promise) return served.then((served) => whenReady(served, use))
    const starting = served.start()
    return starting === undefined ? use(served) : whenReady(served, use, starting)
  }

  #serve(): Served | Promise<Served> {
    const { known } = this.#options.era
    if (known === undefined) {
      this.#finding ??= this.#find().finally(() => (this.#finding = undefined))
      return this.#finding
    }
    return this.#serveAs(known)
  }

  #serveAs(era: Era): Served {
    if (this.#served?.era === era) return this.#served
    if (era === 'legacy' && !this.#options.translate) throw legacyServerError()
    // The server has changed its era. The clients of the old one may finish.
    this.#served?.server.drain()
    const { limits, log } = this.#options
    const serve = (server: ServerOfMany, start: Served['start']): Served => {
      const tools = new ToolCache(() => server.port(), limits.connectTimeout, log)
      return { era, server, start, tools }
    }
    if (era === 'modern') {
      const shared = this.#share()
      const server = { port: () => shared.port(), drain: () => shared.drain(), shared }
      this.#served = serve(server, () => (shared.isReady ? undefined : shared.ready()))
    } else {
      this.#served = serve(this.#translate(), () => undefined)
    }
    return this.#served
  }

  async #find(): Promise<Served> {
    const { connect, era, limits, translate } = this.#options
    const verdict = await probe(connect(), limits)
    era.learn(verdict.era)
    if (verdict.era === 'legacy' && !translate && verdict.server !== undefined) {
      await gone(verdict.server)
    } else {
      this.#probed = verdict.server
    }
    return this.#serveAs(verdict.era)
  }

  #share(): SharedServer {
    const { era, limits, log, toModern } = this.#options
    let isProbed = false
    const connect = (): Duplex => {
      const probed = this.#takeProbed()
      isProbed = probed !== undefined || era.isFixed
      return toModern(probed)
    }
    const prepare = async (server: Duplex): Promise<void> => {
      if (isProbed || (await discover(server, limits.connectTimeout)) === 'modern') return
      era.learn('legacy')
      throw legacyServerError()
    }
    return share(connect, { ...limits, log, prepare })
  }

  #translate(): ServerOfMany {
    const { limits, log, toLegacy } = this.#options
    const server = asModern(() => toLegacy(this.#takeProbed()), { ...limits, log })
    return {
      port: (principal) => server.port(principal),
      drain: () => server.drain(),
      held: server
    }
  }

  #takeProbed(): Duplex | undefined {
    const probed = this.#probed
    this.#probed = undefined
    return probed
  }
}

async function whenReady<Result>(
  served: Served,
  use: (served: Served) => Result,
  starting = served.start()
): Promise<Awaited<Result>> {
  await starting
  return await use(served)
}
