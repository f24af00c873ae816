// One server for many clients. Each client gets a port: a transport to the server as if no other
// client used it. Responses, progress and the messages of a subscription go to the port whose request
// they belong to, and to no other (see `rewrite-ids.ts`). A notification that belongs to no request
// goes to each port that wants it.

import type { Duplex } from 'node:stream'
import { ProxyError } from '../errors.ts'
import { valueText } from '../json/find-value.ts'
import { limits } from '../limits.ts'
import { silent } from '../log.ts'
import type { Log } from '../log.ts'
import { makeFrame } from '../message/frame.ts'
import type { Frame } from '../message/frame.ts'
import { errorFrame } from '../message/refusal.ts'
import { answerTo } from '../message/response-to.ts'
import { methods } from '../protocol/methods.ts'
import { paths } from '../protocol/paths.ts'
import type { Callback } from '../streams/callbacks.ts'
import { Slots } from '../streams/slots.ts'
import { Broadcast } from './broadcast.ts'
import { idAt, replaceAt, restoreResponse, SharedCalls } from './rewrite-ids.ts'
import { SharedPort } from './shared-port.ts'
import type { PortOwner } from './shared-port.ts'

export interface ShareOptions {
  /** Prepares a new server before any port uses it: initializes it, say. Default: nothing. */
  prepare?: ((server: Duplex) => Promise<unknown>) | undefined
  /**
   * How many bytes the proxy keeps for a client that does not read them, before it destroys the
   * client's port (default 16 MiB; 0: no limit).
   */
  maxQueue?: number | undefined
  /** Default: nothing is logged. */
  log?: Log | undefined
}

/**
 * Shares the server that `connect` makes. `connect` is called when the first port needs the server,
 * and again when the server has closed since. Give it a `reconnect`, so that the server outlives its
 * crashes.
 */
export function share(connect: () => Duplex, options: ShareOptions = {}): SharedServer {
  return new SharedServer(connect, options)
}

export class SharedServer implements PortOwner {
  readonly #connect: () => Duplex
  readonly #prepare: (server: Duplex) => Promise<unknown>
  readonly #log: Log
  readonly #maxQueue: number
  readonly #calls = new SharedCalls()
  readonly #ports = new Slots<SharedPort>()
  /** The server, from its start until it has closed. */
  #server: Duplex | undefined
  /** Resolves to the server when it is prepared. Set from its start until it has closed. */
  #starting: Promise<Duplex> | undefined
  /** The server, from when it is prepared until it has closed. */
  #ready: Duplex | undefined
  #lastId = 0

  /** Use `share`. */
  constructor(connect: () => Duplex, options: ShareOptions) {
    this.#connect = connect
    this.#prepare = options.prepare ?? (() => Promise.resolve())
    this.#log = options.log ?? silent
    this.#maxQueue = (options.maxQueue ?? limits.maxQueue) || Infinity
  }

  /**
   * Makes a transport to the server for one client.
   *
   * It fails with the error of the server, and with `ERR_CLIENT_SLOW` when the client does not read.
   *
   * @param wants whether the client gets a notification that belongs to no request. Default: it gets
   * none
   */
  port(wants: (broadcast: Broadcast) => boolean = () => false): Duplex {
    const port = new SharedPort(this, this.#maxQueue, wants)
    port.number = this.#ports.add(port)
    return port
  }

  /** Destroys the server, and with it all ports. Resolves when the server has closed. */
  async destroy(): Promise<void> {
    const server = this.#server
    if (server === undefined) return
    await new Promise((resolve) => server.once('close', resolve).destroy())
  }

  /** Whether there is a server and it is prepared. */
  get isReady(): boolean {
    return this.#ready !== undefined
  }

  /** Starts the server if there is none. Resolves to it when it is prepared. */
  ready(): Promise<Duplex> {
    this.#starting ??= this.#start()
    return this.#starting
  }

  /** Sends a request that belongs to no client, and drops its response. Does nothing without a server. */
  sendRequest(method: string, params: Record<string, unknown>): void {
    const id = `proxy-${++this.#lastId}`
    this.#ready?.write(makeFrame({ jsonrpc: '2.0', id, method, params }))
  }

  forward(port: SharedPort, frame: Frame, callback: Callback): void {
    const forwarded = this.#has(port) ? this.#rewrite(port, frame) : undefined
    if (forwarded === undefined) return callback()
    // Drops the error of the write: when the server fails, its `close` fails the port.
    const done = (): void => callback()
    if (this.#ready !== undefined) {
      this.#ready.write(forwarded, done)
      return
    }
    this.ready().then(
      (server) => {
        if (port.destroyed) callback()
        else server.write(forwarded, done)
      },
      (error: ProxyError) => {
        this.#fail(port, error)
        callback()
      }
    )
  }

  remove(port: SharedPort): void {
    this.#ports.delete(port.number)
    for (const id of port.calls) {
      this.#calls.end(id)
      this.#ready?.write(cancellation(id))
    }
  }

  #has(port: SharedPort): boolean {
    return this.#ports.get(port.number) === port
  }

  async #start(): Promise<Duplex> {
    const server = this.#connect()
    this.#server = server
    server.on('error', () => {}).on('close', () => this.#serverOnClose(server))
    try {
      await this.#prepare(server)
      if (server.destroyed) throw failureOf(server)
    } catch (error) {
      server.destroy(error as ProxyError)
      throw error
    }
    this.#ready = server
    server.on('data', (frame: Frame) => this.#serverOnFrame(server, frame)).resume()
    return server
  }

  #serverOnClose(server: Duplex): void {
    this.#server = this.#ready = this.#starting = undefined
    const error = failureOf(server)
    for (const port of this.#ports.all) this.#fail(port, error)
  }

  /** Answers a port's requests in flight with the error, and fails the port. */
  #fail(port: SharedPort, error: ProxyError): void {
    if (this.#ports.delete(port.number) === undefined) return
    for (const id of port.calls) this.#onResponse(errorFrame(id, error))
    port.fail(error)
  }

  /** A port's frame as the server gets it; undefined if the server must not get it. */
  #rewrite(port: SharedPort, frame: Frame): Frame | undefined {
    if (frame.kind === 'request') return this.#calls.add(port, frame)
    // The client has nothing to respond to: #serverOnFrame answers all requests of the server.
    if (frame.kind === 'response') return undefined
    return frame.method === methods.cancelled ? this.#calls.cancel(port, frame) : frame
  }

  #serverOnFrame(server: Duplex, frame: Frame): void {
    if (frame.kind === 'response') this.#onResponse(frame)
    else if (frame.kind === 'notification') this.#onNotification(frame)
    else {
      // The proxy is the client here, and it named no capabilities.
      const text = 'a shared server cannot send requests to its clients'
      const error = new ProxyError('ERR_METHOD_NOT_FOUND', text)
      const pong = makeFrame({ jsonrpc: '2.0', id: 0, result: {} })
      server.write(answerTo(frame, frame.method === methods.ping ? pong : errorFrame(0, error)))
    }
  }

  #onResponse(frame: Frame): void {
    const call = this.#calls.end(Number(frame.id))
    // There is none when the client cancelled the request or closed its port.
    call?.port.deliver(restoreResponse(frame, call))
  }

  #onNotification(frame: Frame): void {
    switch (frame.method) {
      case methods.progress:
        return this.#deliver(frame, paths.progressToken)
      case methods.cancelled:
        return this.#onCancelled(frame)
      case methods.logMessage:
        return this.#broadcast(frame, this.#logReader())
      default:
        if (valueText(frame.bytes, paths.subscription) === undefined) this.#broadcast(frame)
        else this.#deliver(frame, paths.subscription)
    }
  }

  /** Delivers a notification to the port of the request that it names at `path`. */
  #deliver(frame: Frame, path: string[]): void {
    const call = this.#calls.get(idAt(frame, path))
    const text = path === paths.progressToken ? call?.token : call?.id
    if (text !== undefined) call?.port.deliver(replaceAt(frame, path, text))
  }

  // A modern server ends a subscription with it (2026-07-28, Cancellation). A legacy server cancels
  // its own request, which #serverOnFrame has answered already.
  #onCancelled(frame: Frame): void {
    const id = idAt(frame, paths.cancelledId)
    const call = this.#calls.get(id)
    if (call?.method !== methods.listen) return
    this.#calls.end(id)
    call.port.deliver(replaceAt(frame, paths.cancelledId, call.id))
  }

  /** Delivers a notification that belongs to no request to `reader`, and to each port that wants it. */
  #broadcast(frame: Frame, reader?: SharedPort): void {
    const broadcast = new Broadcast(frame)
    for (const port of this.#ports.all) {
      if (port === reader || port.wants(broadcast)) port.deliver(frame)
    }
  }

  // A log message does not name its request. If only one request asks for log messages, it belongs to
  // that one. If several do, nobody gets it: no client may read what belongs to another.
  #logReader(): SharedPort | undefined {
    const [only, ...others] = this.#calls.withLogs
    if (others.length === 0) return only?.port
    this.#log.debug('dropped a log message: several requests ask for log messages')
    return undefined
  }
}

function failureOf(server: Duplex): ProxyError {
  const cause = server.errored ?? undefined
  if (cause instanceof ProxyError) return cause
  return new ProxyError('ERR_CLOSED', 'the server has closed', { cause })
}

function cancellation(requestId: number): Frame {
  const params = { requestId, reason: 'the client disconnected' }
  return makeFrame({ jsonrpc: '2.0', method: methods.cancelled, params })
}
