// Gets the client id of the proxy at an authorization server: the one that the user gave, else the
// URL of a metadata document, else one that the server gives (dynamic registration).

import type { AuthorizationServer, ClientAuth } from 'oauth4webapi'
import { signedByKey } from '../client-key.ts'
import { signInError } from './auth-requests.ts'
import type { AuthRequests } from './auth-requests.ts'
import { libraryError, problemIn } from './library-error.ts'

/** How the proxy is known to an authorization server. */
export interface Registration {
  clientId: string
  /** The secret that the server gave. Never log it. */
  clientSecret?: string | undefined
  /** The end of the secret, in ms since 1970 (default: it has no end). */
  expiresAt?: number | undefined
  /** How the client proves its identity to the token endpoint. */
  method: AuthMethod
  /** The algorithms of signatures that the server accepts, for `private_key_jwt`. */
  algorithms?: string[] | undefined
}

export type AuthMethod = 'none' | 'client_secret_basic' | 'client_secret_post' | 'private_key_jwt'

/** What proves the identity of the client that the user gave. It is not stored. */
export interface Proof {
  /** The secret of the client. Never log it. */
  clientSecret?: string | undefined
  /** The private key of the client. Never log it. */
  clientKey?: string | undefined
}

export interface RegistrationOptions extends Proof {
  clientId?: string | undefined
  /**
   * The issuer of the authorization server that knows `clientId` (default: that of the sign-in before,
   * and for the first sign-in the one that the MCP server names).
   */
  clientIssuer?: string | undefined
  /** The https URL of a document that describes the proxy as a client. */
  clientMetadataUrl?: string | undefined
}

export async function register(
  requests: AuthRequests,
  server: AuthorizationServer,
  redirectUri: string,
  options: RegistrationOptions
): Promise<Registration> {
  const { clientMetadataUrl } = options
  const given = registrationGiven(server, options)
  if (given !== undefined) return given
  if (clientMetadataUrl !== undefined && server.client_id_metadata_document_supported === true) {
    return { clientId: clientMetadataUrl, method: 'none' }
  }
  if (server.registration_endpoint !== undefined) {
    return registerDynamically(requests, server, redirectUri)
  }
  throw signInError(
    `the authorization server ${server.issuer} registers no clients (see --client-id and --client-metadata-url)`
  )
}

/** Returns the client that the user gave, if any. */
export function registrationGiven(
  server: AuthorizationServer,
  { clientId, clientSecret, clientKey }: RegistrationOptions
): Registration | undefined {
  if (clientId === undefined) return undefined
  if (clientKey !== undefined) {
    const { token_endpoint_auth_signing_alg_values_supported: algorithms } = server
    return { clientId, method: 'private_key_jwt', algorithms }
  }
  return { clientId, method: clientSecret === undefined ? 'none' : secretMethod(server) }
}

/**
 * Returns why the authorization server must not get the secret of the client that the user gave, if the
 * client is registered at another one.
 *
 * @param first the issuer of the first sign-in
 */
export function issuerFault(
  issuer: string,
  { clientId, clientIssuer }: RegistrationOptions,
  first?: string
): string | undefined {
  const own = clientIssuer ?? first
  if (clientId === undefined || own === undefined) return undefined
  if (withoutSlash(own) === withoutSlash(issuer)) return undefined
  return `the authorization server is ${issuer}, but the client belongs to ${own} (see --client-issuer)`
}

const withoutSlash = (url: string): string => url.replace(/\/$/, '')

/** Returns the registration of the sign-in before, if the proxy made it and may use it again. */
export function usableRegistration(
  known: { registration: Registration } | undefined,
  { clientId, clientMetadataUrl }: RegistrationOptions
): Registration | undefined {
  if (clientId !== undefined || clientMetadataUrl !== undefined) return undefined
  const { registration } = known ?? {}
  const { expiresAt = Infinity } = registration ?? {}
  return Date.now() < expiresAt ? registration : undefined
}

async function registerDynamically(
  requests: AuthRequests,
  server: AuthorizationServer,
  redirectUri: string
): Promise<Registration> {
  const oauth = await import('oauth4webapi')
  const methods = server.token_endpoint_auth_methods_supported
  const method = methodFor(methods)
  const wanted = {
    client_name: 'mcp-proxy',
    application_type: 'native',
    redirect_uris: [redirectUri],
    grant_types: [
      'authorization_code',
      'refresh_token',
      ...(server.device_authorization_endpoint === undefined ? [] : [deviceGrant])
    ],
    response_types: ['code'],
    token_endpoint_auth_method: method
  }
  const response = await oauth.dynamicClientRegistrationRequest(server, wanted, {
    [oauth.allowInsecureRequests]: true,
    [oauth.customFetch]: (url, { headers, body, method: verb }) =>
      requests.send(url, { method: verb, headers, body })
  })
  // The library's own reading is stricter: it wants the status 201 and `client_secret_expires_at`.
  const value = (await response.json().catch(() => undefined)) as Registered | null | undefined
  if (!response.ok || typeof value?.client_id !== 'string' || value.client_id === '') {
    const reason = { message: 'the response has no client_id', ...problemIn(value) }
    throw libraryError('the registration failed', response.status, reason, [])
  }
  const {
    client_id: clientId,
    client_secret: clientSecret,
    token_endpoint_auth_method: given
  } = value
  if (typeof clientSecret !== 'string') return { clientId, method: 'none' }
  const seconds = value.client_secret_expires_at
  const expiresAt = typeof seconds === 'number' && seconds > 0 ? seconds * 1000 : undefined
  return { clientId, clientSecret, expiresAt, method: isMethod(given) ? given : method }
}

/** The response of a server to a registration. No member was checked. */
interface Registered {
  client_id?: unknown
  client_secret?: unknown
  client_secret_expires_at?: unknown
  token_endpoint_auth_method?: unknown
  error?: unknown
  error_description?: unknown
}

const deviceGrant = 'urn:ietf:params:oauth:grant-type:device_code'

const isMethod = (value: unknown): value is AuthMethod =>
  value === 'none' || value === 'client_secret_basic' || value === 'client_secret_post'

// The server gives a client that it registers its method. The Python SDK's server looks for the client id
// in the body, so the secret goes there too, if the server takes it there.
function methodFor(offered: string[] = ['none']): AuthMethod {
  if (offered.includes('none')) return 'none'
  return offered.includes('client_secret_post') ? 'client_secret_post' : 'client_secret_basic'
}

function secretMethod({
  token_endpoint_auth_methods_supported: offered
}: AuthorizationServer): AuthMethod {
  const takesOnlyPost =
    offered?.includes('client_secret_post') === true && !offered.includes('client_secret_basic')
  return takesOnlyPost ? 'client_secret_post' : 'client_secret_basic'
}

/** Adds what proves the identity of the client to a request for a token. */
export async function authenticate(
  { clientId, clientSecret: own, method, algorithms }: Registration,
  { clientSecret: given, clientKey: key }: Proof
): Promise<ClientAuth> {
  if (method === 'private_key_jwt' && key !== undefined) return signedByKey({ key, algorithms })
  const clientSecret = given ?? own ?? ''
  return (_server, _client, body, headers) => {
    if (method === 'client_secret_basic') {
      // The library's own function also encodes hyphens, which some servers do not decode.
      const pair = `${formEncode(clientId)}:${formEncode(clientSecret)}`
      headers.set('authorization', `Basic ${Buffer.from(pair).toString('base64')}`)
      return
    }
    body.set('client_id', clientId)
    if (method === 'client_secret_post') body.set('client_secret', clientSecret)
  }
}

const formEncode = (text: string): string => new URLSearchParams({ '': text }).toString().slice(1)
