// Authorization by tokens of OAuth issuers (RFC 9068, RFC 7662). A JWT is checked with the public keys of
// its issuer. A token of another form is opaque: only the issuer can tell whether it is valid.
//
// Only asymmetric algorithms are allowed. With a symmetric one, the public key could be used as the
// secret, and `none` needs no key at all. The library jose loads when the first JWT comes.

import type { CryptoKey, JWTVerifyGetKey } from 'jose'
import { describe, ProxyError } from '../../errors.ts'
import { limits } from '../../limits.ts'
import { silent } from '../../log.ts'
import type { Log } from '../../log.ts'
import type { AccessRules, Auth, Grant } from './auth.ts'
import { invalid, timeIn, toGrant } from './claims.ts'
import type { Claims } from './claims.ts'
import { isSafeUrl } from './safe-url.ts'
import { Introspection } from './introspection.ts'
import type { IntrospectionOptions } from './introspection.ts'
import type { Fetch } from './fetch-json.ts'
import { Issuer } from './issuer.ts'

export interface IssuerAuthOptions {
  /**
   * The URLs of the issuers, exactly as the issuers write them in their tokens. They need `https:`,
   * unless they are on this machine.
   */
  issuers: readonly string[]
  /**
   * The audience that tokens must have (default: the URL of the server, or the public URL of the
   * proxy).
   */
  audience?: string | undefined
  /** The scopes that a token needs, by the name of the server (default: none). */
  scopes?: Readonly<Record<string, readonly string[]>> | undefined
  /** Checks opaque tokens (default: they are not valid). */
  introspection?: IntrospectionOptions | undefined
  /** Tokens that count beside those of the issuers (default: none). */
  tokens?: Auth | undefined
  /** By how much the clocks of the issuers may differ, in ms (default 30 000; at most 600 000). */
  clockSkew?: number | undefined
  /** How long the keys of an issuer are used before they are fetched again, in ms (default 600 000). */
  keyAge?: number | undefined
  /** How long the answer about an opaque token counts, in ms (default 30 000). */
  introspectionAge?: number | undefined
  /**
   * How many requests about opaque tokens may run at a time (default 32; 0: no limit). The next one
   * waits, for `connectTimeout` at most.
   */
  maxIntrospections?: number | undefined
  /** How long an issuer may take to answer, in ms (default 30 000; 0: no limit). */
  connectTimeout?: number | undefined
  /** Sends the requests to the issuers (default: Node's `fetch`). It must follow no redirect. */
  fetch?: Fetch | undefined
  /** Receives what goes wrong (default: silent). */
  log?: Log | undefined
}

export interface IssuerAuth extends Auth {
  /** Fetches the keys of all issuers. The log gets the failures. */
  prepare(): Promise<void>
}

/** The longest clock skew, in ms. A longer one would accept tokens that expired long ago. */
const maxClockSkew = 10 * 60_000

const algorithms = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512']
algorithms.push('ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519')

/** The types of an access token. Some issuers leave the type out. */
const tokenTypes = [undefined, 'jwt', 'at+jwt', 'application/at+jwt']

/** How many keys are tried for a token that does not name its key. */
const maxKeys = 16

/**
 * Makes the authorization for the option `auth` of `listen`.
 *
 * @throws ProxyError `ERR_CONFIG` for a URL that is not safe, or a clock skew of more than 10 minutes
 */
export function issuerAuth(options: IssuerAuthOptions): IssuerAuth {
  return new OfIssuers(options)
}

class OfIssuers implements IssuerAuth {
  readonly rules: AccessRules
  readonly #clockSkew: number
  readonly #log: Log
  readonly #issuers = new Map<unknown, Issuer>()
  readonly #introspection: Introspection | undefined
  readonly #tokens: Auth | undefined

  constructor({
    log = silent,
    connectTimeout: timeout = limits.connectTimeout,
    fetch = globalThis.fetch,
    ...options
  }: IssuerAuthOptions) {
    const { issuers, audience, scopes = {}, introspection, tokens } = options
    const { clockSkew = limits.clockSkew, keyAge = limits.keyAge } = options
    if (issuers.length === 0) throw new ProxyError('ERR_CONFIG', 'there is no issuer of tokens')
    if (clockSkew > maxClockSkew) {
      throw new ProxyError('ERR_CONFIG', 'the clock skew can be 10 minutes at most')
    }
    const byServer = new Map(Object.entries(scopes))
    this.rules = { issuers, audience, scopesOf: (server) => byServer.get(server) ?? [] }
    this.#clockSkew = clockSkew
    this.#log = log
    this.#tokens = tokens
    for (const name of issuers) {
      requireSafe(name)
      this.#issuers.set(name, new Issuer({ name, keyAge, timeout, fetch, log }))
    }
    if (introspection === undefined) return
    requireSafe(introspection.url)
    const age = options.introspectionAge ?? limits.introspectionAge
    const max = options.maxIntrospections ?? limits.maxIntrospections
    const settings = { issuers, clockSkew, age, max, timeout, fetch, log }
    this.#introspection = new Introspection(introspection, settings)
  }

  async check(token: string): Promise<Grant | undefined> {
    const known = await this.#tokens?.check(token)
    if (known !== undefined) return known
    if (isJwt(token)) return this.#checkJwt(token)
    return this.#introspection?.check(token)
  }

  reload(): boolean {
    return this.#tokens?.reload?.() ?? false
  }

  async prepare(): Promise<void> {
    const fetches = [...this.#issuers.values()].map((issuer) => issuer.keys())
    for (const result of await Promise.allSettled(fetches)) {
      if (result.status === 'rejected') this.#log.warn(describe(result.reason))
    }
  }

  async #checkJwt(token: string): Promise<Grant> {
    const claims = await this.#verify(token)
    const exp = timeIn(claims.exp)
    if (exp === undefined) throw invalid('it never expires (exp)')
    const grant = toGrant(claims, claims.iss as string)
    return { ...grant, isValid: () => Date.now() < exp + this.#clockSkew }
  }

  /** Resolves to the claims of a token, if its issuer has signed it and it counts now. */
  async #verify(token: string): Promise<Claims> {
    const jose = await import('jose')
    try {
      const { typ } = jose.decodeProtectedHeader(token)
      if (!tokenTypes.includes(typ?.toLowerCase())) throw invalid('it is no access token (typ)')
      const issuer = this.#issuers.get(jose.decodeJwt(token).iss)
      if (issuer === undefined) throw invalid('it is from an unknown issuer (iss)')
      const options = {
        algorithms,
        clockTolerance: this.#clockSkew / 1000,
        requiredClaims: ['exp', 'aud'],
        issuer: issuer.name
      }
      const findKey: JWTVerifyGetKey = (header, input) => issuer.keyFor(header, input)
      const verify = async (key: JWTVerifyGetKey | CryptoKey): Promise<Claims> =>
        (await jose.jwtVerify(token, key, options)).payload
      return await verify(findKey).catch((error: unknown) => {
        if (error instanceof jose.errors.JWKSMultipleMatchingKeys) return tryKeys(error, verify)
        throw error
      })
    } catch (error) {
      if (error instanceof ProxyError) throw error
      const isKnown = error instanceof jose.errors.JOSEError
      throw invalid(isKnown ? error.message : 'it cannot be checked')
    }
  }
}

/** Tries keys one after the other, for a token that does not name its key. */
async function tryKeys(
  keys: AsyncIterable<CryptoKey>,
  verify: (key: CryptoKey) => Promise<Claims>
): Promise<Claims> {
  let failure: unknown
  let count = 0
  for await (const key of keys) {
    if (count++ === maxKeys) break
    try {
      return await verify(key)
    } catch (error) {
      failure = error
    }
  }
  throw failure
}

function requireSafe(url: URL | string): void {
  const text = String(url)
  if (URL.canParse(text) && isSafeUrl(new URL(text))) return
  throw new ProxyError('ERR_CONFIG', `${text} needs https:, because it is not on this machine`)
}

/** Whether a token has the form of a JWT: three parts, and the first is a JSON object. */
function isJwt(token: string): boolean {
  const header = /^([\w-]+)\.[\w-]*\.[\w-]*$/.exec(token)?.[1]
  if (header === undefined) return false
  return Buffer.from(header, 'base64url').toString().trimStart().startsWith('{')
}
