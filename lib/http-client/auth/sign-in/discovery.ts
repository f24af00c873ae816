// Finds the authorization server of an MCP server, as the revision 2026-07-28 says: the metadata of
// the protected resource names the issuer, and the metadata of the issuer names its endpoints.
//
// A server of 2025-03-26 has no metadata of the resource. Then its origin is the issuer, and the
// endpoints have fixed paths if there is no metadata of the issuer either.

import type { AuthorizationServer } from 'oauth4webapi'
import { nameOf, signInError } from './auth-requests.ts'
import type { AuthRequests } from './auth-requests.ts'

export interface Discovery {
  /** The name of the MCP server at the authorization server, byte for byte as the server wrote it. */
  resource: string
  /** The scopes that the resource names. */
  scopes: string[] | undefined
  authorizationServer: AuthorizationServer
}

/** @param named the URL of the resource's metadata, from the challenge of the MCP server */
export async function discover(
  requests: AuthRequests,
  server: URL,
  named: string | undefined
): Promise<Discovery> {
  const found = await findResource(requests, server, named)
  if (found === undefined) {
    const authorizationServer =
      (await findIssuer(requests, server.origin, true)) ?? fixedEndpoints(server.origin)
    return { resource: canonical(server), scopes: undefined, authorizationServer }
  }
  const { resource, authorization_servers: issuers, scopes_supported: supported } = found
  if (typeof resource !== 'string' || !covers(resource, server)) {
    throw signInError(`the metadata of ${nameOf(server)} is for another resource`)
  }
  const issuer: unknown = Array.isArray(issuers) ? issuers[0] : undefined
  if (typeof issuer !== 'string' || !URL.canParse(issuer)) {
    throw signInError(`the metadata of ${nameOf(server)} names no authorization server`)
  }
  const authorizationServer = await findIssuer(requests, issuer, false)
  if (authorizationServer === undefined) {
    throw signInError(`the authorization server ${nameOf(new URL(issuer))} has no metadata`)
  }
  const scopes = isTexts(supported) ? supported : undefined
  return { resource, scopes, authorizationServer }
}

/** The URL as the parameter `resource`: without a fragment, and without the slash of an empty path. */
function canonical(server: URL): string {
  const url = new URL(server)
  url.hash = ''
  return url.pathname === '/' && url.search === '' ? url.origin : url.href
}

async function findResource(
  requests: AuthRequests,
  server: URL,
  named: string | undefined
): Promise<Record<string, unknown> | undefined> {
  if (named !== undefined) {
    const metadata = await fetchJson(requests, named)
    if (metadata !== undefined) return metadata
    throw signInError('the server has no metadata at the address that it named')
  }
  const root = new URL('/.well-known/oauth-protected-resource', server).href
  const path = server.pathname === '/' ? '' : server.pathname
  for (const url of new Set([root + path, root])) {
    const metadata = await fetchJson(requests, url)
    if (metadata !== undefined) return metadata
  }
  return undefined
}

/** Whether the resource is the server's URL, or a path above it on the same origin. */
function covers(resource: string, server: URL): boolean {
  if (!URL.canParse(resource)) return false
  const { origin, pathname } = new URL(resource)
  const above = pathname.endsWith('/') ? pathname : `${pathname}/`
  return origin === server.origin && `${server.pathname}/`.startsWith(above)
}

async function findIssuer(
  requests: AuthRequests,
  issuer: string,
  isOrigin: boolean
): Promise<AuthorizationServer | undefined> {
  const { origin, pathname } = new URL(issuer)
  const path = pathname.replace(/\/$/, '')
  const urls = new Set([
    `${origin}/.well-known/oauth-authorization-server${path}`,
    `${origin}/.well-known/openid-configuration${path}`,
    `${origin}${path}/.well-known/openid-configuration`
  ])
  for (const url of urls) {
    const metadata = await fetchJson(requests, url)
    if (metadata === undefined) continue
    const given = metadata.issuer
    // In 2025-03-26 the issuer is the origin of the MCP server. `URL` writes no slash after an origin,
    // but the metadata may have one.
    if (given !== issuer && !(isOrigin && given === `${issuer}/`)) {
      throw signInError(`the metadata at ${nameOf(new URL(url))} is of another issuer`)
    }
    return checked(metadata, url)
  }
  return undefined
}

/** The members of the metadata of an issuer that the sign-in reads, by their types. */
const lists = [
  'scopes_supported',
  'grant_types_supported',
  'code_challenge_methods_supported',
  'token_endpoint_auth_methods_supported',
  'token_endpoint_auth_signing_alg_values_supported'
]
const endpoints = [
  'authorization_endpoint',
  'registration_endpoint',
  'device_authorization_endpoint',
  'revocation_endpoint'
]

function checked(metadata: Record<string, unknown>, from: string): AuthorizationServer {
  const name = nameOf(new URL(from))
  if (!isEndpoint(metadata.token_endpoint)) {
    throw signInError(`the metadata at ${name} has no token_endpoint`)
  }
  for (const key of lists) {
    if (metadata[key] !== undefined && !isTexts(metadata[key])) {
      throw signInError(`the metadata at ${name} has a wrong ${key}`)
    }
  }
  for (const key of endpoints) {
    if (metadata[key] !== undefined && !isEndpoint(metadata[key])) {
      throw signInError(`the metadata at ${name} has a wrong ${key}`)
    }
  }
  return metadata as unknown as AuthorizationServer
}

/** The OAuth library throws an error of its own for any other URL. */
const isEndpoint = (value: unknown): boolean =>
  typeof value === 'string' && URL.canParse(value) && /^https?:$/.test(new URL(value).protocol)

/** The endpoints of an authorization server of 2025-03-26 without metadata. */
const fixedEndpoints = (origin: string): AuthorizationServer => ({
  issuer: origin,
  authorization_endpoint: `${origin}/authorize`,
  token_endpoint: `${origin}/token`,
  registration_endpoint: `${origin}/register`,
  code_challenge_methods_supported: ['S256'],
  token_endpoint_auth_methods_supported: ['none']
})

/** Resolves to undefined if the server has no such document. */
async function fetchJson(
  requests: AuthRequests,
  url: string
): Promise<Record<string, unknown> | undefined> {
  const headers = { accept: 'application/json' }
  const response = await requests.send(url, { method: 'GET', headers })
  if (response.status >= 400 && response.status < 500) return undefined
  const name = nameOf(new URL(url))
  if (response.status !== 200) throw signInError(`${name} answered ${response.status}`)
  let value: unknown
  try {
    value = JSON.parse(await response.text())
  } catch {
    value = undefined
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>
  }
  throw signInError(`the metadata at ${name} is not a JSON object`)
}

const isTexts = (value: unknown): value is string[] =>
  Array.isArray(value) && value.every((one) => typeof one === 'string')
