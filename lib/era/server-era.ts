// What the proxy knows about the era of one server. All clients of a server use one object, so that
// the server is probed once, and not once a request.

import type { Era } from './discover.ts'

export class ServerEra {
  readonly #isFixed: boolean
  #known: Era | undefined

  /** @param setting the era, if the user knows it. `auto`: it has to be found out */
  constructor(setting: Era | 'auto' = 'auto') {
    this.#isFixed = setting !== 'auto'
    this.#known = setting === 'auto' ? undefined : setting
  }

  /** The era. Undefined as long as it is not known. */
  get known(): Era | undefined {
    return this.#known
  }

  /** Whether the user has set the era. Then nothing that the server does changes it. */
  get isFixed(): boolean {
    return this.#isFixed
  }

  /** Notes what a server has shown. This may correct what it showed before. */
  learn(era: Era): void {
    if (!this.#isFixed) this.#known = era
  }
}
