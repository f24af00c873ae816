// Exchanges a refresh token for new tokens (RFC 6749, section 6).

import type { AuthRequests } from './auth-requests.ts'
import { withTokens } from './grant.ts'
import type { Grant } from './grant.ts'
import { clientOf, libraryOptions } from './library.ts'
import { libraryError } from './library-error.ts'
import { authenticate, issuerFault } from './registration.ts'
import type { RegistrationOptions } from './registration.ts'

/** What the server does not accept any more. Then only a new sign-in helps. */
export type Refusal = 'token' | 'client'

export async function refresh(
  requests: AuthRequests,
  grant: Grant,
  options: RegistrationOptions,
  now: number
): Promise<Grant | Refusal> {
  const { issuer, tokenEndpoint, registration, resource, refreshToken } = grant
  if (refreshToken === undefined || issuerFault(issuer, options) !== undefined) return 'token'
  const oauth = await import('oauth4webapi')
  const server = { issuer, token_endpoint: tokenEndpoint }
  const client = clientOf(oauth, registration.clientId)
  const response = await oauth.refreshTokenGrantRequest(
    server,
    client,
    await authenticate(registration, options),
    refreshToken,
    libraryOptions(oauth, requests, resource)
  )
  try {
    return withTokens(grant, await oauth.processRefreshTokenResponse(server, client, response), now)
  } catch (error) {
    const { error: code } = error as { error?: string }
    const refusal = refusals.get(code)
    if (refusal !== undefined) return refusal
    const secrets = [
      refreshToken,
      grant.accessToken,
      registration.clientSecret,
      options.clientSecret
    ]
    throw libraryError('the token could not be refreshed', response.status, error, secrets)
  }
}

const refusals = new Map<string | undefined, Refusal>([
  ['invalid_grant', 'token'],
  ['invalid_scope', 'token'],
  ['invalid_client', 'client'],
  ['unauthorized_client', 'client']
])
