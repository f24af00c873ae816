// Asks for a token in each HTTP request (2025-11-25, Authorization; RFC 6750). The endpoints then know
// the principal, and no later code sees the token.

import type { IncomingMessage, ServerResponse } from 'node:http'
import { ProxyError } from '../../errors.ts'
import type { Auth } from './token-auth.ts'

/**
 * Returns the principal of a request.
 *
 * @throws ProxyError `ERR_UNAUTHORIZED` if the request has no valid token. The response then has the
 *   header `WWW-Authenticate`
 */
export function authorize(auth: Auth, request: IncomingMessage, response: ServerResponse): string {
  const { authorization = '' } = request.headers
  const token = /^bearer +(\S+) *$/i.exec(authorization)?.[1]
  if (token === undefined) {
    response.setHeader('www-authenticate', 'Bearer')
    throw new ProxyError('ERR_UNAUTHORIZED', 'send a token: Authorization: Bearer TOKEN')
  }
  const principal = auth.principalOf(token)
  if (principal !== undefined) return principal
  response.setHeader('www-authenticate', 'Bearer error="invalid_token"')
  throw new ProxyError('ERR_UNAUTHORIZED', 'the token is not valid')
}
