// Finds the authorization server of an MCP server, and signs in there. A client with a secret or a key
// may sign in without a person. Otherwise a person signs in: in the browser on this machine, or with a
// code on another machine.
//
// The MCP server chooses the authorization server, and may be hostile. So a client that the user has
// registered signs in only where it belongs: another server would get its secret, or a code for it.

import { signInError } from './auth-requests.ts'
import type { AuthRequests } from './auth-requests.ts'
import { discover } from './discovery.ts'
import type { Discovery } from './discovery.ts'
import type { Grant } from './grant.ts'
import { unionOf } from './grant.ts'
import { issuerFault } from './registration.ts'
import type { AskOptions, Challenged, Situation } from './situation.ts'

/** @param previous the sign-in before */
export async function ask(
  requests: AuthRequests,
  options: AskOptions,
  challenged: Challenged,
  previous: Grant | undefined,
  signal: AbortSignal
): Promise<Grant> {
  const { show } = options
  const nobody = (): Error => signInError(`nobody can sign in here: ${options.advice}`)
  if (show === undefined && !hasProof(options)) throw nobody()
  const found = await discover(requests, options.server, challenged.resourceMetadata)
  const { issuer, device_authorization_endpoint: device } = found.authorizationServer
  const fault = issuerFault(issuer, options, previous?.issuer)
  if (fault !== undefined) throw signInError(fault)
  const known = previous?.issuer === issuer ? previous : undefined
  const wanted = unionOf(known?.scope, challenged.scope ?? found.scopes?.join(' '))
  const situation: Situation = { ...found, requests, scope: wanted, known, signal }
  if (signsInForItself(options, found)) {
    const { signInForItself } = await import('./client-grant.ts')
    return signInForItself(situation, options)
  }
  if (show === undefined) throw nobody()
  if (!options.browser && device !== undefined) {
    const { signInByDevice } = await import('./device-code.ts')
    return signInByDevice(situation, { ...options, show })
  }
  const { signInByCode } = await import('./authorization-code.ts')
  return signInByCode(situation, { ...options, show })
}

function signsInForItself(
  options: AskOptions,
  { authorizationServer: { grant_types_supported: grants = [] } }: Discovery
): boolean {
  const isOnly = grants.includes('client_credentials') && !grants.includes('authorization_code')
  return options.clientCredentials === true || (hasProof(options) && isOnly)
}

const hasProof = ({ clientSecret, clientKey }: AskOptions): boolean =>
  clientSecret !== undefined || clientKey !== undefined
