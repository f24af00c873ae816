// Revokes the tokens of a sign-in (RFC 7009), so that nobody can use a copy of them.

import type { AuthRequests } from './auth-requests.ts'
import type { Grant } from './grant.ts'
import { clientOf, libraryOptions } from './library.ts'
import { libraryError } from './library-error.ts'
import { authenticate } from './registration.ts'
import type { Proof } from './registration.ts'

/** Resolves to false if the server does not offer to revoke tokens. */
export async function revoke(requests: AuthRequests, grant: Grant, proof: Proof): Promise<boolean> {
  const { issuer, revocationEndpoint, registration, refreshToken, accessToken } = grant
  if (revocationEndpoint === undefined) return false
  const oauth = await import('oauth4webapi')
  const server = { issuer, revocation_endpoint: revocationEndpoint }
  const client = clientOf(oauth, registration.clientId)
  const authentication = await authenticate(registration, proof)
  // Servers also end the access token when they revoke the refresh token, but they need not.
  for (const token of [refreshToken, accessToken]) {
    if (token === undefined) continue
    const options = libraryOptions(oauth, requests)
    const response = await oauth.revocationRequest(server, client, authentication, token, options)
    try {
      await oauth.processRevocationResponse(response)
    } catch (error) {
      const secrets = [token, registration.clientSecret, proof.clientSecret]
      throw libraryError('the tokens could not be revoked', response.status, error, secrets)
    }
  }
  return true
}
