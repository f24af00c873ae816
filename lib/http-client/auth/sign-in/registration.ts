// Gets the client id of the proxy at an authorization server: the one that the user gave, else the
// URL of a metadata document, else one that the server gives (dynamic registration).

import type { AuthorizationServer, ClientAuth } from 'oauth4webapi'
import { signInError } from './auth-requests.ts'
import type { AuthRequests } from './auth-requests.ts'
import { libraryError, problemIn } from './library-error.ts'

/** How the proxy is known to an authorization server. */
export interface Registration {
  clientId: string
  /** The secret of the client. Never log it. */
  clientSecret?: string | undefined
  /** The end of the secret, in ms since 1970 (default: it has no end). */
  expiresAt?: number | undefined
  /** How the client proves its identity to the token endpoint. */
  method: AuthMethod
}

export type AuthMethod = 'none' | 'client_secret_basic' | 'client_secret_post'

export interface RegistrationOptions {
  clientId?: string | undefined
  /** The secret of `clientId`. Never log it. */
  clientSecret?: string | undefined
  /** The https URL of a document that describes the proxy as a client. */
  clientMetadataUrl?: string | undefined
}

export async function register(
  requests: AuthRequests,
  server: AuthorizationServer,
  redirectUri: string,
  options: RegistrationOptions
): Promise<Registration> {
  const { clientId, clientSecret, clientMetadataUrl } = options
  if (clientId !== undefined) {
    const method = clientSecret === undefined ? 'none' : secretMethod(server)
    return { clientId, clientSecret, method }
  }
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

async function registerDynamically(
  requests: AuthRequests,
  server: AuthorizationServer,
  redirectUri: string
): Promise<Registration> {
  const oauth = await import('oauth4webapi')
  const methods = server.token_endpoint_auth_methods_supported
  const method = methods === undefined || methods.includes('none') ? 'none' : secretMethod(server)
  const wanted = {
    client_name: 'mcp-proxy',
    application_type: 'native',
    redirect_uris: [redirectUri],
    grant_types: ['authorization_code', 'refresh_token'],
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
  if (!response.ok || typeof value?.client_id !== 'string') {
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

const isMethod = (value: unknown): value is AuthMethod =>
  value === 'none' || value === 'client_secret_basic' || value === 'client_secret_post'

function secretMethod({
  token_endpoint_auth_methods_supported: offered
}: AuthorizationServer): AuthMethod {
  const takesOnlyPost =
    offered?.includes('client_secret_post') === true && !offered.includes('client_secret_basic')
  return takesOnlyPost ? 'client_secret_post' : 'client_secret_basic'
}

/** Adds what proves the identity of the client to a request for a token. */
export function authenticate({ clientId, clientSecret = '', method }: Registration): ClientAuth {
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
