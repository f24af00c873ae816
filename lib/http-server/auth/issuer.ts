// The public keys of an issuer. The metadata of the issuer says where the keys are (RFC 8414, OpenID
// Connect Discovery). They are fetched when the first token needs them, and kept.
//
// When an issuer replaces its keys, the first token with a new key makes the proxy fetch the keys again.
// All requests share one fetch, and a second passes between two fetches. So a flood of tokens with wrong
// keys does not become a flood of requests to the issuer, and a request with a good token waits for a
// second at most.

import { setTimeout as sleep } from 'node:timers/promises'
import type { CompactJWSHeaderParameters, CryptoKey, FlattenedJWSInput, JSONWebKeySet } from 'jose'
import { describe, ProxyError } from '../../errors.ts'
import type { Log } from '../../log.ts'
import { quote } from '../../text.ts'
import { fetchJson, StatusError } from './fetch-json.ts'
import type { Fetch } from './fetch-json.ts'
import { isSafeUrl } from './safe-url.ts'

type FindKey = (
  header?: CompactJWSHeaderParameters,
  token?: FlattenedJWSInput
) => Promise<CryptoKey>

export interface IssuerOptions {
  /** The URL of the issuer, exactly as the issuer writes it in its tokens. */
  name: string
  /** How long the keys count before they are fetched again, in ms (0: for ever). */
  keyAge: number
  /** How long a fetch may take, in ms (0: no limit). */
  timeout: number
  fetch: Fetch
  log: Log
}

/** The time between two fetches of keys, in ms. */
const fetchInterval = 1000

export class Issuer {
  readonly name: string
  readonly #keyAge: number
  readonly #request: { timeout: number; fetch: Fetch }
  readonly #log: Log
  #findKey: FindKey | undefined
  /** When the keys were fetched, in ms of `performance.now()`. */
  #fetchedAt = -Infinity
  /** When the last fetch began, successful or not. */
  #triedAt = -Infinity
  #keysUrl: URL | undefined
  #fetching: Promise<FindKey> | undefined
  /** Whether the last fetch in the background failed. */
  #isAway = false

  constructor({ name, keyAge, timeout, fetch, log }: IssuerOptions) {
    this.name = name
    this.#keyAge = keyAge || Infinity
    this.#request = { timeout, fetch }
    this.#log = log
  }

  /**
   * Finds the key of a token.
   *
   * @throws ProxyError `ERR_ISSUER` if the keys cannot be fetched. Errors of jose if the issuer has no
   *   such key, or several
   */
  async keyFor(header: CompactJWSHeaderParameters, token: FlattenedJWSInput): Promise<CryptoKey> {
    const findKey = await this.keys()
    try {
      return await findKey(header, token)
    } catch (error) {
      if ((error as { code?: string }).code !== 'ERR_JWKS_NO_MATCHING_KEY') throw error
    }
    // The issuer may have a new key.
    return (await this.#fetch())(header, token)
  }

  /**
   * Resolves to the keys.
   *
   * @throws ProxyError `ERR_ISSUER`
   */
  async keys(): Promise<FindKey> {
    const age = performance.now() - this.#fetchedAt
    if (this.#findKey === undefined || age >= 2 * this.#keyAge) return this.#fetch()
    if (age >= this.#keyAge) {
      this.#fetch().catch((error: unknown) => {
        if (!this.#isAway) this.#log.warn(describe(error))
        this.#isAway = true
      })
    }
    return this.#findKey
  }

  #fetch(): Promise<FindKey> {
    this.#fetching ??= this.#fetchKeys().finally(() => (this.#fetching = undefined))
    return this.#fetching
  }

  async #fetchKeys(): Promise<FindKey> {
    const wait = this.#triedAt + fetchInterval - performance.now()
    if (wait > 0) await sleep(wait)
    const now = performance.now()
    this.#triedAt = now
    try {
      // The keys may have moved.
      if (now - this.#fetchedAt >= this.#keyAge) this.#keysUrl = undefined
      this.#keysUrl ??= await this.#discover()
      const keys = await fetchJson(this.#keysUrl, this.#request)
      const { createLocalJWKSet } = await import('jose')
      this.#findKey = createLocalJWKSet(keys as unknown as JSONWebKeySet)
      this.#fetchedAt = now
      this.#isAway = false
      return this.#findKey
    } catch (cause) {
      throw new ProxyError('ERR_ISSUER', `cannot get the keys of ${this.name}`, { cause })
    }
  }

  /** Finds the URL of the keys (2025-11-25, Authorization Server Metadata Discovery). */
  async #discover(): Promise<URL> {
    let failure: unknown
    for (const url of metadataUrls(this.name)) {
      try {
        return this.#keysUrlIn(await fetchJson(url, this.#request))
      } catch (error) {
        failure = isTelling(failure) ? failure : error
        // An issuer that cannot be reached at one path cannot be reached at another.
        if (error instanceof ProxyError && error.cause !== undefined) break
      }
    }
    throw failure
  }

  #keysUrlIn({ issuer, jwks_uri: uri }: Record<string, unknown>): URL {
    // Otherwise one issuer could speak for another (RFC 8414, section 3.3).
    if (issuer !== this.name) {
      const message = `its metadata is that of ${quote(String(issuer))}: the URLs must be identical`
      throw new ProxyError('ERR_ISSUER', message)
    }
    const url = typeof uri === 'string' && URL.canParse(uri) ? new URL(uri) : undefined
    if (url !== undefined && isSafeUrl(url)) return url
    throw new ProxyError('ERR_ISSUER', 'its metadata has no jwks_uri with https:')
  }
}

/** Whether an error says more than that there is nothing at a path. */
const isTelling = (error: unknown): boolean =>
  error !== undefined && !(error instanceof StatusError && error.received === 404)

/** Returns the URLs at which the metadata of an issuer may be, in the order of the specification. */
function metadataUrls(issuer: string): URL[] {
  const { origin, pathname } = new URL(issuer)
  const path = pathname.replace(/\/$/, '')
  const urls = [
    `${origin}/.well-known/oauth-authorization-server${path}`,
    `${origin}/.well-known/openid-configuration${path}`
  ]
  if (path !== '') urls.push(`${origin}${path}/.well-known/openid-configuration`)
  return urls.map((url) => new URL(url))
}
