// The servers of a listener as OAuth protected resources (RFC 9728). Each endpoint of a server is a
// resource, and so is the proxy as a whole. A document at a well-known path tells a client where to
// get a token. A refusal names this document in its header `WWW-Authenticate`.
//
// The URLs are made from the public URL of the proxy and never from the header `Host`. Otherwise a
// client could choose which resource the proxy claims to be.

import type { Route } from '../routes.ts'
import { pathOf, wellKnownPath } from '../routes.ts'
import type { AccessRules, Grant } from './auth.ts'

/** The document that describes a resource. */
export interface ResourceMetadata {
  resource: string
  authorization_servers: readonly string[]
  scopes_supported?: readonly string[]
  bearer_methods_supported: readonly string[]
}

/** The endpoints of a server that a client may use as the resource. */
const endpoints = ['mcp', 'sse']

export class ProtectedResource {
  readonly #publicUrl: string
  readonly #rules: AccessRules
  readonly #canonical = new WeakMap<Grant, readonly string[]>()
  #servers: readonly string[] = []
  /** The audiences that a token may have, for each server. */
  #audiences = new Map<string, ReadonlySet<string>>()

  /**
   * @param publicUrl the URL at which clients reach the proxy, without a slash at the end
   * @param servers the names of the servers
   */
  constructor(publicUrl: string, rules: AccessRules, servers: Iterable<string>) {
    this.#publicUrl = publicUrl
    this.#rules = rules
    this.setServers(servers)
  }

  /** Sets the names of the servers, in place of the names before. */
  setServers(servers: Iterable<string>): void {
    this.#servers = [...servers]
    this.#audiences = new Map(this.#servers.map((server) => [server, this.#audiencesOf(server)]))
  }

  /** Returns the document for a route of the kind `metadata`. */
  metadataOf({ server, endpoint }: Route): ResourceMetadata {
    const scopes = endpoint === '' ? this.#allScopes() : this.#rules.scopesOf(server)
    return {
      resource: this.#publicUrl + pathTo(server, endpoint),
      authorization_servers: this.#rules.issuers,
      ...(scopes.length > 0 && { scopes_supported: scopes }),
      bearer_methods_supported: ['header']
    }
  }

  /** Returns the parameters that each `WWW-Authenticate` of a route has. */
  paramsFor({ kind, server }: Route): Record<string, string> {
    const endpoint = kind === 'mcp' ? 'mcp' : kind === 'sse' || kind === 'messages' ? 'sse' : ''
    const isKnown = endpoint !== '' && this.#servers.includes(server)
    const scopes = isKnown ? this.#rules.scopesOf(server) : []
    return {
      resource_metadata:
        this.#publicUrl + wellKnownPath + (isKnown ? pathTo(server, endpoint) : ''),
      ...(scopes.length > 0 && { scope: scopes.join(' ') })
    }
  }

  /**
   * Whether a token is for this server.
   *
   * @param server `undefined` for a route that leads to no server: the token must be for one of them
   */
  isFor(grant: Grant, server: string | undefined): boolean {
    if (grant.audiences === undefined) return true
    const audiences = this.#audiencesIn(grant, grant.audiences)
    const names = server === undefined ? this.#servers : [server]
    return names.some((name) => {
      // A server that is gone has sessions until their last calls have ended.
      const accepted = this.#audiences.get(name) ?? this.#audiencesOf(name)
      return audiences.some((audience) => accepted.has(audience))
    })
  }

  /** Whether a token has all scopes that the server needs. */
  hasScopes({ scopes }: Grant, server: string): boolean {
    return scopes === undefined || this.#rules.scopesOf(server).every((scope) => scopes.has(scope))
  }

  /** Returns the audiences of a grant in their canonical form. Each request of a token needs them. */
  #audiencesIn(grant: Grant, audiences: readonly string[]): readonly string[] {
    let known = this.#canonical.get(grant)
    if (known === undefined) this.#canonical.set(grant, (known = audiences.map(canonical)))
    return known
  }

  #audiencesOf(server: string): ReadonlySet<string> {
    const { audience } = this.#rules
    if (audience !== undefined) return new Set([canonical(audience)])
    const paths = ['', ...endpoints].map((endpoint) => this.#publicUrl + pathTo(server, endpoint))
    return new Set([this.#publicUrl, ...paths].map(canonical))
  }

  #allScopes(): string[] {
    return [...new Set(this.#servers.flatMap((server) => this.#rules.scopesOf(server)))]
  }
}

/** Returns the path of an endpoint. For the endpoint `''` it is the common start of the paths. */
const pathTo = (server: string, endpoint: string): string =>
  (pathOf(server, '') + endpoint).replace(/\/$/, '')

/**
 * Returns a URI with its scheme and host in lower case, and without a slash at its end. Nothing else
 * in it is changed: the issuer and the proxy could read a path such as `/a/../b` in different ways.
 */
const canonical = (uri: string): string =>
  uri.replace(/^[^/?#]*:\/\/[^/?#]*/, (start) => start.toLowerCase()).replace(/\/$/, '')
