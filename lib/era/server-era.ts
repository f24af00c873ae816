// What the proxy knows about the era of one server. All clients of a server use one object, so that
// the server is probed once, and not once a request.
//
// A server of both eras is `modern` here, and legacy clients use it as it is. So for legacy clients
// the era is not enough: they need a translation if the server has refused `initialize`.

import type { Era } from './discover.ts'

export class ServerEra {
  readonly #isFixed: boolean
  #known: Era | undefined
  #refusesLegacy: boolean

  /** @param setting the era, if the user knows it. `auto`: it has to be found out */
  constructor(setting: Era | 'auto' = 'auto') {
    this.#isFixed = setting !== 'auto'
    this.#known = setting === 'auto' ? undefined : setting
    this.#refusesLegacy = setting === 'modern'
  }

  /** The era. Undefined as long as it is not known. */
  get known(): Era | undefined {
    return this.#known
  }

  /** Whether the user has set the era. Then nothing that the server does changes it. */
  get isFixed(): boolean {
    return this.#isFixed
  }

  /** Whether the server is modern and serves no legacy clients. */
  get refusesLegacy(): boolean {
    return this.#refusesLegacy
  }

  /** Notes what a server has shown. This may correct what it showed before. */
  learn(era: Era): void {
    if (this.#isFixed) return
    this.#known = era
    if (era === 'legacy') this.#refusesLegacy = false
  }

  /** Notes that a modern server has refused `initialize`. Don't call this if the era is fixed. */
  learnRefusal(): void {
    this.#known = 'modern'
    this.#refusesLegacy = true
  }
}
