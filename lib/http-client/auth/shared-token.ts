// One access token for all requests. It is fetched for the first caller, and again shortly before it
// expires or after the server refused it. Callers at the same time share one token request.

import type { TokenSource } from './token-source.ts'

/** Gives tokens. `controller` aborts the request, with its reason as the error. */
export interface TokenFetcher {
  request(controller: AbortController): Promise<{
    access_token: string
    /** The lifetime in seconds. */
    expires_in?: number
  }>
}

/** A token request under way. */
interface Fetching {
  token: Promise<string>
  /** How many callers wait for it. */
  waiting: number
  abort(): void
}

export class SharedToken implements TokenSource {
  readonly #fetcher: TokenFetcher
  readonly #now: () => number
  #held: { token: string; until: number } | undefined
  #fetching: Fetching | undefined

  constructor(fetcher: TokenFetcher, now: () => number) {
    this.#fetcher = fetcher
    this.#now = now
  }

  async token(signal?: AbortSignal): Promise<string> {
    signal?.throwIfAborted()
    if (this.#held !== undefined && this.#now() < this.#held.until) return this.#held.token
    const fetching = (this.#fetching ??= this.#start())
    fetching.waiting++
    try {
      return await unlessAborted(fetching.token, signal)
    } finally {
      if (--fetching.waiting === 0) {
        this.#end(fetching)
        fetching.abort()
      }
    }
  }

  refused(token: string): void {
    if (this.#held?.token === token) this.#held = undefined
  }

  #start(): Fetching {
    const controller = new AbortController()
    const token = this.#fetch(controller).finally(() => this.#end(fetching))
    const fetching: Fetching = { token, waiting: 0, abort: () => controller.abort() }
    return fetching
  }

  #end(fetching: Fetching): void {
    if (this.#fetching === fetching) this.#fetching = undefined
  }

  async #fetch(controller: AbortController): Promise<string> {
    const requestedAt = this.#now()
    const response = await this.#fetcher.request(controller)
    // A token without a lifetime is valid until the server refuses it.
    const lifetime = (response.expires_in ?? Infinity) * 1000
    // Half a minute for clocks that differ and for the network. Less for a short lifetime.
    const margin = Math.min(30_000, lifetime / 10)
    this.#held = { token: response.access_token, until: requestedAt + lifetime - margin }
    return response.access_token
  }
}

/** Settles as `promise` does, or rejects when `signal` aborts. */
function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason as Error)
    const onSettled = (): void => signal.removeEventListener('abort', onAbort)
    signal.addEventListener('abort', onAbort)
    promise.finally(onSettled).then(resolve, reject)
  })
}
