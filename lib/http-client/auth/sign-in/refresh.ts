// Exchanges a refresh token for new tokens (RFC 6749, section 6).

import type { AuthRequests } from './auth-requests.ts'
import { withTokens } from './grant.ts'
import type { Grant } from './grant.ts'
import { libraryError } from './library-error.ts'
import { authenticate } from './registration.ts'

/**
 * Resolves to undefined if the server does not take the refresh token or the client any more. Then
 * only a new sign-in helps.
 */
export async function refresh(
  requests: AuthRequests,
  grant: Grant,
  now: number
): Promise<Grant | undefined> {
  const { issuer, tokenEndpoint, registration, resource, refreshToken } = grant
  if (refreshToken === undefined) return undefined
  const oauth = await import('oauth4webapi')
  const server = { issuer, token_endpoint: tokenEndpoint }
  const client = { client_id: registration.clientId, [oauth.clockTolerance]: clockTolerance }
  const response = await oauth.refreshTokenGrantRequest(
    server,
    client,
    authenticate(registration),
    refreshToken,
    {
      [oauth.allowInsecureRequests]: true,
      [oauth.customFetch]: (url, { headers, body, method }) =>
        requests.send(url, { method, headers, body: body.toString() }),
      additionalParameters: { resource }
    }
  )
  try {
    return withTokens(grant, await oauth.processRefreshTokenResponse(server, client, response), now)
  } catch (error) {
    const { error: code } = error as { error?: string }
    if (code !== undefined && finalErrors.has(code)) return undefined
    const secrets = [refreshToken, grant.accessToken, registration.clientSecret]
    throw libraryError('the token could not be refreshed', response.status, error, secrets)
  }
}

/** Errors after which the refresh token is of no more use. */
const finalErrors = new Set([
  'invalid_grant',
  'invalid_client',
  'unauthorized_client',
  'invalid_scope'
])

/** How far the clock of an authorization server may be off, in seconds. */
export const clockTolerance = 10 * 60
