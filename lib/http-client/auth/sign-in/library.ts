// What all uses of the OAuth library in a sign-in have in common.

import type { Client, TokenEndpointRequestOptions } from 'oauth4webapi'
import type { AuthRequests } from './auth-requests.ts'

export type Library = typeof import('oauth4webapi')

/** How far the clock of an authorization server may be off, in seconds. */
const clockTolerance = 10 * 60

/** Makes the library send its requests with `requests`, with the parameter `resource` if given. */
export const libraryOptions = (
  oauth: Library,
  requests: AuthRequests,
  resource?: string
): TokenEndpointRequestOptions => ({
  // `requests` checks the schemes of URLs.
  [oauth.allowInsecureRequests]: true,
  [oauth.customFetch]: (url, { headers, body, method }) =>
    requests.send(url, { method, headers, body: body.toString() }),
  ...(resource !== undefined && { additionalParameters: { resource } })
})

export const clientOf = (oauth: Library, clientId: string): Client => ({
  client_id: clientId,
  [oauth.clockTolerance]: clockTolerance
})
