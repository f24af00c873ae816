// Keeps one access token for all requests. The first caller starts a token request. A caller starts
// another one if the token expires soon or the server has refused it. Callers that wait at the same
// time share one token request.

import { ProxyError } from '../../errors.ts'
import type { Credentials } from './credentials.ts'

/**
 * Fetches tokens. To stop a request, call `controller.abort(reason)`: the request then fails with
 * `reason`.
 */
export interface TokenFetcher {
  request(controller: AbortController): Promise<{
    access_token: string
    /** The lifetime of the token, in seconds. */
    expires_in?: number
  }>
}

/** A token request that has not finished. */
interface Fetching {
  token: Promise<string>
  /** The number of callers that wait for the token. */
  waiting: number
  abort(): void
}

export class SharedToken implements Credentials {
  readonly #fetcher: TokenFetcher
  readonly #now: () => number
  #held: { token: string; until: number } | undefined
  #fetching: Fetching | undefined

  constructor(fetcher: TokenFetcher, now: () => number) {
    this.#fetcher = fetcher
    this.#now = now
  }

  /**
   * Returns the header with a token that has not expired. Callers that wait at the same time share
   * one token request. If no caller waits any more, the token request stops.
   */
  async authorize(_request: unknown, signal?: AbortSignal): Promise<string> {
    return `Bearer ${await this.#token(signal)}`
  }

  refused(authorization: string | undefined): boolean {
    if (`Bearer ${this.#held?.token}` === authorization) this.#held = undefined
    return true
  }

  async #token(signal?: AbortSignal): Promise<string> {
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
    if (!isToken(response.access_token)) {
      throw new ProxyError('ERR_TOKEN', notInHeader)
    }
    // A token without a lifetime is valid until the server refuses it.
    const lifetime = (response.expires_in ?? Infinity) * 1000
    // The token counts as expired 30 s early, because clocks differ and the network takes time. For
    // a short lifetime the margin is a tenth of the lifetime.
    const margin = Math.min(30_000, lifetime / 10)
    this.#held = { token: response.access_token, until: requestedAt + lifetime - margin }
    return response.access_token
  }
}

export const notInHeader = 'the access token has a character that no header can have'

/** Whether a text can be a token: printable ASCII only (RFC 6749, appendix A.12). */
export const isToken = (text: string): boolean => /^[\x20-\x7e]+$/.test(text)

/**
 * Returns the result of `promise`. Rejects earlier, with the signal's reason, if `signal` aborts.
 */
export function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason as Error)
    const onSettled = (): void => signal.removeEventListener('abort', onAbort)
    signal.addEventListener('abort', onAbort)
    promise.finally(onSettled).then(resolve, reject)
  })
}
