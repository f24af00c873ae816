// Signs in without a person, at the authorization server that the MCP server names: by client
// credentials (RFC 6749, section 4.4).

import { signInError } from './auth-requests.ts'
import type { Situation } from './situation.ts'
import { grantFrom } from './grant.ts'
import type { Grant } from './grant.ts'
import { clientOf, libraryOptions } from './library.ts'
import { libraryError } from './library-error.ts'
import { authenticate, registrationGiven } from './registration.ts'
import type { RegistrationOptions } from './registration.ts'

export async function signInForItself(
  { requests, authorizationServer: server, resource, scope }: Situation,
  options: RegistrationOptions
): Promise<Grant> {
  const registration = registrationGiven(server, options)
  if (registration === undefined) throw signInError('client credentials need --client-id')
  const oauth = await import('oauth4webapi')
  const client = clientOf(oauth, registration.clientId)
  const requestedAt = Date.now()
  const response = await oauth.clientCredentialsGrantRequest(
    server,
    client,
    await authenticate(registration, options),
    { resource, ...(scope !== undefined && { scope }) },
    libraryOptions(oauth, requests)
  )
  try {
    const tokens = await oauth.processClientCredentialsResponse(server, client, response)
    return grantFrom({ server, resource, registration, scope, port: 0 }, tokens, requestedAt)
  } catch (error) {
    const { status } = response
    throw libraryError('the authorization server refused', status, error, [options.clientSecret])
  }
}
