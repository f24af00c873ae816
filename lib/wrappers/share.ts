// One server for many clients. Each client gets a port. A port is a transport to the server that
// hides the other clients. Each response, progress notification and message of a subscription goes
// only to the port that sent the request (see `rewrite-ids.ts`). A message of a client that the
// server may read in another way than the proxy is refused (see `routing-members.ts`). A
// notification that belongs to no request goes to each port that wants it.

import type { Duplex } from 'node:stream'
import { describe, internalError, ProxyError } from '../errors.ts'
import { valueText } from '../json/find-value.ts'
import { limits } from '../limits.ts'
import { silent } from '../log.ts'
import type { Log } from '../log.ts'
import { makeFrame } from '../message/frame.ts'
import type { Frame } from '../message/frame.ts'
import { errorFrame } from '../message/refusal.ts'
import { answerTo } from '../message/response-to.ts'
import { jsonRpcVersion } from '../protocol/json-rpc.ts'
import { methods } from '../protocol/methods.ts'
import { paths } from '../protocol/paths.ts'
import type { Callback } from '../streams/callbacks.ts'
import type { Exchange } from '../streams/exchange.ts'
import { sendResponse } from '../streams/send-response.ts'
import { Slots } from '../streams/slots.ts'
import { Broadcast } from './broadcast.ts'
import { cancellation } from './cancellation.ts'
import { ExchangePort } from './exchange-port.ts'
import { FrameSender } from './frame-sender.ts'
import { numberAt, numberOf, replaceAt, restoreResponse, SharedCalls } from './rewrite-ids.ts'
import { RoutingMembers } from './routing-members.ts'
import { nextOwnId } from './secret-ids.ts'
import { SharedPort } from './shared-port.ts'
import type { Port, PortOwner } from './shared-port.ts'
import { tagged } from './subscription.ts'

export interface ShareOptions {
  /** Called with each new server before a port uses it, to initialize it. Default: nothing. */
  prepare?: ((server: Duplex) => Promise<unknown>) | undefined
  /**
   * Called with each message of the server. If it returns true, the message goes no further.
   * Default: all messages go on.
   */
  intercept?: ((frame: Frame) => boolean) | undefined
  /**
   * How many unread bytes the proxy keeps for a client. With more, the proxy destroys the client's
   * port (default 16 MiB; 0: no limit).
   */
  maxQueue?: number | undefined
  /** Where the proxy logs. Default: nothing is logged. */
  log?: Log | undefined
}

/**
 * Shares the server that `connect` makes. `connect` is called when a port needs the server and no
 * server runs. Let `connect` return a `reconnect` transport, so that a crash of the server does not
 * close the ports.
 */
export function share(connect: () => Duplex, options: ShareOptions = {}): SharedServer {
  return new SharedServer(connect, options)
}

export class SharedServer implements PortOwner {
  readonly #connect: () => Duplex
  readonly #prepare: (server: Duplex) => Promise<unknown>
  readonly #intercept: ((frame: Frame) => boolean) | undefined
  readonly #log: Log
  /** How many unread bytes a port keeps for its client. */
  readonly maxQueue: number
  readonly #calls = new SharedCalls()
  readonly #ports = new Slots<Port>()
  /** The server. It is set from the start of the server until the server has closed. */
  #server: Duplex | undefined
  /** Resolves to the server when `prepare` is done. It is set as long as `#server`. */
  #starting: Promise<Duplex> | undefined
  /** The server. It is set from the end of `prepare` until the server has closed. */
  #ready: Duplex | undefined
  /** Sends frames of the ports to `#ready`. */
  #sender: FrameSender | undefined
  #lastOwnId = 0
  #draining = false

  /** Don't call this. Call `share`. */
  constructor(connect: () => Duplex, options: ShareOptions) {
    this.#connect = connect
    this.#prepare = options.prepare ?? (() => Promise.resolve())
    this.#intercept = options.intercept
    this.#log = options.log ?? silent
    this.maxQueue = (options.maxQueue ?? limits.maxQueue) || Infinity
  }

  /**
   * Makes a transport to the server for one client.
   *
   * The transport fails with the error of the server, or with `ERR_CLIENT_SLOW` when the client
   * does not read.
   *
   * @param wants tells whether the client gets a notification that belongs to no request. Default:
   * the client gets one while its own request is the only one in flight
   */
  port(wants?: (broadcast: Broadcast) => boolean): Duplex {
    return this.add(new SharedPort(this, this.maxQueue, wants, this.#log))
  }

  /**
   * Serves one request of a client without a session. This is faster than to join its transport to a
   * port.
   *
   * @param onEnd called when the exchange is over, with the error that ended it, if there was one
   */
  serve(exchange: Exchange, onEnd?: (error?: Error) => void): void {
    this.add(new ExchangePort(this, exchange, this.maxQueue, this.#log, onEnd)).start()
  }

  /** Adds a new port that the caller has made. */
  add<Added extends Port>(port: Added): Added {
    port.number = this.#ports.add(port)
    return port
  }

  /** Destroys the server and all ports. Resolves when the server has closed. */
  async destroy(): Promise<void> {
    const server = this.#server
    if (server === undefined) return
    await new Promise((resolve) => server.once('close', resolve).destroy())
  }

  /** Destroys the server as soon as it has no port. Don't call `port` after this. */
  drain(): void {
    this.#draining = true
    this.#destroyIfUnused()
  }

  /** Whether a server runs and `prepare` is done. */
  get isReady(): boolean {
    return this.#ready !== undefined
  }

  /** Starts the server if none runs. Resolves to the server when `prepare` is done. */
  ready(): Promise<Duplex> {
    this.#starting ??= this.#start()
    return this.#starting
  }

  /** Sends the proxy's own request and drops the response. Does nothing if no server is ready. */
  sendRequest(method: string, params: Record<string, unknown>): void {
    const id = (this.#lastOwnId = nextOwnId(this.#lastOwnId))
    this.#ready?.write(makeFrame({ jsonrpc: jsonRpcVersion, id, method, params }))
  }

  forward(port: Port, frame: Frame, callback: Callback): void {
    const forwarded = this.#has(port) ? this.#rewrite(port, frame) : undefined
    if (forwarded === undefined) return callback()
    if (this.#sender !== undefined) return this.#sender.send(forwarded, callback)
    this.ready()
      .then(
        () => {
          if (port.destroyed || this.#sender === undefined) callback()
          else this.#sender.send(forwarded, callback)
        },
        (error: ProxyError) => {
          this.#fail(port, error)
          callback()
        }
      )
      .catch((cause: unknown) => port.fault(cause))
  }

  remove(port: Port): void {
    this.#ports.delete(port.number)
    for (const id of port.calls.size === 0 ? [] : port.calls.values) {
      this.#calls.end(id)
      this.#ready?.write(cancellation(id, 'the client disconnected'))
    }
    if (this.#draining) this.#destroyIfUnused()
  }

  #destroyIfUnused(): void {
    if (this.#ports.size === 0) this.#server?.destroy()
  }

  #has(port: Port): boolean {
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
    this.#sender = new FrameSender(server)
    server.on('data', (frame: Frame) => this.#take(server, frame)).resume()
    return server
  }

  #serverOnClose(server: Duplex): void {
    this.#server = this.#ready = this.#sender = this.#starting = undefined
    const error = failureOf(server)
    for (const port of this.#ports.all) this.#fail(port, error)
  }

  /** Answers the open requests of a port with the error, and fails the port. */
  #fail(port: Port, error: ProxyError): void {
    if (this.#ports.delete(port.number) === undefined) return
    port.fail(error, () => {
      for (const id of port.calls.values) this.#onResponse(errorFrame(id, error))
    })
  }

  /** Returns a port's frame with the server's ids, or undefined if the server must not get it. */
  #rewrite(port: Port, frame: Frame): Frame | undefined {
    const members = new RoutingMembers(frame)
    if (members.fault !== undefined) {
      this.#log.debug(`refused a ${frame.kind} of a client: ${members.fault}`)
      port.deliver(members.refusal(frame))
      return undefined
    }
    if (frame.kind === 'request') return this.#calls.add(port, frame, members)
    // #serverOnFrame answers all requests of the server, so a response from a client is dropped.
    if (frame.kind === 'response') return undefined
    return frame.method === methods.cancelled ? this.#calls.cancel(port, frame, members) : frame
  }

  /** An exception fails only this frame. Other clients still need the server. */
  #take(server: Duplex, frame: Frame): void {
    try {
      if (this.#intercept?.(frame) !== true) this.#serverOnFrame(server, frame)
    } catch (cause) {
      this.#log.error(
        `a ${frame.kind} of a shared server failed: ${describe(internalError(cause))}`
      )
      if (frame.kind === 'request')
        sendResponse(server, answerTo(frame, errorFrame(0, internalError())))
    }
  }

  #serverOnFrame(server: Duplex, frame: Frame): void {
    if (frame.kind === 'response') this.#onResponse(frame)
    else if (frame.kind === 'notification') this.#onNotification(frame)
    else {
      // The proxy acts as the client here. It named no capabilities, so it refuses all but `ping`.
      const text = 'a shared server cannot send requests to its clients'
      const error = new ProxyError('ERR_METHOD_NOT_FOUND', text)
      const pong = makeFrame({ jsonrpc: jsonRpcVersion, id: 0, result: {} })
      sendResponse(
        server,
        answerTo(frame, frame.method === methods.ping ? pong : errorFrame(0, error))
      )
    }
  }

  #onResponse(frame: Frame): void {
    const call = this.#calls.end(numberOf(frame.id))
    if (call === undefined) return // the client has cancelled the request or has disconnected
    let response: Frame
    try {
      response = restoreResponse(frame, call)
    } catch (cause) {
      this.#log.error(`a response to ${call.method} failed: ${describe(internalError(cause))}`)
      response = restoreResponse(errorFrame(0, internalError()), call)
    }
    call.port.deliver(response)
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

  /** Delivers a notification to the port of the request whose id the server sent at `path`. */
  #deliver(frame: Frame, path: string[]): void {
    const call = this.#calls.get(numberAt(frame, path))
    const id = path === paths.progressToken ? call?.token : call?.id
    if (id !== undefined) call?.port.deliver(replaceAt(frame, path, String(id)))
  }

  // A modern server ends a subscription with `cancelled` (2026-07-28, Cancellation). A legacy
  // server cancels its own request. #serverOnFrame has already answered that request, so this drops
  // the frame.
  #onCancelled(frame: Frame): void {
    const id = numberAt(frame, paths.cancelledId)
    const call = this.#calls.get(id)
    if (call?.method !== methods.listen) return
    this.#calls.end(id)
    call.port.deliver(replaceAt(frame, paths.cancelledId, String(call.id)))
  }

  /** Delivers a notification without a request to `reader` and to each port that wants it. */
  #broadcast(frame: Frame, reader = this.#onlyPort(frame.method)): void {
    const broadcast = new Broadcast(frame)
    // A modern server should send the notification once for each subscription, with its tag.
    for (const { subscription, port, id } of this.#calls.listens) {
      if (subscription?.wants(broadcast) === true) port.deliver(tagged(frame, String(id)))
    }
    for (const port of this.#ports.all) {
      if (port === reader || port.wants?.(broadcast) === true) port.deliver(frame)
    }
  }

  // Returns the port of the only request in flight, for a notification without a request. A client
  // without a session has no other stream for it. But a modern client gets changes only by a
  // subscription. The last two methods belong to an earlier request.
  #onlyPort(method: string | undefined): Port | undefined {
    const { only } = this.#calls
    if (only === undefined || only.port.wants !== undefined) return undefined
    if (only.isModern && listChanges.has(method)) return undefined
    return method === methods.resourceUpdated || method === methods.taskStatus
      ? undefined
      : only.port
  }

  // Returns the port that gets a log message. A log message does not name its request. If only one
  // request asks for log messages, the message belongs to that request. If several requests ask, no
  // client gets the message, because it may belong to another client.
  #logReader(): Port | undefined {
    const { withLogs } = this.#calls
    const [only] = withLogs
    if (withLogs.size <= 1) return only?.port
    this.#log.debug('dropped a log message: several requests ask for log messages')
    return undefined
  }
}

function failureOf(server: Duplex): ProxyError {
  const cause = server.errored ?? undefined
  if (cause instanceof ProxyError) return cause
  return new ProxyError('ERR_CLOSED', 'the server has closed', { cause })
}

const listChanges = new Set<string | undefined>([
  methods.toolsChanged,
  methods.promptsChanged,
  methods.resourcesChanged
])
