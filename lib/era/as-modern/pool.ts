// The connections to the legacy server: some for each group of clients. The clients of a group have
// the same capabilities, the same name and the same principal.
//
// A request takes the first connection of its group that is free for it. So one request after the
// other finds the same server, with the state that the server keeps. If none is free, the pool opens
// a connection, up to a limit for each group and one for all groups. At the limits it ends a
// connection that is idle, or the call that has waited longest for its client, or subscriptions.
// Otherwise the request waits. That wait has no limit, because calls have none. A client that answers
// at once must not lose its call, so a call ends for others only after a share of `inputTimeout`.

import type { Duplex } from 'node:stream'
import { describe, internalError, ProxyError } from '../../errors.ts'
import { limits } from '../../limits.ts'
import { silent } from '../../log.ts'
import type { Log } from '../../log.ts'
import { Connection } from './connection.ts'
import type { ConnectionOptions, Identity, Mode } from './connection.ts'

export interface PoolOptions extends ConnectionOptions {
  /** How many connections the clients of one group may use at a time (default 8; 0: no limit). */
  maxGroupConnections?: number | undefined
  /** How many connections all clients may use at a time (default 32; 0: no limit). */
  maxConnections?: number | undefined
  /** A connection without a request ends after this time, in ms (default 5 min; 0: never). */
  detachedTimeout?: number | undefined
  /**
   * How long the proxy waits for a client that must answer questions of the server, in ms (default
   * 5 min; 0: no limit). Then it cancels the call. At the limits of connections, it cancels the call
   * after a hundredth of this time.
   */
  inputTimeout?: number | undefined
}

/** The part of `inputTimeout` that each client has, also if others wait for the connection. */
const sureShare = 1 / 100

/** The clients that may use the same connections. */
export interface Group extends Identity {
  key: string
  connections: Connection[]
  /** How many requests wait for a connection. */
  waiting: number
}

/** A use of a connection, from `lease` to `release`. */
export class Lease {
  group: Group
  readonly mode: Mode
  connection: Connection | undefined
  ended = false
  readonly onReady: (connection: Connection) => void
  readonly onError: (error: ProxyError) => void

  constructor(
    group: Group,
    mode: Mode,
    onReady: (connection: Connection) => void,
    onError: (error: ProxyError) => void
  ) {
    this.group = group
    this.mode = mode
    this.onReady = onReady
    this.onError = onError
  }
}

/** How many requests may wait for a connection. */
const maxWaiting = 1000

export class Pool {
  readonly #connect: () => Duplex
  readonly #options: PoolOptions
  readonly #log: Log
  readonly #maxGroup: number
  readonly #max: number
  readonly #idle: number
  /** How long a call may certainly wait for its client, in ms. */
  readonly #sureTime: number
  readonly #groups = new Map<string, Group>()
  /** The connections whose server has not closed. */
  readonly #open = new Set<Connection>()
  /** How many of them end, and take no more requests. */
  #ending = 0
  #waiting: Lease[] = []
  #destroyed = false
  #isServing = false
  /** Serves those that wait when a call has waited for the sure time: at `#servesAt`. */
  #serveTimer: NodeJS.Timeout | undefined
  #servesAt = Infinity

  constructor(connect: () => Duplex, options: PoolOptions) {
    this.#connect = connect
    this.#options = options
    this.#log = options.log ?? silent
    this.#maxGroup = (options.maxGroupConnections ?? limits.maxGroupConnections) || Infinity
    this.#max = (options.maxConnections ?? limits.maxConnections) || Infinity
    this.#idle = options.detachedTimeout ?? limits.detachedTimeout
    this.#sureTime = (options.inputTimeout || limits.inputTimeout) * sureShare
  }

  get isReady(): boolean {
    return [...this.#open].some(({ isReady }) => isReady)
  }

  /** Returns the group with this key, or the group that `make` makes. */
  group(key: string, make: () => Identity): Group {
    return this.#groups.get(key) ?? { ...make(), key, connections: [], waiting: 0 }
  }

  /** Calls `onReady` with a connection when one is free, perhaps at once. */
  lease(lease: Lease): void {
    if (this.#destroyed) return this.#refuse(lease, closed())
    const { key } = lease.group
    lease.group = this.#groups.get(key) ?? lease.group
    this.#groups.set(key, lease.group)
    if (this.#place(lease, this.#waiting.length)) return
    if (this.#waiting.length === maxWaiting) {
      const text = 'too many requests wait for a connection to the server'
      return this.#refuse(lease, new ProxyError('ERR_SESSIONS_FULL', text))
    }
    lease.group.waiting++
    this.#waiting.push(lease)
  }

  /**
   * Ends the use of a connection, or the wait for one.
   *
   * @param isClean whether the server cannot send anything more that belongs to this use. If not,
   * the connection ends
   */
  release(lease: Lease, isClean = true): void {
    if (lease.ended) return
    lease.ended = true
    const { connection, group } = lease
    if (connection === undefined) {
      this.#waiting.splice(this.#waiting.indexOf(lease), 1)
      group.waiting--
    } else {
      connection.unclaim(lease.mode)
      if (!isClean) {
        connection.movesListens = true
        this.#end(group, connection)
      } else if (connection.isIdle) this.#startIdle(group, connection)
    }
    this.#serveWaiting()
    this.#forget(group)
  }

  /** Ends all connections. Resolves when their servers have closed. */
  async destroy(): Promise<void> {
    this.#destroyed = true
    clearTimeout(this.#serveTimer)
    for (const lease of this.#waiting.splice(0)) this.#refuse(lease, closed())
    await Promise.all([...this.#open].map(({ server }) => server.destroy()))
  }

  #refuse(lease: Lease, error: ProxyError): void {
    lease.ended = true
    lease.onError(error)
  }

  /**
   * Gives a connection to a lease. Returns false if none is free.
   *
   * @param ahead how many others wait longer
   */
  #place(lease: Lease, ahead: number): boolean {
    const { group, mode } = lease
    const find = (): Connection | undefined => group.connections.find((one) => one.takes(mode))
    // To make room can free a connection of the group.
    const connection = find() ?? (this.#makeRoom(group, ahead) ? this.#add(group) : find())
    if (connection === undefined) return false
    clearTimeout(connection.idleTimer)
    connection.claim(mode)
    lease.connection = connection
    if (connection.isReady) this.#use(lease, connection)
    else {
      connection.ready().then(
        () => this.#use(lease, connection),
        (error: ProxyError) => this.#fail(lease, error)
      )
    }
    return true
  }

  #use(lease: Lease, connection: Connection): void {
    if (lease.ended) return
    try {
      lease.onReady(connection)
    } catch (cause) {
      this.#log.error(`a request failed: ${describe(internalError(cause))}`)
      this.#fail(lease, internalError())
    }
  }

  #fail(lease: Lease, error: ProxyError): void {
    if (lease.ended) return
    this.release(lease)
    lease.onError(error)
  }

  /** Returns whether a group may have one more connection. Ends what is in the way. */
  #makeRoom(group: Group, ahead: number): boolean {
    if (group.connections.length >= this.#maxGroup) this.#expireOldest([group])
    if (group.connections.length >= this.#maxGroup) return false
    if (this.#open.size < this.#max) return true
    // Each connection that ends already makes room for one that waits.
    if (this.#ending > ahead) return false
    const isIdle = (connection: Connection): boolean => connection.isIdle
    if (this.#endOne(isIdle)) return false
    this.#expireOldest([...this.#groups.values()])
    if (this.#ending > ahead || this.#endOne(isIdle)) return false
    // The clients may subscribe again. Subscriptions that moved would drive out each other.
    this.#endOne(({ isOnlyWatched }) => isOnlyWatched)
    return false
  }

  /** Ends the first connection that fits. Returns whether there is one. */
  #endOne(fits: (connection: Connection) => boolean): boolean {
    for (const group of this.#groups.values()) {
      const connection = group.connections.find(fits)
      if (connection === undefined) continue
      this.#end(group, connection)
      this.#forget(group)
      return true
    }
    return false
  }

  /** Cancels the call that has waited longest for its client, if that is long enough. */
  #expireOldest(groups: Group[]): void {
    let oldest: { since: number; connection: Connection } | undefined
    for (const { connections } of groups) {
      for (const connection of connections) {
        const since = connection.heldSince
        if (since !== undefined && since < (oldest?.since ?? Infinity)) {
          oldest = { since, connection }
        }
      }
    }
    if (oldest === undefined) return
    const end = oldest.since + this.#sureTime
    if (end > performance.now()) return this.#serveAt(end)
    for (const call of oldest.connection.answerers) call.cancel()
  }

  /** Serves those that wait at this time, unless an earlier time is set. */
  #serveAt(time: number): void {
    if (time >= this.#servesAt) return
    clearTimeout(this.#serveTimer)
    this.#servesAt = time
    const serve = (): void => {
      this.#servesAt = Infinity
      this.#serveWaiting()
    }
    // A timer can fire up to one millisecond early.
    this.#serveTimer = setTimeout(serve, time - performance.now() + 1).unref()
  }

  #add(group: Group): Connection {
    const connection = new Connection(this.#connect, group, this.#options)
    group.connections.push(connection)
    this.#open.add(connection)
    const closed = (): void => {
      this.#open.delete(connection)
      if (group.connections.includes(connection)) this.#drop(group, connection)
      else this.#ending--
      this.#serveWaiting()
      this.#forget(group)
    }
    connection.ready().then(() => connection.onClose(closed), closed)
    return connection
  }

  #drop(group: Group, connection: Connection): void {
    clearTimeout(connection.idleTimer)
    group.connections = group.connections.filter((other) => other !== connection)
  }

  #end(group: Group, connection: Connection): void {
    if (!group.connections.includes(connection)) return
    this.#drop(group, connection)
    this.#ending++
    connection.end()
  }

  #startIdle(group: Group, connection: Connection): void {
    if (this.#idle === 0 || !group.connections.includes(connection)) return
    const onIdle = (): void => {
      this.#end(group, connection)
      this.#forget(group)
    }
    connection.idleTimer = setTimeout(onIdle, this.#idle).unref()
  }

  // To make room for one request, `#place` may end a call, and that calls this again.
  #serveWaiting(): void {
    if (this.#isServing) return
    this.#isServing = true
    let ahead = 0
    for (const lease of [...this.#waiting]) {
      if (!this.#place(lease, ahead)) {
        ahead++
        continue
      }
      this.#waiting.splice(this.#waiting.indexOf(lease), 1)
      lease.group.waiting--
    }
    this.#isServing = false
  }

  #forget(group: Group): void {
    if (group.connections.length === 0 && group.waiting === 0) this.#groups.delete(group.key)
  }
}

const closed = (): ProxyError => new ProxyError('ERR_CLOSED', 'the server is closed')
