// Asks an issuer about opaque tokens (RFC 7662). The answer counts for some time. Then the proxy asks
// again in the background while requests go on, so no request waits and a token that was revoked does
// not count for long. If the issuer does not answer, the old answer counts for the same time once more.

import { describe } from '../../errors.ts'
import type { Log } from '../../log.ts'
import type { Grant } from './auth.ts'
import { invalid, timeIn, toGrant } from './claims.ts'
import type { Claims } from './claims.ts'
import { fetchJson } from './fetch-json.ts'
import type { Fetch } from './fetch-json.ts'
import { Turns } from './turns.ts'

export interface IntrospectionOptions {
  /** The introspection endpoint. */
  url: URL | string
  /** The id under which the proxy is registered at the issuer. */
  clientId: string
  /** The secret that belongs to `clientId`. No error and no log shows it. */
  clientSecret: string
}

interface Settings {
  /** The URLs of the issuers. A token without `iss` is from the first. */
  issuers: readonly string[]
  clockSkew: number
  /** How long an answer counts before the proxy asks again, in ms (0: until the token expires). */
  age: number
  /** How many requests may run at a time (0: no limit). */
  max: number
  /** How long a request may take, and how long it may wait for its turn, in ms (0: no limit). */
  timeout: number
  fetch: Fetch
  log: Log
}

export class Introspection {
  readonly #options: IntrospectionOptions
  readonly #settings: Settings
  readonly #turns: Turns

  constructor(options: IntrospectionOptions, settings: Settings) {
    this.#options = options
    this.#settings = settings
    this.#turns = new Turns(settings.max, settings.timeout)
  }

  /**
   * @throws ProxyError `ERR_UNAUTHORIZED` if the token is not valid, `ERR_ISSUER` if the issuer does
   *   not answer
   */
  async check(token: string): Promise<Grant> {
    const grant = this.#toGrant(await this.#ask(token))
    const { age, log } = this.#settings
    const { expires } = grant
    let askedAt = performance.now()
    let isRevoked = false
    let isAsking = false
    const askAgain = async (): Promise<void> => {
      isAsking = true
      try {
        const { principal } = this.#toGrant(await this.#ask(token))
        askedAt = performance.now()
        isRevoked = principal !== grant.principal
      } catch (error) {
        isRevoked = (error as { code?: string }).code === 'ERR_UNAUTHORIZED'
        if (!isRevoked) log.debug(describe(error))
      }
      isAsking = false
    }
    const isValid = (): boolean => {
      const passed = performance.now() - askedAt
      if (age === 0 || passed < age) return !isRevoked && Date.now() < expires
      if (!isAsking && !isRevoked) void askAgain()
      return !isRevoked && passed < 2 * age && Date.now() < expires
    }
    return { ...grant, isValid }
  }

  async #ask(token: string): Promise<Claims> {
    const { url, clientId, clientSecret } = this.#options
    const credentials = [clientId, clientSecret].map(formEncode).join(':')
    const authorization = `Basic ${Buffer.from(credentials).toString('base64')}`
    const { timeout, fetch } = this.#settings
    const form = { token, token_type_hint: 'access_token' }
    const request = { form, headers: { authorization }, timeout, fetch }
    return this.#turns.run(() => fetchJson(new URL(url), request))
  }

  #toGrant(claims: Claims): ReturnType<typeof toGrant> & { expires: number } {
    const { issuers, clockSkew } = this.#settings
    if (claims.active !== true) throw invalid('it has expired, was revoked or is unknown')
    const issuer = (claims.iss ?? issuers[0]) as string
    if (!issuers.includes(issuer)) throw invalid('it is from an unknown issuer (iss)')
    const now = Date.now()
    const expires = (timeIn(claims.exp) ?? Infinity) + clockSkew
    if (expires <= now) throw invalid('it has expired (exp)')
    if ((timeIn(claims.nbf) ?? 0) - clockSkew > now) throw invalid('it does not count yet (nbf)')
    return { ...toGrant(claims, issuer), expires }
  }
}

/** Encodes a text as application/x-www-form-urlencoded (RFC 6749, section 2.3.1). */
const formEncode = (text: string): string => new URLSearchParams({ '': text }).toString().slice(1)
