// What a sign-in gives: the tokens, and all that is needed to refresh them.

import type { AuthorizationServer, TokenEndpointResponse } from 'oauth4webapi'
import { isToken, notInHeader } from '../shared-token.ts'
import type { Registration } from './registration.ts'

export interface Grant {
  /** The authorization server. No other one ever gets the tokens or the registration. */
  issuer: string
  tokenEndpoint: string
  /** Where tokens can be revoked, if the server offers it. */
  revocationEndpoint?: string | undefined
  /** The value of the parameter `resource`. */
  resource: string
  registration: Registration
  /** The loopback port that the registration names. */
  port: number
  /** The scopes that the proxy asked for, with spaces between. */
  scope?: string | undefined
  /** Never log the tokens. */
  accessToken: string
  refreshToken?: string | undefined
  /** The end of the access token, in ms since 1970. Undefined if the server named none. */
  expiresAt?: number | undefined
}

/** Makes the grant of a sign-in from the response of the token endpoint. */
export function grantFrom(
  base: Pick<Grant, 'resource' | 'registration' | 'scope' | 'port'> & {
    server: AuthorizationServer
  },
  response: TokenEndpointResponse,
  now: number
): Grant {
  const { server, ...rest } = base
  const { issuer, token_endpoint: tokenEndpoint, revocation_endpoint: revocationEndpoint } = server
  const endpoints = { tokenEndpoint: tokenEndpoint as string, revocationEndpoint }
  return withTokens({ issuer, ...endpoints, ...rest }, response, now)
}

/**
 * Adds the tokens of a response. A response without a refresh token keeps the one before.
 *
 * @throws Error if the access token cannot be in a header; see `libraryError`
 */
export function withTokens(
  base: Omit<Grant, 'accessToken'>,
  response: TokenEndpointResponse,
  now: number
): Grant {
  const { access_token: accessToken, refresh_token, expires_in: seconds } = response
  if (!isToken(accessToken)) throw new Error(notInHeader)
  const refreshToken = refresh_token ?? base.refreshToken
  // The token counts as expired 30 s early, because the network takes time. For a short lifetime
  // the margin is a tenth of the lifetime.
  const lifetime = seconds === undefined ? undefined : seconds * 1000
  const expiresAt =
    lifetime === undefined ? undefined : now + lifetime - Math.min(30_000, lifetime / 10)
  return { ...base, accessToken, refreshToken, expiresAt }
}

/** The scopes of both texts, each once. Undefined if there is none. */
export function unionOf(...texts: (string | undefined)[]): string | undefined {
  const scopes = new Set(texts.flatMap((text) => text?.split(' ') ?? []))
  scopes.delete('')
  return scopes.size === 0 ? undefined : [...scopes].join(' ')
}
