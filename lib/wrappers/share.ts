// One server for many clients. Each client gets a port, a transport to the server as if it were its
// own; what passes is rewritten in the few places where clients could collide: the ids of requests,
// the tokens of progress, the ids of subscriptions. Responses, progress and what a subscription
// brings go to the port that they belong to, and to no other.
//
// The server must not wait for a client that does not read, since the others would wait with it. What
// such a client has not taken is kept for it, up to a limit; past that it is cut off.

import { Duplex } from 'node:stream'
import { ProxyError } from '../errors.ts'
import { Frame, errorFrame, makeFrame } from '../frame.ts'
import { splice, valueText } from '../framing/splice.ts'
import type { Replacement } from '../framing/splice.ts'
import { limits } from '../limits.ts'
import { silent } from '../log.ts'
import type { Log } from '../log.ts'
import { failAfterReading } from '../transports/fail.ts'
import type { Callback, DestroyCallback } from '../transports/types.ts'
import { open } from './open.ts'

export interface ShareOptions {
  /** What the server must be told, and answer, before a port can use it. */
  opening?: Frame[] | undefined
  /** Is given the last of these answers. What it throws is the error of the ports that wait. */
  onOpened?: ((answer: Frame | undefined) => void) | undefined
  /** Milliseconds for each answer (30 000; 0: any). */
  connectTimeout?: number | undefined
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

const subscriptionKey = 'io.modelcontextprotocol/subscriptionId'
const logLevelKey = 'io.modelcontextprotocol/logLevel'

const paths = {
  id: ['id'],
  requestToken: ['params', '_meta', 'progressToken'],
  logLevel: ['params', '_meta', logLevelKey],
  token: ['params', 'progressToken'],
  requestId: ['params', 'requestId'],
  subscription: ['params', '_meta', subscriptionKey],
  endedSubscription: ['result', '_meta', subscriptionKey]
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
  readonly #options: ShareOptions
  readonly #log: Log
  readonly #maxQueue: number
  readonly #calls = new Map<number, Call>()
  readonly #ports = new Set<Port>()
  #server: Duplex | undefined
  #opening: Promise<Duplex> | undefined
  #lastId = 0

  /** Use `share`. */
  constructor(connect: () => Duplex, options: ShareOptions) {
    this.#connect = connect
    this.#options = options
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
    this.#ports.add(port)
    return port
  }

  /** Ends the server, and with it all ports. Resolves when it has gone. */
  async destroy(): Promise<void> {
    const server = this.#server ?? (await this.#opening?.catch(() => undefined))
    if (server === undefined || server.closed) return
    await new Promise((resolve) => server.once('close', resolve).destroy())
  }

  /** Resolves when the server can be used: starts and opens it, if there is none. */
  ready(): Promise<Duplex> {
    this.#opening ??= this.#open()
    return this.#opening
  }

  /** Asks the server for something on the behalf of nobody: whatever it answers is dropped. */
  tell(method: string, params: Record<string, unknown>): void {
    this.#server?.write(makeFrame({ jsonrpc: '2.0', id: ++this.#lastId, method, params }))
  }

  /** Of a port: takes its frame. `callback` is called when the next one can come. */
  take(port: Port, frame: Frame, callback: Callback): void {
    if (this.#server !== undefined) return this.#send(this.#server, port, frame, callback)
    this.ready().then(
      (server) => {
        if (port.destroyed) callback()
        else this.#send(server, port, frame, callback)
      },
      (error: Error) => port.destroy(error)
    )
  }

  /** Of a port: nobody is there any more. */
  leave(port: Port): void {
    this.#ports.delete(port)
    for (const id of port.calls.values()) {
      this.#calls.delete(id)
      this.#server?.write(cancellation(id))
    }
  }

  async #open(): Promise<Duplex> {
    const { opening = [], onOpened, connectTimeout = limits.connectTimeout } = this.#options
    const server = this.#connect()
    server.on('error', () => {}).on('close', () => this.#serverOnClose(server))
    try {
      onOpened?.(await open(server, opening, { timeout: connectTimeout }))
    } catch (error) {
      this.#opening = undefined
      server.destroy()
      throw error
    }
    this.#server = server
    server.on('data', (frame: Frame) => this.#onFrame(server, frame)).resume()
    return server
  }

  #serverOnClose(server: Duplex): void {
    if (this.#server !== server) return
    this.#server = undefined
    this.#opening = undefined
    const cause = server.errored ?? undefined
    const error =
      cause instanceof ProxyError
        ? cause
        : new ProxyError('ERR_CLOSED', 'the server has ended', { cause })
    this.#calls.clear()
    for (const port of this.#ports) port.fail(error)
  }

  #send(server: Duplex, port: Port, frame: Frame, callback: Callback): void {
    // A server that fails tells all ports when it closes.
    const taken = (): void => callback()
    if (frame.kind === 'request') {
      server.write(this.#called(port, frame), taken)
    } else if (frame.method === 'notifications/cancelled') {
      const text = valueText(frame.bytes, paths.requestId)
      const id = text === undefined ? undefined : port.calls.get(text)
      if (id === undefined) return taken()
      server.write(rewrite(frame, [{ path: paths.requestId, text: String(id) }]), taken)
      this.#end(id)
    } else if (frame.kind === 'notification') {
      server.write(frame, taken)
    } else {
      taken() // nobody asked: see #onFrame
    }
  }

  #called(port: Port, frame: Frame): Frame {
    const id = ++this.#lastId
    const { bytes, method = '' } = frame
    const text = valueText(bytes, paths.id) ?? ''
    const token = valueText(bytes, paths.requestToken)
    const logs = bytes.includes(logLevelKey) && valueText(bytes, paths.logLevel) !== undefined
    this.#calls.set(id, { port, id: text, token, method, logs })
    port.calls.set(text, id)
    const replacements = [{ path: paths.id, text: String(id) }]
    if (token !== undefined) replacements.push({ path: paths.requestToken, text: String(id) })
    return rewrite(frame, replacements)
  }

  #end(id: number): Call | undefined {
    const call = this.#calls.get(id)
    this.#calls.delete(id)
    call?.port.calls.delete(call.id)
    return call
  }

  #onFrame(server: Duplex, frame: Frame): void {
    if (frame.kind === 'response') this.#onResponse(frame)
    else if (frame.kind === 'notification') this.#onNotification(frame)
    else {
      // The proxy is the client here, and says that it can do nothing but be there.
      const error = new ProxyError('ERR_METHOD_NOT_FOUND', 'a shared server has nobody to ask')
      const pong = makeFrame({ jsonrpc: '2.0', id: frame.id ?? null, result: {} })
      server.write(frame.method === 'ping' ? pong : errorFrame(frame.id, error))
    }
  }

  #onResponse(frame: Frame): void {
    const call = this.#end(Number(frame.id))
    if (call === undefined) return // cancelled, or its client has gone
    const { id: text, method, port } = call
    const replacements: Replacement[] = [{ path: paths.id, text }]
    if (method === 'subscriptions/listen') {
      replacements.push({ path: paths.endedSubscription, text })
    }
    port.deliver(rewrite(frame, replacements))
  }

  #onNotification(frame: Frame): void {
    const owned = this.#ownerOf(frame)
    if (owned !== undefined) return owned.port.deliver(rewrite(frame, [owned.replacement]))
    if (frame.method === 'notifications/message') return this.#onLogMessage(frame)
    for (const port of this.#ports) if (port.hears(frame)) port.deliver(frame)
  }

  #ownerOf(frame: Frame): { port: Port; replacement: Replacement } | undefined {
    let path = paths.subscription
    if (frame.method === 'notifications/progress') path = paths.token
    else if (frame.method === 'notifications/cancelled') path = paths.requestId
    else if (!frame.bytes.includes(subscriptionKey)) return undefined
    const call = this.#calls.get(Number(valueText(frame.bytes, path)))
    if (call === undefined) return undefined
    const isProgress = path === paths.token
    return { port: call.port, replacement: { path, text: (isProgress && call.token) || call.id } }
  }

  // Nothing in a log message says which request it is about. With one that asked for them it is
  // clear; with several, one client must not read what concerns another.
  #onLogMessage(frame: Frame): void {
    const asked = [...this.#calls.values()].filter(({ logs }) => logs)
    const [only] = asked
    if (asked.length === 1 && only !== undefined) only.port.deliver(frame)
    else if (asked.length > 1) this.#log.debug('a log message was dropped: it may be about several calls')
    for (const port of this.#ports) if (port.hears(frame)) port.deliver(frame)
  }
}

/** A client's transport to a shared server. */
class Port extends Duplex {
  /** The ids of its requests under way: as the client has them, as JSON; and as the server has them. */
  readonly calls = new Map<string, number>()
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

  /** The server has gone: the requests under way get the error, and so does whoever reads on. */
  fail(error: ProxyError): void {
    const ids = [...this.calls.keys()]
    this.calls.clear()
    for (const frame of this.#queue.splice(0)) this.push(frame)
    for (const id of ids) this.push(errorFrame(JSON.parse(id) as string | number, error))
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

// The envelope of what is written anew is read anew: ids are not what they were.
function rewrite(frame: Frame, replacements: Replacement[]): Frame {
  const bytes = splice(frame.bytes, replacements)
  const [{ text } = { text: '' }] = replacements.filter(({ path }) => path === paths.id)
  return new Frame(bytes, { ...frame, id: text === '' ? undefined : (JSON.parse(text) as string) })
}

function cancellation(requestId: number): Frame {
  const params = { requestId, reason: 'the client has gone' }
  return makeFrame({ jsonrpc: '2.0', method: 'notifications/cancelled', params })
}
