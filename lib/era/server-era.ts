// What the proxy knows about the era of one server. All clients of the server use one object, so the
// server is probed once, and not once a request.

import type { Duplex } from 'node:stream'
import type { Era } from './discover.ts'
import { probe } from './probe.ts'
import type { ProbeOptions, Verdict } from './probe.ts'

export class ServerEra {
  readonly #isFixed: boolean
  #known: Era | undefined
  #probing: Promise<Verdict> | undefined

  /** @param setting the era, if the user knows it. `auto`: it has to be found out */
  constructor(setting: Era | 'auto' = 'auto') {
    this.#isFixed = setting !== 'auto'
    this.#known = setting === 'auto' ? undefined : setting
  }

  /** The era. Undefined as long as it is not known. */
  get known(): Era | undefined {
    return this.#known
  }

  /** Whether the user has set the era, so that nothing that a server does changes it. */
  get isFixed(): boolean {
    return this.#isFixed
  }

  /** Notes what a server has shown. */
  learn(era: Era): void {
    if (!this.#isFixed) this.#known = era
  }

  /** Forgets the era, because the server does not behave like it. The next `find` probes again. */
  forget(): void {
    if (!this.#isFixed) this.#known = undefined
  }

  /**
   * Probes the server that `connect` makes, unless a probe runs already. Resolves to the era and,
   * for the first caller only, to the transport of the probe if it can be used further.
   *
   * @throws ProxyError the errors of `probe`
   */
  async find(connect: () => Duplex, options: ProbeOptions): Promise<Verdict> {
    if (this.#probing !== undefined) return { ...(await this.#probing), server: undefined }
    this.#probing = probe(connect(), options)
    try {
      const verdict = await this.#probing
      this.learn(verdict.era)
      return verdict
    } finally {
      this.#probing = undefined
    }
  }
}
