// The clients that are connected, by the id that their requests name.

import { ProxyError } from '../errors.ts'
import { SessionTransport } from './accept-session.ts'
import { SseConnection } from './accept-sse.ts'

type Client = SessionTransport | SseConnection

export class Sessions {
  readonly #maxSessions: number
  readonly #byId = new Map<string, { client: Client; server: string }>()
  readonly #whenEmpty: (() => void)[] = []

  /** @param maxSessions 0: any number */
  constructor(maxSessions: number) {
    this.#maxSessions = maxSessions || Infinity
  }

  get size(): number {
    return this.#byId.size
  }

  has(id: string): boolean {
    return this.#byId.has(id)
  }

  /** @throws ProxyError `ERR_SESSIONS_FULL`; to be asked before a client is made */
  makeRoom(): void {
    if (this.size < this.#maxSessions) return
    const message = `${this.size} sessions are open, which is the limit (see --max-sessions)`
    throw new ProxyError('ERR_SESSIONS_FULL', message)
  }

  /** Keeps a client until it closes. */
  add(client: Client, server: string): void {
    this.#byId.set(client.id, { client, server })
    client.once('close', () => {
      this.#byId.delete(client.id)
      if (this.size === 0) for (const tell of this.#whenEmpty.splice(0)) tell()
    })
  }

  /** @throws ProxyError `ERR_SESSION_UNKNOWN` also for the session of another server */
  session(id: string, server: string): SessionTransport {
    const client = this.#find(id, server)
    if (client instanceof SessionTransport) return client
    throw unknown()
  }

  /** @throws ProxyError `ERR_SESSION_UNKNOWN` */
  connection(id: string, server: string): SseConnection {
    const client = this.#find(id, server)
    if (client instanceof SseConnection) return client
    throw unknown()
  }

  /** Ends each client when nothing is in flight on it, or when the time is up (milliseconds). */
  async drain(timeout: number): Promise<void> {
    for (const { client } of this.#byId.values()) client.close()
    if (this.size === 0) return
    const timer = setTimeout(() => {
      for (const { client } of this.#byId.values()) client.destroy()
    }, timeout)
    await new Promise<void>((resolve) => this.#whenEmpty.push(resolve))
    clearTimeout(timer)
  }

  #find(id: string, server: string): Client | undefined {
    const entry = this.#byId.get(id)
    return entry?.server === server && !entry.client.destroyed ? entry.client : undefined
  }
}

function unknown(): ProxyError {
  return new ProxyError('ERR_SESSION_UNKNOWN', 'there is no such session; initialize a new one')
}
