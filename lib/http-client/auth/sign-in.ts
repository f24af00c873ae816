// Signs a person in at a server that asks for OAuth. The first request goes out without a token. If
// the server refuses it, the proxy signs in, and sends the request again. Later requests use the
// token. The proxy refreshes the token before it expires and when the server refuses it, and signs
// in again if it cannot be refreshed.
//
// All that does the work loads only when the server has refused a request.

import type { IncomingHttpHeaders } from 'node:http'
import type { AgentOptions } from '../connections/agent.ts'
import { ProxyError } from '../../errors.ts'
import { limits } from '../../limits.ts'
import { parseChallenges } from './challenges.ts'
import type { Challenge } from './challenges.ts'
import type { Credentials } from './credentials.ts'
import type { AuthRequests } from './sign-in/auth-requests.ts'
import type { AskOptions, Challenged } from './sign-in/situation.ts'
import type { Grant } from './sign-in/grant.ts'
import { unlessAborted } from './shared-token.ts'

export interface SignInOptions
  extends Omit<AgentOptions, 'origin'>, Omit<AskOptions, 'browser' | 'callbackPort'> {
  /** The loopback port for the browser's way back (default 0: any free port). */
  callbackPort?: number | undefined
  /** Whether a browser can open on this machine (default: true). */
  browser?: boolean | undefined
  /** How long the person may take, in milliseconds (default 5 min; 0: no limit). */
  loginTimeout?: number | undefined
  /** Where the tokens are kept (default: in memory). */
  store?: GrantStore | undefined
}

/** Keeps the tokens of one server. */
export interface GrantStore {
  load(): Promise<Grant | undefined>
  save(grant: Grant): Promise<void>
  /**
   * Runs the work while no other process does such work for the same server.
   *
   * @param skip returns the result if another process has done the work already
   */
  exclusively<T>(
    work: () => Promise<T>,
    signal: AbortSignal,
    skip?: () => Promise<T | undefined>
  ): Promise<T>
}

/** A refresh or a sign-in that has not finished. */
interface Renewing {
  grant: Promise<Grant | undefined>
  /** The number of callers that wait. */
  waiting: number
  abort(): void
}

export class SignIn implements Credentials {
  readonly #options: SignInOptions
  readonly #store: GrantStore
  #grant: Grant | undefined
  #loaded: Promise<void> | undefined
  /** What the server asked for at its last refusal. */
  #challenged: Challenged | undefined
  /** The access token that the server has refused. */
  #refused: string | undefined
  /** True if the token lacks a scope. A refresh does not help then. */
  #lacksScope = false
  #renewing: Renewing | undefined

  constructor(options: SignInOptions) {
    this.#options = options
    this.#store = options.store ?? new MemoryStore()
  }

  async authorize(_request: unknown, signal?: AbortSignal): Promise<string | undefined> {
    signal?.throwIfAborted()
    await (this.#loaded ??= this.#load())
    let grant = this.#grant
    if (!this.#isUsable(grant)) {
      if (grant === undefined && this.#challenged === undefined) return undefined
      grant = await this.#renew(signal)
    }
    return grant && `Bearer ${grant.accessToken}`
  }

  refused(authorization: string | undefined, headers: IncomingHttpHeaders): boolean {
    return this.#note(authorization, bearerOf(headers))
  }

  insufficient(authorization: string | undefined, headers: IncomingHttpHeaders): boolean {
    const bearer = bearerOf(headers)
    if (bearer?.params.get('error') !== 'insufficient_scope') return false
    this.#lacksScope ||= this.#isCurrent(authorization)
    return this.#note(authorization, bearer)
  }

  /**
   * Signs in, even if there is a token that works.
   *
   * @param headers those with which the server refused a request without a token
   */
  async signIn(headers: IncomingHttpHeaders = {}, signal?: AbortSignal): Promise<void> {
    await (this.#loaded ??= this.#load())
    this.#note(undefined, bearerOf(headers))
    this.#refused = this.#grant?.accessToken
    this.#lacksScope = true
    await this.#renew(signal)
  }

  #note(authorization: string | undefined, bearer: Challenge | undefined): boolean {
    const { params } = bearer ?? {}
    const scope = params?.get('scope')
    this.#challenged = { resourceMetadata: params?.get('resource_metadata'), scope }
    if (this.#isCurrent(authorization)) this.#refused = this.#grant?.accessToken
    return true
  }

  #isCurrent(authorization: string | undefined): boolean {
    return this.#grant !== undefined && authorization === `Bearer ${this.#grant.accessToken}`
  }

  #isUsable(grant: Grant | undefined): grant is Grant {
    if (grant === undefined || grant.accessToken === this.#refused) return false
    return grant.expiresAt === undefined || Date.now() < grant.expiresAt
  }

  async #load(): Promise<void> {
    this.#grant = await this.#store.load()
  }

  /** Callers that wait at the same time share the work. It stops when none waits any more. */
  async #renew(signal: AbortSignal | undefined): Promise<Grant | undefined> {
    const renewing = (this.#renewing ??= this.#start())
    renewing.waiting++
    try {
      return await unlessAborted(renewing.grant, signal)
    } finally {
      if (--renewing.waiting === 0) {
        if (this.#renewing === renewing) this.#renewing = undefined
        renewing.abort()
      }
    }
  }

  #start(): Renewing {
    const controller = new AbortController()
    const work = (): Promise<Grant | undefined> => this.#renewAlone(controller.signal)
    const { signal } = controller
    const grant = this.#store
      .exclusively(work, signal, () => this.#reload())
      .catch((cause: unknown) => {
        // The next request goes out without a token: perhaps the server does not ask for one any more.
        this.#challenged = undefined
        throw cause
      })
      .finally(() => {
        if (this.#renewing === renewing) this.#renewing = undefined
      })
    const abort = (): void => controller.abort(new ProxyError('ERR_CLOSED', 'nobody waits'))
    const renewing: Renewing = { grant, waiting: 0, abort }
    return renewing
  }

  /** Another process may have refreshed the token, or signed in. */
  async #reload(): Promise<Grant | undefined> {
    const stored = await this.#store.load()
    return this.#isUsable(stored) ? this.#keep(stored) : undefined
  }

  async #renewAlone(signal: AbortSignal): Promise<Grant | undefined> {
    const renewed = await this.#reload()
    if (renewed !== undefined) return renewed
    const stored = await this.#store.load()
    const { server, connectTimeout: timeout = limits.connectTimeout } = this.#options
    const { AuthRequests } = await import('./sign-in/auth-requests.ts')
    const requests = new AuthRequests({ server, agent: this.#options, timeout, signal })
    try {
      let previous: Grant | undefined = stored
      if (stored !== undefined && !this.#lacksScope) {
        const { refresh } = await import('./sign-in/refresh.ts')
        const fresh = await refresh(requests, stored, this.#options, Date.now())
        if (typeof fresh === 'object') return await this.#save(fresh)
        if (fresh === 'client') previous = withoutClient(stored)
      }
      // The next request goes out without a token, so that the server says what it asks for.
      if (this.#challenged === undefined) {
        this.#grant = undefined
        return undefined
      }
      return await this.#save(await this.#ask(requests, this.#challenged, previous, signal))
    } finally {
      await requests.close()
    }
  }

  async #ask(
    requests: AuthRequests,
    challenged: Challenged,
    previous: Grant | undefined,
    signal: AbortSignal
  ): Promise<Grant> {
    const { callbackPort = 0, browser = true, loginTimeout = limits.loginTimeout } = this.#options
    const { ask } = await import('./sign-in/ask.ts')
    const late = new AbortController()
    const onTime = (): void => {
      const message = `cannot sign in: nobody signed in within ${loginTimeout / 1000} s (see --login-timeout)`
      late.abort(new ProxyError('ERR_TOKEN', message))
    }
    const timer = loginTimeout > 0 ? setTimeout(onTime, loginTimeout) : undefined
    try {
      const either = AbortSignal.any([signal, late.signal])
      const options = { ...this.#options, callbackPort, browser }
      return await ask(requests, options, challenged, previous, either)
    } finally {
      clearTimeout(timer)
    }
  }

  async #save(grant: Grant): Promise<Grant> {
    await this.#store.save(grant)
    return this.#keep(grant)
  }

  #keep(grant: Grant): Grant {
    this.#grant = grant
    this.#refused = undefined
    this.#lacksScope = false
    return grant
  }
}

class MemoryStore implements GrantStore {
  #grant: Grant | undefined

  load(): Promise<Grant | undefined> {
    return Promise.resolve(this.#grant)
  }

  save(grant: Grant): Promise<void> {
    this.#grant = grant
    return Promise.resolve()
  }

  exclusively<T>(work: () => Promise<T>): Promise<T> {
    return work()
  }
}

/** The authorization server does not know the client any more, so the proxy registers again. */
const withoutClient = (grant: Grant): Grant => ({
  ...grant,
  registration: { ...grant.registration, expiresAt: 0 }
})

const bearerOf = (headers: IncomingHttpHeaders): Challenge | undefined =>
  parseChallenges(headers['www-authenticate']).find(({ scheme }) => scheme === 'bearer')
