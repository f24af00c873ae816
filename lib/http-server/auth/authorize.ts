// Asks for a token in each HTTP request (2025-11-25 and 2026-07-28, Authorization; RFC 6750). The
// endpoints then know the principal, and no later code sees the token.
//
// A grant is remembered by the text of the header that clients usually send, so only the first request
// with a token pays for the check. The memory is bounded: the oldest grant gives way, and its token is
// checked again when it comes again.

import { ProxyError } from '../../errors.ts'
import type { RequestContext } from '../request-context.ts'
import { leadsToServer } from '../routes.ts'
import type { Auth, Grant } from './auth.ts'
import type { ProtectedResource } from './protected-resource.ts'
import { TokenStreams } from './token-streams.ts'

export interface AuthorizerOptions {
  auth: Auth
  /** How many grants are remembered (0: no limit). */
  maxTokens: number
  /** The servers as resources of issuers (default: clients cannot ask where to get a token). */
  resource?: ProtectedResource | undefined
  /** Finds the server of a session of HTTP+SSE, whose POSTs may come on the path of any server. */
  serverOf: (session: string) => string | undefined
}

export class Authorizer {
  readonly resource: ProtectedResource | undefined
  readonly #auth: Auth
  readonly #maxTokens: number
  readonly #serverOf: AuthorizerOptions['serverOf']
  readonly #grants = new Map<string, Grant>()
  /** The checks that have not ended, so that many requests with a new token cause one check. */
  readonly #checks = new Map<string, Promise<Grant>>()
  readonly #streams = new TokenStreams()

  constructor({ auth, maxTokens, resource, serverOf }: AuthorizerOptions) {
    this.#auth = auth
    this.#maxTokens = maxTokens || Infinity
    this.resource = resource
    this.#serverOf = serverOf
  }

  /**
   * Returns the principal of a request.
   *
   * @throws ProxyError `ERR_UNAUTHORIZED` if the request has no valid token, and `ERR_FORBIDDEN` if
   *   the token lacks a scope. The response then has the header `WWW-Authenticate`. The error is
   *   `ERR_ISSUER` if the token cannot be checked
   */
  authorize(context: RequestContext): string | Promise<string> {
    const { authorization = '' } = context.request.headers
    const known = this.#known(authorization)
    return known === undefined
      ? this.#authorizeNew(context, authorization)
      : this.#admit(context, known)
  }

  async #authorizeNew(context: RequestContext, authorization: string): Promise<string> {
    const token = /^bearer +(\S+) *$/i.exec(authorization)?.[1]
    if (token === undefined) {
      this.#challenge(context, {})
      throw new ProxyError('ERR_UNAUTHORIZED', 'send a token: Authorization: Bearer TOKEN')
    }
    // A client may write the header in many ways. Only one of them is remembered for a token, so a
    // client cannot fill the memory.
    const header = `Bearer ${token}`
    const grant = this.#known(header) ?? (await this.#checkOnce(context, header, token))
    return this.#admit(context, grant)
  }

  /** Returns the grant that is remembered for a header, if it still counts. */
  #known(header: string): Grant | undefined {
    const grant = this.#grants.get(header)
    if (grant?.isValid?.() !== false) return grant
    this.#grants.delete(header)
    return undefined
  }

  async #checkOnce(context: RequestContext, header: string, token: string): Promise<Grant> {
    let check = this.#checks.get(header)
    if (check === undefined) {
      check = this.#check(token).finally(() => this.#checks.delete(header))
      this.#checks.set(header, check)
    }
    try {
      const grant = await check
      this.#remember(header, grant)
      return grant
    } catch (error) {
      const isInvalid = error instanceof ProxyError && error.code === 'ERR_UNAUTHORIZED'
      if (isInvalid) this.#challenge(context, { error: 'invalid_token' })
      throw error
    }
  }

  async #check(token: string): Promise<Grant> {
    const grant = await this.#auth.check(token)
    if (grant !== undefined) return grant
    throw new ProxyError('ERR_UNAUTHORIZED', 'the token is not valid')
  }

  #remember(header: string, grant: Grant): void {
    this.#grants.set(header, grant)
    const [oldest] = this.#grants.keys()
    if (this.#grants.size > this.#maxTokens) this.#grants.delete(oldest as string)
  }

  #admit(context: RequestContext, grant: Grant): string {
    if (this.resource !== undefined) this.#checkRules(context, grant, this.resource)
    this.#streams.guard(context.response, grant)
    return grant.principal
  }

  #checkRules(context: RequestContext, grant: Grant, resource: ProtectedResource): void {
    const server = this.#targetOf(context)
    if (!resource.isFor(grant, server)) {
      this.#challenge(context, { error: 'invalid_token' })
      throw new ProxyError('ERR_UNAUTHORIZED', 'the token is for another resource (aud)')
    }
    if (server === undefined || resource.hasScopes(grant, server)) return
    this.#challenge(context, { error: 'insufficient_scope' })
    throw new ProxyError('ERR_FORBIDDEN', 'the token lacks a scope that this server needs')
  }

  /** Returns the server to which a request goes. */
  #targetOf({ route, sessionId }: RequestContext): string | undefined {
    if (route.kind === 'messages') return this.#serverOf(sessionId ?? '')
    return leadsToServer(route) ? route.server : undefined
  }

  #challenge({ route, response }: RequestContext, error: Record<string, string>): void {
    const params = Object.entries({ ...error, ...this.resource?.paramsFor(route) })
    const text = params.map(([name, value]) => `${name}="${value}"`).join(', ')
    response.setHeader('www-authenticate', `Bearer ${text}`.trimEnd())
  }
}
