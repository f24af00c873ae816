// The connections to the listener. The proxy closes a connection that has waited too long for its
// client, either for the next request or for the rest of a body that the proxy is reading. A body may
// also not come too slowly: it has ten times the idle timeout, and a second more for each 16 KiB.
//
// One timer checks all connections from time to time. Node's `keepAliveTimeout` is off, because
// Node sets and clears a timer for each request, and this takes 5 % of the time of a small call.
// Node's `requestTimeout` is off too, because it also counts the time when the proxy does not read
// a body because the session is full. It would close the connection of a client that does nothing
// wrong. Node's `headersTimeout` stays on, so the headers of a request must come within a minute.

import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { ProxyError } from '../errors.ts'
import { peerAddress } from './callers/address.ts'

export interface Connection {
  /** The address of the peer: the client, or a reverse proxy. It is `''` if the peer has left. */
  readonly peer: string
  /** How many requests do not have their complete response yet. */
  active: number
  /** The newest active request. Only the newest request can have a body that is not complete. */
  request: IncomingMessage | undefined
  /** The HTTP response to the newest active request. */
  response: ServerResponse | undefined
  /** How many bytes the connection had received at the last check. */
  bytesRead: number
  /**
   * The last time when the connection did not wait for its client, in ms of `performance.now()`.
   */
  since: number
  /** The request of the last check. The next two members belong to it. */
  checked: IncomingMessage | undefined
  /** How long the proxy has waited for the body, in ms. */
  waited: number
  /** How many bytes the connection had received at the first check. */
  firstBytes: number
}

/** How many times in each idle timeout the proxy checks all connections. */
const checks = 4
/** For a body that comes slowly, the time without regard to its size, in idle timeouts. */
const slowTimeouts = 10
/** The slowest rate of a body after that time, in bytes per ms. */
const minRate = (16 * 1024) / 1000

export class Connections {
  /** All connections. Node's own list lacks those whose TLS handshake is not complete. */
  readonly #sockets = new Set<Socket>()
  /** The connections on which at least one request has come. */
  readonly #used = new Map<Socket, Connection>()
  readonly #idleTimeout: number
  readonly #timer: NodeJS.Timeout | undefined

  /** @param idleTimeout how long a connection may wait for its client, in ms (0: no limit) */
  constructor(http: Server, idleTimeout: number) {
    this.#idleTimeout = idleTimeout
    http.keepAliveTimeout = 0
    http.requestTimeout = 0
    http.on('connection', (socket: Socket) => {
      this.#sockets.add(socket)
      socket.once('close', () => this.#sockets.delete(socket))
    })
    if (idleTimeout > 0)
      this.#timer = setInterval(() => this.#closeIdle(), idleTimeout / checks).unref()
  }

  /** Call this when a request has come. Returns its connection. */
  begin(request: IncomingMessage, response: ServerResponse): Connection {
    const connection = this.#used.get(request.socket) ?? this.#add(request.socket)
    connection.active++
    connection.request = request
    connection.response = response
    return connection
  }

  /** Must be called when the response to a request of the connection has closed, complete or not. */
  end(connection: Connection): void {
    connection.active--
    if (connection.active > 0) return
    connection.request = connection.checked = undefined
    connection.response = undefined
    connection.since = performance.now()
  }

  /** Whether the client of this connection waits for a response that has not begun. */
  mayRespond(socket: Socket): boolean {
    const { active = 0, response } = this.#used.get(socket) ?? {}
    return active === 0 || (active === 1 && response?.headersSent === false)
  }

  /** Closes all connections. */
  destroy(): void {
    clearInterval(this.#timer)
    for (const socket of this.#sockets) socket.destroy()
  }

  #add(socket: Socket): Connection {
    const connection: Connection = {
      peer: peerAddress(socket.remoteAddress),
      active: 0,
      request: undefined,
      response: undefined,
      bytesRead: 0,
      since: 0,
      checked: undefined,
      waited: 0,
      firstBytes: 0
    }
    this.#used.set(socket, connection)
    socket.once('close', () => this.#used.delete(socket))
    return connection
  }

  #closeIdle(): void {
    const now = performance.now()
    for (const [socket, connection] of this.#used) {
      const { request, bytesRead } = connection
      connection.bytesRead = socket.bytesRead
      if (request !== undefined && this.#isSlow(connection, request)) {
        request.destroy(new ProxyError('ERR_CLOSED', 'the body came too slowly'))
      } else if (request !== undefined && (!isReading(request) || bytesRead !== socket.bytesRead)) {
        connection.since = now
      } else if (now - connection.since >= this.#idleTimeout) {
        if (request === undefined) socket.destroy()
        else request.destroy(new ProxyError('ERR_CLOSED', 'the rest of the body did not come'))
      }
    }
  }

  #isSlow(connection: Connection, request: IncomingMessage): boolean {
    const { bytesRead } = connection
    if (request !== connection.checked) {
      connection.checked = request
      connection.waited = 0
      connection.firstBytes = bytesRead
    } else if (isReading(request)) {
      connection.waited += this.#idleTimeout / checks
    }
    const received = bytesRead - connection.firstBytes
    return connection.waited > slowTimeouts * this.#idleTimeout + received / minRate
  }
}

/**
 * Whether the proxy waits for the rest of a body. A request that the proxy does not read is paused.
 */
const isReading = ({ complete, readableFlowing }: IncomingMessage): boolean =>
  !complete && readableFlowing === true
