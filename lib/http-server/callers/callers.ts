// The table of callers. A request finds its caller by its principal, or else by its address. The table
// drops a caller that uses nothing and has sent nothing for a minute or two. If the table is full, all
// callers that have no place in it count as one caller.

import type { IncomingHttpHeaders, Server } from 'node:http'
import type { Socket } from 'node:net'
import { ProxyError } from '../../errors.ts'
import { limits, shareOf } from '../../limits.ts'
import type { LimitOptions } from '../../limits.ts'
import { networkOf, peerAddress } from './address.ts'
import { Caller, CallerLimitError } from './caller.ts'
import type { CallerLimits } from './caller.ts'
import { TrustedProxies } from './trusted-proxies.ts'

export interface CallerOptions extends LimitOptions {
  /**
   * The addresses of reverse proxies, such as `10.0.0.0/8` (default: none). From them, the headers
   * `X-Forwarded-For`, `-Proto` and `-Host` count.
   */
  trustProxy?: string[] | undefined
  /**
   * How many sessions a caller may have open (0: no limit). Default: a tenth of `maxSessions` and at
   * least 4, if more than one caller has asked for a session.
   */
  maxCallerSessions?: number | undefined
}

/** How often the table drops callers, in ms. */
const sweepInterval = 60_000
/** How often a full table drops callers, in ms. */
const minSweepInterval = 1000

export class Callers {
  readonly #limits: CallerLimits
  readonly #maxCallers: number
  readonly #maxConnections: number
  readonly #proxies: TrustedProxies | undefined
  readonly #byNetwork = new Map<string, Caller>()
  readonly #byPrincipal = new Map<string, Caller>()
  /** Stands for all callers that have no place in the table. */
  readonly #others: Caller
  readonly #timer: NodeJS.Timeout
  #lastSweep = -Infinity

  /** @throws ProxyError `ERR_CONFIG` if `trustProxy` has a text that is no range of addresses */
  constructor(options: CallerOptions = {}) {
    const { trustProxy = [], maxCallerSessions, maxCallerConnections, maxCallers } = options
    this.#limits = {
      maxCallerRate: options.maxCallerRate ?? limits.maxCallerRate,
      maxCallerBurst: options.maxCallerBurst ?? limits.maxCallerBurst,
      maxCallerCalls: options.maxCallerCalls ?? limits.maxCallerCalls,
      maxCallerSessions: maxCallerSessions === 0 ? Infinity : maxCallerSessions,
      share: shareOf(options.maxSessions ?? limits.maxSessions),
      wanting: 0
    }
    this.#maxCallers = (maxCallers ?? limits.maxCallers) || Infinity
    this.#maxConnections = (maxCallerConnections ?? limits.maxCallerConnections) || Infinity
    this.#proxies = trustProxy.length === 0 ? undefined : new TrustedProxies(trustProxy)
    this.#others = new Caller('others', this.#limits)
    this.#timer = setInterval(() => this.#sweep(), sweepInterval).unref()
  }

  /** How many callers are in the table. */
  get size(): number {
    return this.#byNetwork.size + this.#byPrincipal.size
  }

  /**
   * Returns the address of the client that sends a request.
   *
   * @param peer the address of its connection
   */
  addressOf(peer: string, headers: IncomingHttpHeaders): string {
    return this.#proxies === undefined ? peer : this.#proxies.clientOf(peer, headers)
  }

  /** Returns the origin under which a client knows the listener, if a trusted proxy says so. */
  originOf(peer: string, headers: IncomingHttpHeaders): string | undefined {
    return this.#proxies?.originOf(peer, headers)
  }

  /** Returns the caller with a principal, or else with an address. */
  find(address: string, principal?: string): Caller {
    return principal === undefined
      ? this.#find(this.#byNetwork, networkOf(address))
      : this.#find(this.#byPrincipal, principal)
  }

  /**
   * Returns the error for a refused request. A request without a valid token has no principal, so it
   * counts for its address, and guessing tokens is as slow as `maxCallerRate`.
   */
  limit(address: string, cause: unknown): unknown {
    if (!(cause instanceof ProxyError) || cause.code !== 'ERR_UNAUTHORIZED') return cause
    try {
      this.find(address).takeRequest()
      return cause
    } catch (error) {
      return error
    }
  }

  /**
   * Counts the connections of each address. A connection over the limit is closed at once.
   *
   * @param onRefused called with the address of a connection that is closed
   */
  watch(http: Server, onRefused: (address: string, error: CallerLimitError) => void): void {
    http.on('connection', (socket: Socket) => {
      const address = peerAddress(socket.remoteAddress)
      if (this.#proxies?.has(address) === true) return
      const caller = this.#find(this.#byNetwork, networkOf(address))
      caller.connections++
      socket.once('close', () => caller.connections--)
      if (caller.connections <= this.#maxConnections) return
      socket.destroy()
      const message = `too many connections from ${caller.name} (see --max-caller-connections)`
      onRefused(address, new CallerLimitError(message))
    })
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  #find(table: Map<string, Caller>, name: string): Caller {
    return table.get(name) ?? this.#add(table, name)
  }

  #add(table: Map<string, Caller>, name: string): Caller {
    const isFull = this.size >= this.#maxCallers
    if (isFull && performance.now() - this.#lastSweep >= minSweepInterval) this.#sweep()
    if (this.size >= this.#maxCallers) return this.#others
    const caller = new Caller(name, this.#limits)
    table.set(name, caller)
    return caller
  }

  /** Drops the callers that use nothing and have sent nothing since the last time. */
  #sweep(): void {
    this.#lastSweep = performance.now()
    for (const table of [this.#byNetwork, this.#byPrincipal]) {
      for (const [name, caller] of table) {
        if (caller.isIdle && !caller.wasSeen) {
          table.delete(name)
          if (caller.wantsSessions) this.#limits.wanting--
        }
        caller.wasSeen = false
      }
    }
  }
}
