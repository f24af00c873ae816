// Signs a person in with an authorization code and PKCE (OAuth 2.1, section 4.1): the browser goes to
// the authorization server, and comes back to a listener on loopback with the code. If the browser is on
// another machine, the person pastes the address to which it wanted to come back.

import type { AuthorizationServer } from 'oauth4webapi'
import { ProxyError } from '../../../errors.ts'
import { signInError } from './auth-requests.ts'
import type { PersonOptions, Situation } from './situation.ts'
import { Callback } from './callback.ts'
import { grantFrom, unionOf } from './grant.ts'
import type { Grant } from './grant.ts'
import { clientOf, libraryOptions } from './library.ts'
import { libraryError } from './library-error.ts'
import { authenticate, register, usableRegistration } from './registration.ts'

export async function signInByCode(situation: Situation, options: PersonOptions): Promise<Grant> {
  const { requests, authorizationServer: server, resource, known, signal } = situation
  const endpoint = endpointOf(server)
  requests.checkScheme(endpoint)
  const callback = await openCallback(options.callbackPort, known?.port)
  let stopReading: (() => void) | undefined
  try {
    // The registration names the port.
    const isSamePort = known?.port === callback.port
    const registration =
      (isSamePort ? usableRegistration(known, options) : undefined) ??
      (await register(requests, server, callback.redirectUri, options))
    const scope = scopeOf(situation.scope, server.scopes_supported)

    const oauth = await import('oauth4webapi')
    const client = clientOf(oauth, registration.clientId)
    const verifier = oauth.generateRandomCodeVerifier()
    const state = oauth.generateRandomState()
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
    for (const [name, value] of Object.entries(query)) endpoint.searchParams.set(name, value)
    const waiting = callback.wait(state, signal)
    options.show?.(endpoint)
    stopReading = options.readLines?.((line) => callback.paste(line))
    const answer = await waiting

    let status: number | undefined
    try {
      const params = oauth.validateAuthResponse(server, client, answer, state)
      const response = await oauth.authorizationCodeGrantRequest(
        server,
        client,
        await authenticate(registration, options),
        params,
        callback.redirectUri,
        verifier,
        libraryOptions(oauth, requests, resource)
      )
      ;({ status } = response)
      const requestedAt = Date.now()
      const tokens = await oauth.processAuthorizationCodeResponse(server, client, response)
      const base = { server, resource, registration, scope, port: callback.port }
      return grantFrom(base, tokens, requestedAt)
    } catch (error) {
      if (error instanceof ProxyError) throw error
      const { clientSecret } = options
      const secrets = [clientSecret, registration.clientSecret, verifier, answer.get('code') ?? '']
      throw libraryError('the authorization server refused', status, error, secrets)
    }
  } finally {
    stopReading?.()
    callback.close()
  }
}

/** @throws ProxyError if the server does not offer an authorization code with PKCE */
function endpointOf(server: AuthorizationServer): URL {
  const { issuer, authorization_endpoint: endpoint } = server
  const methods: unknown = server.code_challenge_methods_supported
  if (endpoint === undefined) {
    throw signInError(`the authorization server ${issuer} has no authorization_endpoint`)
  }
  if (!Array.isArray(methods) || !methods.includes('S256')) {
    throw signInError(`the authorization server ${issuer} does not offer PKCE with S256`)
  }
  return new URL(endpoint)
}

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
