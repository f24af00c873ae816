// The connections to the listener. Each is closed when it has waited too long for its client: between
// two requests, or in the middle of a body that the proxy is reading.
//
// One timer looks at all connections now and then. Node's own timer for connections without a request
// is set at the end of each response and cleared by the next request, which costs a twentieth of a
// small call. Node's `requestTimeout` is off as well: it counts while the proxy does not read a body
// because the session is full, and would then cut off a client that does nothing wrong. Node's
// `headersTimeout` stays, so headers must come within a minute.

import type { IncomingMessage, Server } from 'node:http'
import type { Socket } from 'node:net'
import { ProxyError } from '../errors.ts'

interface Connection {
  /** How many requests have no complete response. */
  active: number
  /** The newest of these requests: no other can have a body that is still coming. */
  request: IncomingMessage | undefined
  /** `socket.bytesRead` when the timer last looked. */
  bytesRead: number
  /** When the connection was last seen not to wait for its client, by `performance.now()`. */
  since: number
}

export class Connections {
  /** All of them. The server does not count those whose TLS handshake is not complete. */
  readonly #sockets = new Set<Socket>()
  /** Those on which a request has come. */
  readonly #used = new Map<Socket, Connection>()
  readonly #idleTimeout: number
  readonly #timer: NodeJS.Timeout | undefined

  /** @param idleTimeout how long a connection may wait for its client, in milliseconds (0: no limit) */
  constructor(http: Server, idleTimeout: number) {
    this.#idleTimeout = idleTimeout
    http.keepAliveTimeout = 0
    http.requestTimeout = 0
    http.on('connection', (socket: Socket) => {
      this.#sockets.add(socket)
      socket.once('close', () => this.#sockets.delete(socket))
    })
    if (idleTimeout > 0) this.#timer = setInterval(() => this.#closeIdle(), idleTimeout / 4).unref()
  }

  /** Notes that a request has come. */
  begin(request: IncomingMessage): void {
    const { socket } = request
    const connection = this.#used.get(socket)
    if (connection !== undefined) {
      connection.active++
      connection.request = request
      return
    }
    this.#used.set(socket, { active: 1, request, bytesRead: 0, since: 0 })
    socket.once('close', () => this.#used.delete(socket))
  }

  /** Notes that the response to a request is complete, or never will be. */
  end({ socket }: IncomingMessage): void {
    const connection = this.#used.get(socket)
    if (connection === undefined) return
    connection.active--
    if (connection.active > 0) return
    connection.request = undefined
    connection.since = performance.now()
  }

  /** Closes all of them. */
  destroy(): void {
    clearInterval(this.#timer)
    for (const socket of this.#sockets) socket.destroy()
  }

  #closeIdle(): void {
    const now = performance.now()
    for (const [socket, connection] of this.#used) {
      const { request, bytesRead } = connection
      connection.bytesRead = socket.bytesRead
      if (request !== undefined && (!isReading(request) || bytesRead !== socket.bytesRead)) {
        connection.since = now
      } else if (now - connection.since >= this.#idleTimeout) {
        if (request === undefined) socket.destroy()
        else request.destroy(new ProxyError('ERR_CLOSED', 'the rest of the body did not come'))
      }
    }
  }
}

/** Whether the proxy waits for more of a body. While it does not want more, the request is paused. */
const isReading = ({ complete, readableFlowing }: IncomingMessage): boolean =>
  !complete && readableFlowing === true
