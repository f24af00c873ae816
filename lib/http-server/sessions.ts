// The table of open sessions, by id. A session is a session of Streamable HTTP or a connection of
// HTTP+SSE.

import { randomUUID } from 'node:crypto'
import { ProxyError } from '../errors.ts'
import { limits } from '../limits.ts'
import { SessionTransport } from './session/accept-session.ts'
import { DeadlineQueue } from '../streams/deadline-queue.ts'
import { publishEnd, publishOpen } from '../streams/facts.ts'
import { SseConnection } from './accept-sse.ts'
import type { Caller } from './callers/caller.ts'
import type { ClientTransport } from './client-transport.ts'

/** The time between two checks of `drain` whether clients are still connected, in ms. */
const lookInterval = 100

interface Entry {
  client: ClientTransport
  server: string
  /** The principal that opened the session. Without authorization, it is `undefined`. */
  principal: string | undefined
  /** Whether `endThoseOf` has ended the session, which may still wait for responses. */
  isEnding: boolean
}

export class Sessions {
  /** Decides for all sessions when the HTTP response to a POST becomes an event stream. */
  readonly deadlines: DeadlineQueue
  readonly #maxSessions: number
  readonly #exiting: () => number
  /** What is added to each id. */
  readonly #suffix: string
  readonly #byId = new Map<string, Entry>()
  readonly #whenEmpty: (() => void)[] = []

  /**
   * @param maxSessions how many sessions may be open (0: no limit)
   * @param exiting returns how many servers of closed sessions still run. They count as open
   * sessions
   * @param replica the name of this proxy among its replicas, which ends each id (default: none)
   * @param streamAfter the time of `deadlines`, in ms (default 3000; 0: no limit)
   */
  constructor(
    maxSessions: number,
    exiting: () => number = () => 0,
    replica?: string,
    streamAfter = limits.streamAfter
  ) {
    this.deadlines = new DeadlineQueue(streamAfter)
    this.#maxSessions = maxSessions || Infinity
    this.#exiting = exiting
    this.#suffix = replica === undefined ? '' : `.${replica}`
  }

  get size(): number {
    return this.#byId.size
  }

  /** How many of the sessions are connections of HTTP+SSE. */
  get connections(): number {
    const clients = [...this.#byId.values()]
    return clients.filter(({ client }) => client instanceof SseConnection).length
  }

  has(id: string): boolean {
    return this.#byId.has(id)
  }

  /** Returns the server of a session, or `undefined` if the id is unknown. */
  serverOf(id: string): string | undefined {
    return this.#byId.get(id)?.server
  }

  /**
   * Returns the id for a new session. The id is random, so nobody can guess it. It ends with the name
   * of the replica, so that a load balancer sends the session to this proxy.
   *
   * @throws ProxyError `ERR_SESSIONS_FULL` if the limit of open sessions is reached
   */
  createId(): string {
    const count = this.size + this.#exiting()
    if (count < this.#maxSessions) return `${randomUUID().replaceAll('-', '')}${this.#suffix}`
    const message = `${count} sessions are open, which is the limit (see --max-sessions)`
    throw new ProxyError('ERR_SESSIONS_FULL', message)
  }

  /**
   * Adds a session to the table. The session is removed when it closes.
   *
   * @param caller the caller that opens the session, which has it until then
   */
  add(client: ClientTransport, server: string, principal?: string, caller?: Caller): void {
    this.#byId.set(client.id, { client, server, principal, isEnding: false })
    if (caller !== undefined) caller.sessions++
    publishOpen(client.client)
    client.once('close', () => {
      publishEnd(client.client, client.errored)
      this.#byId.delete(client.id)
      if (caller !== undefined) caller.sessions--
      if (this.size > 0) return
      this.deadlines.stop()
      for (const resolve of this.#whenEmpty.splice(0)) resolve()
    })
  }

  /**
   * Finds a session of Streamable HTTP.
   *
   * @throws ProxyError `ERR_SESSION_UNKNOWN` if the id is unknown, or belongs to another server or
   * principal
   */
  session(id: string, server: string, principal?: string): SessionTransport {
    const session = this.find(id, server, principal)
    if (session !== undefined) return session
    throw unknown()
  }

  /** The same, but returns `undefined` instead of the error. */
  find(id: string, server: string, principal?: string): SessionTransport | undefined {
    const client = this.#clientOf(id, principal, server)
    return client instanceof SessionTransport ? client : undefined
  }

  /**
   * Finds a connection of HTTP+SSE. The path of a POST may name another server, because clients
   * resolve the endpoint in different ways. The id cannot be guessed, so the id alone counts.
   *
   * @throws ProxyError `ERR_SESSION_UNKNOWN` if the id is unknown, or belongs to another principal
   */
  connection(id: string, principal?: string): SseConnection {
    const client = this.#clientOf(id, principal)
    if (client instanceof SseConnection) return client
    throw unknown()
  }

  /**
   * Ends each session as soon as no connected client waits for a response. Resolves when all
   * sessions have closed.
   *
   * @param timeout the time in ms after which all sessions end, even with pending requests
   */
  async drain(timeout: number): Promise<void> {
    const closeAll = (): void => {
      for (const { client } of this.#byId.values()) client.close()
    }
    closeAll()
    if (this.size === 0) return
    const looks = setInterval(closeAll, lookInterval) // clients may disconnect while they wait, so this looks again
    const timer = setTimeout(() => {
      for (const { client } of this.#byId.values()) client.destroy()
    }, timeout)
    await new Promise<void>((resolve) => this.#whenEmpty.push(resolve))
    clearInterval(looks)
    clearTimeout(timer)
  }

  /**
   * Ends each session of these servers as soon as no connected client waits for a response. A new
   * request in such a session is refused as in one that is unknown, so the client opens another one.
   * Resolves when the sessions have closed, without those that an earlier call ends. The wait has no
   * limit, because calls have none.
   */
  async endThoseOf(servers: ReadonlySet<string>): Promise<void> {
    const ending = [...this.#byId.values()].filter(
      ({ server, isEnding }) => servers.has(server) && !isEnding
    )
    const closed = ending.map(
      ({ client }) => new Promise((resolve) => client.once('close', resolve))
    )
    for (const entry of ending) {
      entry.isEnding = true
      entry.client.close(unknown)
    }
    await Promise.all(closed)
  }

  #clientOf(id: string, principal?: string, server?: string): ClientTransport | undefined {
    const entry = this.#byId.get(id)
    if (entry === undefined || entry.client.destroyed || entry.principal !== principal) {
      return undefined
    }
    return server === undefined || entry.server === server ? entry.client : undefined
  }
}

function unknown(): ProxyError {
  return new ProxyError('ERR_SESSION_UNKNOWN', 'there is no such session; initialize a new one')
}
