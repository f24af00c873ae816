// How legacy clients reach a server. If the server is legacy, they use it as it is. If it is modern,
// `asLegacy` translates. The proxy learns that when the server refuses `initialize`: then it asks the
// same process for its era.

import type { Duplex } from 'node:stream'
import { silent } from '../log.ts'
import type { Log } from '../log.ts'
import { describe } from '../errors.ts'
import { methods } from '../protocol/methods.ts'
import type { OpeningRequest, Translator } from '../wrappers/opening.ts'
import { asLegacy } from './as-legacy.ts'
import type { AsLegacyOptions } from './as-legacy.ts'
import { discover } from './discover.ts'
import type { ServerEra } from './server-era.ts'

export interface LegacySideOptions extends AsLegacyOptions {
  era: ServerEra
  /** Makes a transport to the server. */
  connect: () => Duplex
  /** False: legacy clients use the server as it is. */
  translate: boolean
  /** How long a server that has refused `initialize` may take to tell its era, in ms. */
  probeTimeout: number
  log?: Log | undefined
}

export class LegacySide {
  readonly #options: LegacySideOptions
  /** The option of `reconnect`. Undefined if a refusal leads to no translation. */
  readonly translator: Translator | undefined

  constructor(options: LegacySideOptions) {
    this.#options = options
    const { era, translate } = options
    if (!translate || era.isFixed) return
    this.translator = {
      actionFor: ({ method }) => (method === methods.initialize ? 'send' : 'ignore'),
      translate: (opening) => this.afterRefusal(opening)
    }
  }

  /** Makes a transport to the server, as legacy clients see it. */
  connect(connect = this.#options.connect): Duplex {
    const { era, translate } = this.#options
    return translate && era.known === 'modern' ? asLegacy(connect(), this.#options) : connect()
  }

  /**
   * Asks a server that has refused `initialize` for its era. Resolves to a translating transport if
   * the server is modern.
   */
  async afterRefusal({ server }: OpeningRequest): Promise<Duplex | undefined> {
    const { connect, era, probeTimeout, log = silent } = this.#options
    const transport = server ?? connect()
    try {
      era.learn(await discover(transport, probeTimeout))
    } catch (error) {
      // The client gets the refusal, which says more than this error.
      log.debug(`cannot find out the era of the server: ${describe(error)}`)
    }
    if (era.known === 'modern' && !transport.destroyed) return asLegacy(transport, this.#options)
    if (transport !== server) transport.destroy()
    return undefined
  }
}
