// Revokes the tokens of a sign-in (RFC 7009), so that nobody can use a copy of them.

import { signInError } from './auth-requests.ts'
import type { AuthRequests } from './auth-requests.ts'
import type { Grant } from './grant.ts'
import { clientOf, libraryOptions } from './library.ts'
import { libraryError } from './library-error.ts'
import { authenticate, issuerFault } from './registration.ts'
import type { RegistrationOptions } from './registration.ts'

/** Resolves to false if the server does not offer to revoke tokens. */
export async function revoke(
  requests: AuthRequests,
  grant: Grant,
  options: RegistrationOptions
): Promise<boolean> {
  const { issuer, revocationEndpoint, registration, refreshToken, accessToken } = grant
  if (revocationEndpoint === undefined) return false
  const fault = issuerFault(issuer, options)
  if (fault !== undefined) throw signInError(fault)
  const oauth = await import('oauth4webapi')
  const server = { issuer, revocation_endpoint: revocationEndpoint }
  const client = clientOf(oauth, registration.clientId)
  const authentication = await authenticate(registration, options)
  // Servers also end the access token when they revoke the refresh token, but they need not.
  for (const token of [refreshToken, accessToken]) {
    if (token === undefined) continue
    const common = libraryOptions(oauth, requests)
    const response = await oauth.revocationRequest(server, client, authentication, token, common)
    try {
      await oauth.processRevocationResponse(response)
    } catch (error) {
      const secrets = [token, registration.clientSecret, options.clientSecret]
      throw libraryError('the tokens could not be revoked', response.status, error, secrets)
    }
  }
  return true
}
