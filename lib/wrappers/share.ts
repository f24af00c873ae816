// One server for many clients. Each client gets a port, a transport to the server as if it were its
// own; what passes is rewritten in the few places where clients could collide: the ids of requests,
// the tokens of progress, the ids of subscriptions. Responses, progress and what a subscription
// brings go to the port that they belong to, and to no other.
//
// The server must not wait for a client that does not read, since the others would wait with it. What
// such a client has not taken is kept for it, up to a limit; past that it is cut off.

import { Duplex } from 'node:stream'
import { ProxyError } from '../errors.ts'
import { findValue, splice, spliceAt, textAt, valueText } from '../json/splice.ts'
import type { Replacement, Span } from '../json/splice.ts'
import { limits } from '../limits.ts'
import { silent } from '../log.ts'
import type { Log } from '../log.ts'
import { answerTo } from '../message/answer.ts'
import { errorFrame, makeFrame } from '../message/frame.ts'
import type { Frame } from '../message/frame.ts'
import type { Id } from '../protocol/json-rpc.ts'
import { metaKeys } from '../protocol/meta-keys.ts'
import { methods } from '../protocol/methods.ts'
import type { Callback, DestroyCallback } from '../streams/callbacks.ts'
import { failAfterReading } from '../streams/fail-after-reading.ts'
import { Slots } from '../streams/slots.ts'

export interface ShareOptions {
  /** Says to the server what it must hear before a port can use it (nothing). */
  open?: ((server: Duplex) => Promise<unknown>) | undefined
  /** Bytes that may wait for a client that does not read (16 MiB; 0: any). */
  maxQueue?: number | undefined
  log?: Log | undefined
}

/** A request under way: whose it is, and what it was called there, as JSON. */
interface Call {
  port: Port
  id: string
  token: string | undefined
  method: string
  /** It wants log messages. */
  logs: boolean
}

const paths = {
  id: ['id'],
  requestToken: ['params', '_meta', 'progressToken'],
  logLevel: ['params', '_meta', metaKeys.logLevel],
  token: ['params', 'progressToken'],
  requestId: ['params', 'requestId'],
  subscription: ['params', '_meta', metaKeys.subscriptionId],
  endedSubscription: ['result', '_meta', metaKeys.subscriptionId]
}

/**
 * Shares the server that `connect` makes. It is made when the first port needs it, and again if it
 * has gone since: give a `reconnect` to have it outlive its crashes.
 */
export function share(connect: () => Duplex, options: ShareOptions = {}): SharedServer {
  return new SharedServer(connect, options)
}

export class SharedServer {
  readonly #connect: () => Duplex
  readonly #open: (server: Duplex) => Promise<unknown>
  readonly #log: Log
  readonly #maxQueue: number
  /** By the ids that the server has for them. */
  readonly #calls = new Slots<Call>()
  readonly #ports = new Slots<Port>()
  /** From when it is made until it has gone. */
  #server: Duplex | undefined
  /** The same, once it has been opened; and as a promise, from when it is made. */
  #opened: Duplex | undefined
  #opening: Promise<Duplex> | undefined
  #told = 0

  /** Use `share`. */
  constructor(connect: () => Duplex, options: ShareOptions) {
    this.#connect = connect
    this.#open = options.open ?? (() => Promise.resolve())
    this.#log = options.log ?? silent
    this.#maxQueue = (options.maxQueue ?? limits.maxQueue) || Infinity
  }

  /**
   * Gives a transport to the server.
   *
   * Errors: those of the server, and `ERR_CLIENT_SLOW` for one that does not read.
   *
   * @param hears which notifications that belong to no request this client should get (none)
   */
  port(hears: (frame: Frame) => boolean = () => false): Duplex {
    const port = new Port(this, this.#maxQueue, hears)
    port.number = this.#ports.add(port)
    return port
  }

  /** Ends the server, and with it all ports. Resolves when it has gone. */
  async destroy(): Promise<void> {
    const server = this.#server
    if (server === undefined) return
    await new Promise((resolve) => server.once('close', resolve).destroy())
  }

  /** The server can be used. */
  get isReady(): boolean {
    return this.#opened !== undefined
  }

  /** Resolves when the server can be used: starts and opens it, if there is none. */
  ready(): Promise<Duplex> {
    this.#opening ??= this.#start()
    return this.#opening
  }

  /** Asks the server for something on the behalf of nobody: whatever it answers is dropped. */
  tell(method: string, params: Record<string, unknown>): void {
    this.#opened?.write(makeFrame({ jsonrpc: '2.0', id: `told-${++this.#told}`, method, params }))
  }

  /** Of a port: takes its frame. `callback` is called when the next one can come. */
  take(port: Port, frame: Frame, callback: Callback): void {
    const taken = this.#has(port) ? this.#taken(port, frame) : undefined
    if (taken === undefined) return callback()
    // Of a server that fails the ports hear when it closes.
    const goOn = (): void => callback()
    if (this.#opened !== undefined) {
      this.#opened.write(taken, goOn)
      return
    }
    this.ready().then(
      (server) => {
        if (port.destroyed) callback()
        else server.write(taken, goOn)
      },
      (error: ProxyError) => {
        this.#fail(port, error)
        callback()
      }
    )
  }

  /** Of a port: nobody is there any more. */
  leave(port: Port): void {
    this.#ports.delete(port.number)
    for (const id of port.calls) {
      this.#calls.delete(id)
      this.#opened?.write(cancellation(id))
    }
  }

  #has(port: Port): boolean {
    return this.#ports.get(port.number) === port
  }

  async #start(): Promise<Duplex> {
    const server = this.#connect()
    this.#server = server
    server.on('error', () => {}).on('close', () => this.#serverOnClose(server))
    try {
      await this.#open(server)
      if (server.destroyed) throw failureOf(server)
    } catch (error) {
      server.destroy(error as ProxyError)
      throw error
    }
    this.#opened = server
    server.on('data', (frame: Frame) => this.#onFrame(server, frame)).resume()
    return server
  }

  #serverOnClose(server: Duplex): void {
    this.#server = this.#opened = this.#opening = undefined
    const error = failureOf(server)
    for (const port of this.#ports.all) this.#fail(port, error)
  }

  /** Gives the error to the requests of a port that are under way, and to whoever reads on. */
  #fail(port: Port, error: ProxyError): void {
    if (this.#ports.delete(port.number) === undefined) return
    for (const id of port.calls) this.#onResponse(errorFrame(id, error))
    port.fail(error)
  }

  /** What the server is to get of a port's frame. */
  #taken(port: Port, frame: Frame): Frame | undefined {
    if (frame.kind === 'request') return this.#called(port, frame)
    if (frame.kind === 'response') return undefined // nobody asked: see #onFrame
    return frame.method === methods.cancelled ? this.#cancelled(port, frame) : frame
  }

  #called(port: Port, frame: Frame): Frame {
    const { bytes, method = '', progressToken, protocolVersion } = frame
    const own = findValue(bytes, paths.id) as Span
    const token = progressToken === undefined ? undefined : findValue(bytes, paths.requestToken)
    // A legacy request names no revision, and says nothing of logs: that is for its session to do.
    const logs = protocolVersion !== undefined && findValue(bytes, paths.logLevel) !== undefined
    const id = this.#calls.add({
      port,
      id: textAt(bytes, own),
      token: token && textAt(bytes, token),
      method,
      logs
    })
    port.calls.add(id)
    const text = String(id)
    if (token === undefined) return frame.withBytes(spliceAt(bytes, [{ ...own, text }]), id)
    const changes = [
      { ...own, text },
      { ...token, text }
    ]
    return frame.withBytes(spliceAt(bytes, changes), id, id)
  }

  #cancelled(port: Port, frame: Frame): Frame | undefined {
    const text = valueText(frame.bytes, paths.requestId)
    const id = [...port.calls].find((id) => this.#calls.get(id)?.id === text)
    if (id === undefined) return undefined
    this.#end(id)
    return replace(frame, paths.requestId, String(id))
  }

  #end(id: number): Call | undefined {
    const call = this.#calls.delete(id)
    call?.port.calls.delete(id)
    return call
  }

  #onFrame(server: Duplex, frame: Frame): void {
    if (frame.kind === 'response') this.#onResponse(frame)
    else if (frame.kind === 'notification') this.#onNotification(frame)
    else {
      // The proxy is the client here, and says that it can do nothing but be there.
      const error = new ProxyError('ERR_METHOD_NOT_FOUND', 'a shared server has nobody to ask')
      const pong = makeFrame({ jsonrpc: '2.0', id: 0, result: {} })
      server.write(answerTo(frame, frame.method === methods.ping ? pong : errorFrame(0, error)))
    }
  }

  #onResponse(frame: Frame): void {
    const call = this.#end(Number(frame.id))
    if (call === undefined) return // cancelled, or its client has gone
    const { id: text, method, port } = call
    const replacements: Replacement[] = [{ path: paths.id, text }]
    if (method === methods.listen) {
      replacements.push({ path: paths.endedSubscription, text })
    }
    port.deliver(frame.withBytes(splice(frame.bytes, replacements), JSON.parse(text) as Id))
  }

  #onNotification(frame: Frame): void {
    switch (frame.method) {
      case methods.progress:
        return this.#passOn(frame, paths.token)
      case methods.cancelled:
        return this.#onCancelled(frame)
      case methods.logMessage:
        return this.#spread(frame, this.#whoLogs())
      default:
        if (valueText(frame.bytes, paths.subscription) === undefined) this.#spread(frame)
        else this.#passOn(frame, paths.subscription)
    }
  }

  /** Hands out what belongs to a request, which it names at `path`. */
  #passOn(frame: Frame, path: string[]): void {
    const call = this.#calls.get(idAt(frame, path))
    const text = path === paths.token ? call?.token : call?.id
    if (text !== undefined) call?.port.deliver(replace(frame, path, text))
  }

  // The server ends a subscription (2026-07-28, Cancellation). Legacy servers take back a question of
  // their own: that one had its answer.
  #onCancelled(frame: Frame): void {
    const id = idAt(frame, paths.requestId)
    const call = this.#calls.get(id)
    if (call?.method !== methods.listen) return
    this.#end(id)
    call.port.deliver(replace(frame, paths.requestId, call.id))
  }

  /** Hands out what belongs to no request: to the ports that hear it, and to `port`. */
  #spread(frame: Frame, port?: Port): void {
    for (const each of this.#ports.all) if (each === port || each.hears(frame)) each.deliver(frame)
  }

  // Nothing in a log message says which request it is about. With one that asked for them it is
  // clear; with several, one client must not read what concerns another.
  #whoLogs(): Port | undefined {
    const [only, ...others] = this.#calls.all.filter(({ logs }) => logs)
    if (others.length === 0) return only?.port
    this.#log.debug('a log message was dropped: it may be about several calls')
    return undefined
  }
}

/** A client's transport to a shared server. */
class Port extends Duplex {
  /** The one that the shared server knows it by. */
  number = 0
  /** Its requests under way, by the ids that the server has for them. */
  readonly calls = new Set<number>()
  readonly hears: (frame: Frame) => boolean
  readonly #shared: SharedServer
  readonly #maxQueue: number
  #queue: Frame[] = []
  #queueSize = 0
  #wanted = false
  #whenSettled: (() => void) | undefined

  constructor(shared: SharedServer, maxQueue: number, hears: (frame: Frame) => boolean) {
    super({ objectMode: true, readableHighWaterMark: 1 })
    this.#shared = shared
    this.#maxQueue = maxQueue
    this.hears = hears
  }

  /** Takes a frame for the client. */
  deliver(frame: Frame): void {
    if (this.#queue.length > 0 && this.#queueSize + frame.bytes.length > this.#maxQueue) {
      const message = `the client has not read ${this.#queueSize} bytes (see --max-queue)`
      this.destroy(new ProxyError('ERR_CLIENT_SLOW', message))
      return
    }
    this.#queue.push(frame)
    this.#queueSize += frame.bytes.length
    this.#flow()
  }

  /** The server has gone: what it said can still be read. */
  fail(error: ProxyError): void {
    for (const frame of this.#queue.splice(0)) this.push(frame)
    failAfterReading(this, error)
  }

  override _read(): void {
    this.#wanted = true
    this.#flow()
  }

  override _write(frame: Frame, _encoding: BufferEncoding, callback: Callback): void {
    this.#shared.take(this, frame, callback)
  }

  override _final(callback: Callback): void {
    this.#whenSettled = () => {
      this.push(null)
      callback()
    }
    this.#settle()
  }

  override _destroy(error: Error | null, callback: DestroyCallback): void {
    this.#shared.leave(this)
    this.#queue = []
    callback(error)
  }

  #flow(): void {
    while (this.#wanted) {
      const frame = this.#queue.shift()
      if (frame === undefined) return this.#settle()
      this.#queueSize -= frame.bytes.length
      this.#wanted = this.push(frame)
    }
  }

  #settle(): void {
    if (this.calls.size > 0 || this.#queue.length > 0) return
    this.#whenSettled?.()
    this.#whenSettled = undefined
  }
}

/** A notification with another value at `path`. */
function replace(frame: Frame, path: string[], text: string): Frame {
  const token = path === paths.token ? (JSON.parse(text) as Id) : frame.progressToken
  return frame.withBytes(splice(frame.bytes, [{ path, text }]), undefined, token)
}

function failureOf(server: Duplex): ProxyError {
  const cause = server.errored ?? undefined
  if (cause instanceof ProxyError) return cause
  return new ProxyError('ERR_CLOSED', 'the server has ended', { cause })
}

function cancellation(requestId: number): Frame {
  const params = { requestId, reason: 'the client has gone' }
  return makeFrame({ jsonrpc: '2.0', method: methods.cancelled, params })
}

/** The id of a request that a server names at `path`. There are servers that make a string of it. */
function idAt(frame: Frame, path: string[]): number {
  return Number(JSON.parse(valueText(frame.bytes, path) ?? 'null'))
}
