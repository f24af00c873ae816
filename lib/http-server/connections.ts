// The connections to the listener. Those that have been idle for long are closed: all are looked at now
// and then, since the timer that Node sets for each when a response ends, and clears when the next
// request comes, costs a twentieth of a small call.

import type { IncomingMessage, Server } from 'node:http'
import type { Socket } from 'node:net'

interface Connection {
  /** Requests under way. */
  active: number
  /** When the last of them ended, as `performance.now()` has it. */
  since: number
}

export class Connections {
  /** Those too that have yet to agree on TLS: the server does not count them. */
  readonly #sockets = new Set<Socket>()
  /** Those on which a request has come. */
  readonly #used = new Map<Socket, Connection>()
  readonly #idleTimeout: number
  readonly #timer: NodeJS.Timeout | undefined

  /** @param idleTimeout milliseconds (0: for ever) */
  constructor(http: Server, idleTimeout: number) {
    this.#idleTimeout = idleTimeout
    http.keepAliveTimeout = 0
    http.on('connection', (socket: Socket) => {
      this.#sockets.add(socket)
      socket.once('close', () => this.#sockets.delete(socket))
    })
    if (idleTimeout > 0) this.#timer = setInterval(() => this.#closeIdle(), idleTimeout / 4).unref()
  }

  /** Notes that a request has come. */
  begin({ socket }: IncomingMessage): void {
    const connection = this.#used.get(socket)
    if (connection !== undefined) {
      connection.active++
      return
    }
    this.#used.set(socket, { active: 1, since: 0 })
    socket.once('close', () => this.#used.delete(socket))
  }

  /** Notes that the response to it has gone out, or will not. */
  end({ socket }: IncomingMessage): void {
    const connection = this.#used.get(socket)
    if (connection === undefined) return
    connection.active--
    connection.since = performance.now()
  }

  /** Closes all of them. */
  destroy(): void {
    clearInterval(this.#timer)
    for (const socket of this.#sockets) socket.destroy()
  }

  #closeIdle(): void {
    const before = performance.now() - this.#idleTimeout
    for (const [socket, { active, since }] of this.#used) {
      if (active === 0 && since <= before) socket.destroy()
    }
  }
}
