// Signs a person in with an authorization code and PKCE (OAuth 2.1, section 4.1): the browser goes to
// the authorization server, and comes back to a listener on loopback with the code.

import type { AuthRequests } from './auth-requests.ts'
import { Callback } from './callback.ts'
import { discover } from './discovery.ts'
import { unionOf, withTokens } from './grant.ts'
import type { Grant } from './grant.ts'
import { libraryError } from './library-error.ts'
import { clockTolerance } from './refresh.ts'
import { authenticate, register } from './registration.ts'
import type { Registration, RegistrationOptions } from './registration.ts'

export interface CodeOptions extends RegistrationOptions {
  /** The URL of the MCP server. */
  server: URL
  /** The loopback port for the browser's way back (0: any free port). */
  callbackPort: number
  /** Shows the URL to the person, and opens it in a browser if it may. */
  show(url: URL): void
}

/** What the server asked for when it refused a request. */
export interface Challenged {
  resourceMetadata: string | undefined
  scope: string | undefined
}

/**
 * @param previous the sign-in before. Its registration is used again at the same issuer
 * @param signal aborts the waiting for the person
 */
export async function signInByCode(
  requests: AuthRequests,
  options: CodeOptions,
  challenged: Challenged,
  previous: Grant | undefined,
  signal: AbortSignal
): Promise<Grant> {
  const found = await discover(requests, options.server, challenged.resourceMetadata)
  const { resource, authorizationServer } = found
  const known = previous?.issuer === authorizationServer.issuer ? previous : undefined
  const callback = await openCallback(options.callbackPort, known?.port)
  try {
    // The registration names the port.
    const isUsable =
      known?.port === callback.port && !isGiven(options) && !isExpired(known.registration)
    const registration =
      (isUsable ? known.registration : undefined) ??
      (await register(requests, authorizationServer, callback.redirectUri, options))
    const scope = scopeOf(
      unionOf(known?.scope, challenged.scope ?? found.scopes?.join(' ')),
      authorizationServer.scopes_supported
    )

    const oauth = await import('oauth4webapi')
    const client = { client_id: registration.clientId, [oauth.clockTolerance]: clockTolerance }
    const verifier = oauth.generateRandomCodeVerifier()
    const state = oauth.generateRandomState()
    const url = new URL(authorizationServer.authorization_endpoint as string)
    requests.checkScheme(url)
    const query = {
      response_type: 'code',
      client_id: registration.clientId,
      redirect_uri: callback.redirectUri,
      code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      state,
      resource,
      ...(scope !== undefined && { scope }),
      ...(hasOfflineAccess(scope) && { prompt: 'consent' })
    }
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value)
    const waiting = callback.wait(state, signal)
    options.show(url)
    const answer = await waiting

    let status: number | undefined
    try {
      const params = oauth.validateAuthResponse(authorizationServer, client, answer, state)
      const response = await oauth.authorizationCodeGrantRequest(
        authorizationServer,
        client,
        authenticate(registration),
        params,
        callback.redirectUri,
        verifier,
        {
          [oauth.allowInsecureRequests]: true,
          [oauth.customFetch]: (target, { headers, body, method }) =>
            requests.send(target, { method, headers, body: body.toString() }),
          additionalParameters: { resource }
        }
      )
      ;({ status } = response)
      const requestedAt = Date.now()
      const tokens = await oauth.processAuthorizationCodeResponse(
        authorizationServer,
        client,
        response
      )
      const base = {
        issuer: authorizationServer.issuer,
        tokenEndpoint: authorizationServer.token_endpoint as string,
        resource,
        registration,
        port: callback.port,
        scope
      }
      return withTokens(base, tokens, requestedAt)
    } catch (error) {
      if ((error as { code?: string }).code === 'ERR_TOKEN') throw error
      const secrets = [registration.clientSecret, verifier, answer.get('code') ?? '']
      throw libraryError('the authorization server refused', status, error, secrets)
    }
  } finally {
    callback.close()
  }
}

const isExpired = ({ expiresAt }: Registration): boolean =>
  expiresAt !== undefined && Date.now() > expiresAt

const isGiven = ({ clientId, clientMetadataUrl }: RegistrationOptions): boolean =>
  clientId !== undefined || clientMetadataUrl !== undefined

/** Listens on the given port, else on the port of the known registration, else on any. */
async function openCallback(given: number, known: number | undefined): Promise<Callback> {
  if (given !== 0 || known === undefined) return Callback.open(given)
  try {
    return await Callback.open(known)
  } catch {
    return Callback.open(0)
  }
}

/** Asks for a refresh token too, if the server lists the scope for it. */
const scopeOf = (scope: string | undefined, supported: string[] | undefined): string | undefined =>
  scope !== undefined && supported?.includes('offline_access') === true
    ? unionOf(scope, 'offline_access')
    : scope

const hasOfflineAccess = (scope: string | undefined): boolean =>
  scope?.split(' ').includes('offline_access') === true
