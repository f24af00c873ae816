// Limits how long a server may be silent before its response is complete. Each byte from the server
// starts the time again. A sign-in stops the time.

import { ProxyError } from '../errors.ts'
import type { HttpClient } from './http-client.ts'

export class SilenceTimer {
  readonly #client: HttpClient
  readonly #onTimeout: (error: ProxyError) => void
  readonly #time: number
  #timer: NodeJS.Timeout

  /** @param time the longest silence, in ms */
  constructor(client: HttpClient, time: number, onTimeout: (error: ProxyError) => void) {
    this.#client = client
    this.#onTimeout = onTimeout
    this.#time = time
    this.#timer = setTimeout(() => this.#onTime(), time)
  }

  refresh(): void {
    this.#timer.refresh()
  }

  stop(): void {
    clearTimeout(this.#timer)
  }

  #onTime(): void {
    // The proxy reads nothing now, so it cannot know whether the server has sent something.
    if (this.#client.paused) {
      this.refresh()
      return
    }
    const rest = this.#time - this.#client.sinceSignIn()
    if (rest > 0) {
      this.#timer = setTimeout(() => this.#onTime(), rest)
      return
    }
    const message = `${this.#client.name} did not complete its response in time (see --connect-timeout)`
    this.#onTimeout(new ProxyError('ERR_TIMEOUT', message))
  }
}
