// What happens when the server that modern clients share turns into a legacy one: a process that was
// started again, or a server at a URL. The requests that are under way then use one translation. Each
// later request uses the translation of its client.

import type { Duplex } from 'node:stream'
import type { Translator } from '../wrappers/opening.ts'
import { asModern } from './as-modern.ts'
import type { AsModernOptions } from './as-modern.ts'
import { legacyServerError } from './discover.ts'
import { EraCheck, seemsLegacy } from './era-check.ts'
import type { EraCheckOptions } from './era-check.ts'
import { probe } from './probe.ts'

export interface ModernTurnOptions extends AsModernOptions, EraCheckOptions {
  connectTimeout: number
  /** Whether the server is at a URL. */
  remote: boolean
  /** Makes the transport to a legacy server, which outlives its process. */
  toLegacy: (probed?: Duplex) => Duplex
  /** Whether requests of several clients may use one translation. */
  mayTranslate: () => boolean
}

export class ModernTurn {
  readonly #options: ModernTurnOptions
  /** The option of `reconnect`. Undefined if the user has set the era. */
  readonly translator: Translator | undefined

  constructor(options: ModernTurnOptions) {
    this.#options = options
    const { era, mayTranslate, remote } = options
    if (era.isFixed) return
    const check = new EraCheck(options)
    this.translator = {
      actionFor: () => 'ignore',
      translate: () => Promise.resolve(undefined),
      ...(remote
        ? {
            hasTurned: (request, response) =>
              seemsLegacy(request, response)
                ? check.differsFrom('modern').then((differs) => differs && mayTranslate())
                : undefined
          }
        : { prepare: (server) => this.#prepare(server) })
    }
  }

  /** Connects to the server, as modern clients see it. */
  connect(connect: () => Duplex): Duplex {
    return this.#options.era.known === 'legacy' ? this.#translated() : connect()
  }

  async #prepare(server: Duplex): Promise<Duplex> {
    const { era } = this.#options
    const verdict = await probe(server, this.#options)
    era.learn(verdict.era)
    if (verdict.era === 'modern') return verdict.server as Duplex
    // Its process has no client yet, so the translation can use it.
    return this.#translated(verdict.server)
  }

  #translated(probed?: Duplex): Duplex {
    const { mayTranslate, toLegacy } = this.#options
    if (!mayTranslate()) {
      probed?.destroy()
      throw legacyServerError()
    }
    let first = probed
    const connect = (): Duplex => {
      const server = toLegacy(first)
      first = undefined
      return server
    }
    const server = asModern(connect, this.#options)
    return server.port().once('close', () => {
      first?.destroy()
      void server.destroy()
    })
  }
}
