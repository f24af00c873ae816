// How legacy clients reach a server. If the server serves legacy clients, they use it as it is. If it
// is only modern, `asLegacy` translates. The proxy learns that when the server refuses `initialize`:
// then it asks the same process for its era. If a translated server refuses it, the server has turned
// into a legacy one.

import type { Duplex } from 'node:stream'
import { silent } from '../log.ts'
import type { Log } from '../log.ts'
import { describe } from '../errors.ts'
import type { ProxyError } from '../errors.ts'
import type { Frame } from '../message/frame.ts'
import { methods } from '../protocol/methods.ts'
import type { OpeningRequest, Translator } from '../wrappers/opening.ts'
import { asLegacy } from './as-legacy.ts'
import type { AsLegacyOptions } from './as-legacy.ts'
import { discover } from './discover.ts'
import { EraCheck, seemsLegacy, seemsModern } from './era-check.ts'
import { gone, probe } from './probe.ts'
import type { ServerEra } from './server-era.ts'

export interface LegacySideOptions extends AsLegacyOptions {
  era: ServerEra
  /** Makes a transport to the server. */
  connect: () => Duplex
  /** Whether the server is at a URL. */
  remote?: boolean | undefined
  /** False: legacy clients use the server as it is. */
  translate: boolean
  connectTimeout: number
  /** How long a server that has refused `initialize` may take to tell its era, in ms. */
  probeTimeout: number
  log?: Log | undefined
}

export class LegacySide {
  readonly #options: LegacySideOptions
  readonly #log: Log
  readonly #check: EraCheck
  /** The transports that translate. */
  readonly #translated = new WeakSet<Duplex>()
  /** The option of `reconnect`. Undefined if a refusal leads to no translation. */
  readonly translator: Translator | undefined

  constructor(options: LegacySideOptions) {
    this.#options = options
    this.#log = options.log ?? silent
    this.#check = new EraCheck(options)
    const { era, remote, translate } = options
    if (!translate || era.isFixed) return
    this.translator = {
      actionFor: ({ method }) => (method === methods.initialize ? 'send' : 'ignore'),
      translate: (opening) => this.afterRefusal(opening),
      distrusts: (error) => this.distrusts(error),
      ...(remote === true && {
        hasTurned: (request, response, server) => this.hasTurned(request, response, server)
      })
    }
  }

  /** Makes a transport to the server, as legacy clients see it. */
  connect(connect = this.#options.connect): Duplex {
    const { era, translate } = this.#options
    return translate && era.refusesLegacy ? this.asLegacy(connect()) : connect()
  }

  /** Returns a modern server as legacy clients see it. */
  asLegacy(server: Duplex): Duplex {
    const translated = asLegacy(server, this.#options)
    this.#translated.add(translated)
    return translated
  }

  /**
   * Asks a server that has refused `initialize` for its era. Resolves to the transport to use, or to
   * undefined if the refusal has another reason.
   */
  async afterRefusal({ server }: OpeningRequest): Promise<Duplex | undefined> {
    const { connect, era, probeTimeout } = this.#options
    const isTranslated = server === undefined ? era.refusesLegacy : this.#translated.has(server)
    if (isTranslated) return this.#afterTranslation(server)
    const transport = server ?? connect()
    try {
      const found = await discover(transport, probeTimeout)
      if (found === 'modern') era.learnRefusal()
      else era.learn('legacy')
    } catch (error) {
      // The client gets the refusal, which says more than this error.
      this.#log.debug(`cannot find out the era of the server: ${describe(error)}`)
    }
    if (era.known === 'modern' && !transport.destroyed) return this.asLegacy(transport)
    if (transport !== server) transport.destroy()
    return undefined
  }

  /** A legacy server need not answer `server/discover`, and may exit. So these mean a refusal too. */
  distrusts({ code }: ProxyError): boolean {
    const isAnswer = code === 'ERR_TIMEOUT' || code === 'ERR_SERVER_EXITED'
    return isAnswer && this.#options.era.refusesLegacy
  }

  /** See `Translator`. */
  hasTurned(request: Frame, response: Frame, server: Duplex): Promise<boolean> | undefined {
    if (this.#translated.has(server)) {
      return seemsLegacy(request, response) ? this.#check.differsFrom('modern') : undefined
    }
    return seemsModern(response) ? this.#check.differsFrom('legacy') : undefined
  }

  /** The translation to a modern server has failed. Resolves to the transport to use now. */
  async #afterTranslation(server: Duplex | undefined): Promise<Duplex> {
    const { connect, era } = this.#options
    if (server !== undefined) await gone(server)
    try {
      const verdict = await probe(connect(), this.#options)
      era.learn(verdict.era)
      if (verdict.era === 'modern') return this.asLegacy(verdict.server as Duplex)
      // A legacy client never uses the process of a probe.
      if (verdict.server !== undefined) await gone(verdict.server)
    } catch (error) {
      this.#log.debug(`cannot find out the era of the server: ${describe(error)}`)
    }
    return this.connect()
  }
}
