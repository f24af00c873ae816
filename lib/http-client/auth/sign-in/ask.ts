// Signs in: finds the authorization server, and chooses the way. A client with credentials of its own
// may need no person. Else the person uses the browser on this machine, or a code on another one.

import { signInError } from './auth-requests.ts'
import type { AuthRequests } from './auth-requests.ts'
import { discover } from './discovery.ts'
import type { Discovery } from './discovery.ts'
import type { Grant } from './grant.ts'
import { unionOf } from './grant.ts'
import type { RegistrationOptions } from './registration.ts'

export interface AskOptions extends RegistrationOptions {
  /** The URL of the MCP server. */
  server: URL
  /** Whether the client signs in for itself (default: if the server offers nothing else). */
  clientCredentials?: boolean | undefined
  /** The loopback port for the browser's way back (0: any free port). */
  callbackPort: number
  /** Whether a browser can open on this machine. */
  browser: boolean
  /**
   * Shows the URL to the person, with the code to enter there, if any. It opens the URL in a browser if
   * it may. Without this function there is nobody to ask.
   */
  show?: ((url: URL, code?: string) => void) | undefined
  /** Calls `onLine` with what the person pastes, until the returned function is called. */
  readLines?: ((onLine: (line: string) => boolean) => () => void) | undefined
  /** What to do if there is nobody to ask, for the error message. */
  advice?: string | undefined
}

/** What the server asked for when it refused a request. */
export interface Challenged {
  resourceMetadata: string | undefined
  scope: string | undefined
}

/** A sign-in that has begun. */
export interface Situation extends Discovery {
  requests: AuthRequests
  /** The scope to ask for. */
  scope: string | undefined
  /** The sign-in before at the same issuer. Its registration may be used again. */
  known: Grant | undefined
  /** Ends the waiting for the person. */
  signal: AbortSignal
}

/** @param previous the sign-in before */
export async function ask(
  requests: AuthRequests,
  options: AskOptions,
  challenged: Challenged,
  previous: Grant | undefined,
  signal: AbortSignal
): Promise<Grant> {
  const { show } = options
  const nobody = (): Error => signInError(`nobody can sign in here: ${options.advice ?? ''}`)
  if (show === undefined && !hasProof(options)) throw nobody()
  const found = await discover(requests, options.server, challenged.resourceMetadata)
  const { issuer, device_authorization_endpoint: device } = found.authorizationServer
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
