// Loads the sign-in when it is first needed, so that a server without authorization costs nothing.

import type { IncomingHttpHeaders } from 'node:http'
import type { AuthorizedRequest, Credentials } from './credentials.ts'

export class LazySignIn implements Credentials {
  readonly #load: () => Promise<Credentials>
  readonly #mayBeStored: boolean
  #signIn: Promise<Credentials> | undefined
  #loaded: Credentials | undefined
  /** The refusals that came before the sign-in was loaded. */
  readonly #refusals: ((signIn: Credentials) => void)[] = []

  /** @param mayBeStored whether there may be tokens from before, so that the first request needs them */
  constructor(load: () => Promise<Credentials>, mayBeStored: boolean) {
    this.#load = load
    this.#mayBeStored = mayBeStored
  }

  authorize(
    request: AuthorizedRequest,
    signal?: AbortSignal
  ): string | undefined | Promise<string | undefined> {
    if (this.#loaded !== undefined) return this.#loaded.authorize(request, signal)
    if (this.#refusals.length === 0 && !this.#mayBeStored) return undefined
    return this.#loadAndAuthorize(request, signal)
  }

  async #loadAndAuthorize(
    request: AuthorizedRequest,
    signal?: AbortSignal
  ): Promise<string | undefined> {
    this.#loaded = await (this.#signIn ??= this.#load())
    for (const replay of this.#refusals.splice(0)) replay(this.#loaded)
    return this.#loaded.authorize(request, signal)
  }

  refused(authorization: string | undefined, headers: IncomingHttpHeaders): boolean {
    if (this.#loaded !== undefined) return this.#loaded.refused(authorization, headers)
    this.#refusals.push((signIn) => signIn.refused(authorization, headers))
    return true
  }

  insufficient(authorization: string | undefined, headers: IncomingHttpHeaders): boolean {
    if (this.#loaded !== undefined) {
      return this.#loaded.insufficient?.(authorization, headers) === true
    }
    const mayHelp = headers['www-authenticate']?.includes('insufficient_scope') === true
    if (mayHelp) this.#refusals.push((signIn) => signIn.insufficient?.(authorization, headers))
    return mayHelp
  }
}
