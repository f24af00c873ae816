// What the claims of a token say, in a JWT and in the response to an introspection alike. Every claim is
// checked for its type, because an issuer may write anything.

import { ProxyError } from '../../errors.ts'
import type { Grant } from './auth.ts'

/** The claims of a token whose signature or issuer has been checked. */
export type Claims = Record<string, unknown>

/**
 * Makes a grant of the claims.
 *
 * @param issuer the issuer of the token
 * @throws ProxyError `ERR_UNAUTHORIZED` if the claims do not fit a bearer token
 */
export function toGrant(claims: Claims, issuer: string): Required<Omit<Grant, 'isValid'>> {
  // The token is bound to a key of its client (RFC 9449, RFC 8705). Without a proof of that key, it
  // may have been stolen.
  if (claims.cnf !== undefined) throw invalid('it is bound to a key of its client (cnf)')
  return {
    principal: principalOf(claims, issuer),
    audiences: stringsIn(claims.aud),
    scopes: new Set([...wordsIn(claims.scope), ...wordsIn(claims.scp)])
  }
}

/**
 * Returns the name of a subject, which is different for each issuer. An issuer has no `?` and no `#`, so
 * a client never has the name of a user, and users of two issuers never have the same name.
 */
function principalOf({ sub, client_id: clientId, azp }: Claims, issuer: string): string {
  if (isName(sub)) return `${issuer}#${sub}`
  const client = clientId ?? azp
  if (isName(client)) return `${issuer}?client=${client}`
  throw invalid('it names no subject (sub)')
}

const isName = (claim: unknown): claim is string => typeof claim === 'string' && claim !== ''

const stringsIn = (claim: unknown): string[] =>
  [claim].flat().filter((value) => typeof value === 'string')

/** A claim with scopes is a text with spaces, or a list of texts. */
const wordsIn = (claim: unknown): string[] =>
  stringsIn(claim).flatMap((text) => text.split(' ').filter((word) => word !== ''))

/** Returns a claim with a time, in ms since 1970. `undefined` if there is no such claim. */
export function timeIn(claim: unknown): number | undefined {
  return typeof claim === 'number' && Number.isFinite(claim) ? claim * 1000 : undefined
}

/** Makes the error for a token that is not valid. */
export const invalid = (reason: string): ProxyError =>
  new ProxyError('ERR_UNAUTHORIZED', `the token is not valid: ${reason}`)
