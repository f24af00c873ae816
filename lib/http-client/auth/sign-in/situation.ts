// What the ways to sign in have in common: the options, and what is known when the sign-in begins.

import type { AuthRequests } from './auth-requests.ts'
import type { Discovery } from './discovery.ts'
import type { Grant } from './grant.ts'
import type { RegistrationOptions } from './registration.ts'

export interface AskOptions extends RegistrationOptions {
  /** The URL of the MCP server. */
  server: URL
  /** Whether to sign in without a person (default: if the server offers nothing else). */
  clientCredentials?: boolean | undefined
  /** The loopback port for the browser's way back (0: any free port). */
  callbackPort: number
  /** Whether a browser can open on this machine. */
  browser: boolean
  /**
   * Shows the URL to the person, with the code to enter there, if any. It opens the URL in a browser if
   * it may. Without this function no person can sign in.
   */
  show?: ((url: URL, code?: string) => void) | undefined
  /** Calls `onLine` with what the person pastes, until the returned function is called. */
  readLines?: ((onLine: (line: string) => boolean) => () => void) | undefined
  /** What to do if no person can sign in, for the error message. It is set if `show` is not. */
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

/** The options of a way that needs a person. */
export type PersonOptions = AskOptions & Required<Pick<AskOptions, 'show'>>
