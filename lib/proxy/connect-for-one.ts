// The transport to a server for one client, for example at stdin and stdout. The first request of
// the client shows the era of the client: `initialize` is legacy, a request that names a modern
// revision is modern. If the server is of the other era, the transport translates.

import type { Duplex } from 'node:stream'
import type { EraSetting, TranslateSetting } from '../config/config.ts'
import type { asModern } from '../era/as-modern.ts'
import { discover, eraOf } from '../era/discover.ts'
import { EraCheck, seemsLegacy } from '../era/era-check.ts'
import { LegacySide } from '../era/legacy-side.ts'
import { ServerEra } from '../era/server-era.ts'
import { describe } from '../errors.ts'
import type { ProxyError } from '../errors.ts'
import { limits } from '../limits.ts'
import type { LimitOptions } from '../limits.ts'
import { silent } from '../log.ts'
import type { Log } from '../log.ts'
import type { Frame } from '../message/frame.ts'
import { methods } from '../protocol/methods.ts'
import { isModernVersion } from '../protocol/revisions.ts'
import type { OpeningRequest, Translator } from '../wrappers/opening.ts'
import { reconnect } from '../wrappers/reconnect.ts'
import type { ReconnectTransport } from '../wrappers/reconnect.ts'
import { countingRestarts } from './restarts.ts'

export interface ConnectForOneOptions extends LimitOptions {
  /** The era of the server (default: auto). */
  era?: EraSetting | undefined
  /** Whether the proxy translates between the eras (default: auto). */
  translate?: TranslateSetting | undefined
  /** Whether the server is at a URL (default: false, it is a process). */
  remote?: boolean | undefined
  log?: Log | undefined
}

/** Returns a transport to the server that `connect` connects to. See `reconnect`. */
export function connectForOne(
  connect: () => Duplex,
  options: ConnectForOneOptions = {}
): ReconnectTransport {
  const { translate, ...others } = options
  const { remote = false } = others
  const settings = { ...others, failsAtStart: !remote }
  const restart = { server: '', remote }
  if (translate === 'off') return reconnect(countingRestarts(connect, restart), settings)
  const translator = new OneClient(connect, options)
  const next = countingRestarts(() => translator.connect(), restart)
  return reconnect(next, { ...settings, translator })
}

class OneClient implements Translator {
  readonly #connect: () => Duplex
  readonly #options: ConnectForOneOptions
  readonly #era: ServerEra
  readonly #legacy: LegacySide
  readonly #log: Log
  readonly #check: EraCheck
  /** The era of the client. Undefined before its first request. */
  #client: 'legacy' | 'modern' | undefined
  /** The transports that translate for a modern client. */
  readonly #translated = new WeakSet<Duplex>()
  readonly hasTurned: Translator['hasTurned']
  /** Set when the client is modern and the server is legacy. Few clients need it, so it loads late. */
  #asModern: typeof asModern | undefined

  constructor(connect: () => Duplex, options: ConnectForOneOptions) {
    this.#connect = connect
    this.#options = options
    this.#log = options.log ?? silent
    this.#era = new ServerEra(options.era)
    const { connectTimeout = limits.connectTimeout, probeTimeout = limits.probeTimeout } = options
    const more = { ...options, era: this.#era, connect, connectTimeout, probeTimeout }
    this.#legacy = new LegacySide({ ...more, translate: true })
    this.#check = new EraCheck(more)
    if (options.remote !== true || this.#era.isFixed) return
    this.hasTurned = (request, response, server) =>
      this.#client === 'modern'
        ? this.#hasTurnedForModern(request, response, server)
        : this.#legacy.hasTurned(request, response, server)
  }

  /** Connects to the server, as the client needs it. Before its first request, it needs nothing. */
  connect(): Duplex {
    const isTranslated = this.#client === 'modern' && this.#era.known === 'legacy'
    if (isTranslated && this.#asModern !== undefined) return this.#connectModern(this.#asModern)
    return this.#client === 'legacy' ? this.#legacy.connect() : this.#connect()
  }

  actionFor({ method, protocolVersion }: Frame): 'send' | 'ask' | 'ignore' {
    const { known } = this.#era
    if (isModernVersion(protocolVersion)) {
      this.#client = 'modern'
      if (known === undefined) return method === methods.discover ? 'send' : 'ask'
      return known === 'legacy' ? 'ask' : 'ignore'
    }
    if (method !== methods.initialize) return 'ignore'
    this.#client = 'legacy'
    return this.#era.refusesLegacy ? 'ask' : 'send'
  }

  async translate(opening: OpeningRequest): Promise<Duplex | undefined> {
    const { request, refusal, server } = opening
    if (isModernVersion(request.protocolVersion)) return this.#toModern(opening)
    if (refusal === undefined && server !== undefined) return this.#legacy.asLegacy(server)
    return this.#era.isFixed ? undefined : this.#legacy.afterRefusal(opening)
  }

  distrusts(error: ProxyError): boolean {
    return this.#client === 'legacy' && this.#legacy.distrusts(error)
  }

  #hasTurnedForModern(
    request: Frame,
    response: Frame,
    server: Duplex
  ): Promise<boolean> | undefined {
    if (this.#translated.has(server)) return this.#check.differsFrom('legacy')
    if (!seemsLegacy(request, response)) return undefined
    return this.#check.differsFrom('modern').then(async (differs) => {
      if (differs) await this.#loadAsModern()
      return differs
    })
  }

  async #loadAsModern(): Promise<typeof asModern> {
    const { asModern } = await import('../era/as-modern.ts')
    return (this.#asModern = asModern)
  }

  async #toModern({ refusal, server }: OpeningRequest): Promise<Duplex | undefined> {
    const isLate = this.#era.known === undefined && (await this.#find(refusal, server))
    if (isLate) {
      // The late response to the proxy's own request would reach the client.
      server?.destroy()
      return this.#connect()
    }
    if (this.#era.known !== 'legacy') return undefined
    // The modern client cannot use this transport. The next one is of its legacy connection.
    server?.destroy()
    return this.#connectModern(await this.#loadAsModern())
  }

  #connectModern(translate: typeof asModern): Duplex {
    // The client's own requests show that a server at a URL has turned into a modern one.
    const translator = this.hasTurned === undefined ? this.#legacy.translator : undefined
    const settings = { ...this.#options, failsAtStart: true, translator }
    const connect = (): Duplex => reconnect(() => this.#legacy.connect(), settings)
    // The connection lives as long as the client, which may be idle for hours.
    const server = translate(connect, { ...this.#options, detachedTimeout: 0 })
    const port = server.port().once('close', () => void server.destroy())
    this.#translated.add(port)
    return port
  }

  /**
   * Finds out the era of the server: by its response to `server/discover`, or by a new one. Resolves to
   * true if a response may still come.
   */
  async #find(refusal: Frame | undefined, server: Duplex | undefined): Promise<boolean> {
    if (refusal !== undefined) {
      const era = eraOf(refusal)
      if (era !== undefined) this.#era.learn(era)
    } else if (server !== undefined) {
      const { connectTimeout = limits.connectTimeout } = this.#options
      try {
        this.#era.learn(await discover(server, connectTimeout))
      } catch (error) {
        // The server gets the request of the client, which then learns what is wrong.
        this.#log.debug(`cannot find out the era of the server: ${describe(error)}`)
        return (error as ProxyError).code === 'ERR_TIMEOUT'
      }
    }
    return false
  }
}
