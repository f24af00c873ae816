// A legacy server, as modern clients see it (2026-07-28).
//
// Each request of a modern client says which capabilities the client has, and who it is. The proxy
// opens a connection to the legacy server for each such group of clients (see `as-modern/pool.ts`),
// and sends the request on it without what only the modern revision has. The response gets what the
// modern revision requires. When the server sends a request to its client, the client gets it in the
// response to its own request (see `as-modern/call.ts`).

import type { Duplex } from 'node:stream'
import { proxyInfo } from '../conversation/ask-server.ts'
import { describe, internalError, ProxyError } from '../errors.ts'
import { findValue, stringAt, valueText } from '../json/find-value.ts'
import { limits } from '../limits.ts'
import { silent } from '../log.ts'
import type { Log } from '../log.ts'
import type { Frame } from '../message/frame.ts'
import { errorFrame } from '../message/refusal.ts'
import { methods } from '../protocol/methods.ts'
import { paths } from '../protocol/paths.ts'
import { modernVersion } from '../protocol/revisions.ts'
import type { Callback } from '../streams/callbacks.ts'
import type { PortOwner } from '../wrappers/shared-port.ts'
import { Call } from './as-modern/call.ts'
import type { Connection, Mode } from './as-modern/connection.ts'
import { digestOf, HeldCalls } from './as-modern/held-calls.ts'
import { Listen, readFilter } from './as-modern/listen.ts'
import { ClientRequest, ModernPort } from './as-modern/modern-port.ts'
import { unsupportedVersion } from './as-modern/modern-response.ts'
import { Lease, Pool } from './as-modern/pool.ts'
import type { Group, PoolOptions } from './as-modern/pool.ts'
import { ClientCapabilities } from './as-modern/questions.ts'
import { mayAsk, readMeta, toLegacyRequest } from './as-modern/request-meta.ts'
import type { RequestMeta } from './as-modern/request-meta.ts'

export interface AsModernOptions extends PoolOptions {
  /**
   * How many unread bytes the proxy keeps for a client. With more, the proxy destroys the client's
   * port (default 16 MiB; 0: no limit).
   */
  maxQueue?: number | undefined
  /** Where the proxy logs. Default: nothing is logged. */
  log?: Log | undefined
}

export interface ModernServer {
  /**
   * Makes the transport for one modern client, which may send one request or many.
   *
   * @param principal the user, if the proxy knows it. Different users never share a connection
   */
  port(principal?: string): Duplex
  /** Opens a connection without client capabilities, if none is open. Resolves when it is open. */
  ready(): Promise<unknown>
  /** Whether a connection is open. */
  readonly isReady: boolean
  /** Whether a request continues a call that waits for its client. */
  holds(request: Frame): boolean
  /** Whether a call waits for its client. */
  readonly hasHeld: boolean
  /** Resolves when no call is open, not even one that waits for its client. */
  callsEnd(): Promise<void>
  /** Ends all connections and ports. Resolves when the servers have closed. */
  destroy(): Promise<void>
  /** Ends all connections as soon as no port is open. */
  drain(): void
}

/**
 * Returns a legacy server as modern clients see it.
 *
 * @param connect makes the transport to a fresh legacy server. Let it return a `reconnect` transport,
 * so that a crash of the server does not close the ports
 */
export function asModern(connect: () => Duplex, options: AsModernOptions = {}): ModernServer {
  return new AsModern(connect, options)
}

/** The requests of earlier revisions that the modern revision has removed. */
const removed: ReadonlySet<string | undefined> = new Set([
  methods.initialize,
  methods.ping,
  methods.setLevel,
  methods.subscribe,
  methods.unsubscribe,
  // Tasks are an extension of the modern revision, which differs from the tasks of 2025-11-25.
  'tasks/list',
  'tasks/result',
  methods.getTask,
  methods.updateTask,
  methods.cancelTask
])

const ownMeta: RequestMeta = {
  version: modernVersion,
  capabilities: '{}',
  clientInfo: JSON.stringify(proxyInfo),
  logLevel: undefined
}

class AsModern implements ModernServer, PortOwner {
  readonly #pool: Pool
  readonly #log: Log
  readonly #inputTimeout: number
  readonly #maxQueue: number
  readonly #held = new HeldCalls<Call>()
  /** The calls that have not ended: those at the server, and those that wait for their client. */
  readonly #calls = new Set<Call>()
  readonly #whenNoCalls: (() => void)[] = []
  readonly #ports = new Set<ModernPort>()
  readonly #listens = new Set<Listen>()
  #draining = false

  constructor(connect: () => Duplex, options: AsModernOptions) {
    this.#pool = new Pool(connect, options)
    this.#log = options.log ?? silent
    this.#inputTimeout = options.inputTimeout ?? limits.inputTimeout
    this.#maxQueue = (options.maxQueue ?? limits.maxQueue) || Infinity
  }

  port(principal?: string): Duplex {
    const port = new ModernPort(this, this.#maxQueue, principal, this.#log)
    this.#ports.add(port)
    return port
  }

  get isReady(): boolean {
    return this.#pool.isReady
  }

  ready(): Promise<void> {
    const group = this.#group(undefined, ownMeta)
    return new Promise((resolve, reject) => {
      const onReady = (): void => {
        this.#pool.release(lease)
        resolve()
      }
      const lease = new Lease(group, 'watch', onReady, reject)
      this.#pool.lease(lease)
    })
  }

  holds({ bytes, method }: Frame): boolean {
    return mayAsk.has(method) && this.#held.has(stringAt(bytes, statePath) ?? '')
  }

  get hasHeld(): boolean {
    return this.#held.size > 0
  }

  // A server may take hours for a call, so this wait has no limit. `inputTimeout` limits the wait for a
  // client.
  async callsEnd(): Promise<void> {
    if (this.#calls.size > 0) await new Promise<void>((resolve) => this.#whenNoCalls.push(resolve))
  }

  async destroy(): Promise<void> {
    for (const listen of this.#listens) listen.close()
    this.#held.clear()
    await this.#pool.destroy()
    for (const port of this.#ports) port.fail(new ProxyError('ERR_CLOSED', 'the proxy ends'))
  }

  drain(): void {
    this.#draining = true
    this.#destroyIfUnused()
  }

  forward(port: ModernPort, frame: Frame, callback: Callback): void {
    if (frame.kind === 'request') return this.#request(port, frame, callback)
    if (frame.method === methods.cancelled) {
      port.requests.get(valueText(frame.bytes, paths.cancelledId) ?? '')?.cancel()
    } else if (frame.kind === 'notification') {
      // A client has no session here, so nothing says which connection the notification is for.
      const message = 'a server of an earlier revision takes notifications only in a session'
      port.deliver(errorFrame(undefined, new ProxyError('ERR_REQUEST', message)))
    }
    callback()
  }

  remove(port: ModernPort): void {
    this.#ports.delete(port)
    for (const request of [...port.requests.values()]) request.cancel()
    if (this.#draining) this.#destroyIfUnused()
  }

  #destroyIfUnused(): void {
    if (this.#ports.size > 0) return
    this.destroy().catch((cause: unknown) => this.#log.error(describe(cause)))
  }

  #request(port: ModernPort, frame: Frame, callback: Callback): void {
    const client = new ClientRequest(port, frame)
    try {
      const meta = readMeta(frame)
      if (meta.version === modernVersion) this.#serve(client, frame, meta, callback)
      else {
        client.respond(unsupportedVersion(meta.version))
        callback()
      }
    } catch (cause) {
      const error = cause instanceof ProxyError ? cause : internalError()
      if (error !== cause) this.#log.error(`a request failed: ${describe(cause)}`)
      client.respond(errorFrame(0, error))
      callback()
    }
  }

  #serve(client: ClientRequest, frame: Frame, meta: RequestMeta, callback: Callback): void {
    if (removed.has(frame.method)) {
      const text = `the revision ${modernVersion} has no ${frame.method}`
      throw new ProxyError('ERR_METHOD_NOT_FOUND', text)
    }
    client.logLevel = meta.logLevel ?? Infinity
    const group = this.#group(client.port.principal, meta)
    switch (frame.method) {
      case methods.discover:
        this.#discover(client, group)
        return callback()
      case methods.listen:
        this.#listen(client, group, frame)
        return callback()
      default:
        this.#call(client, group, frame, callback)
    }
  }

  #discover(client: ClientRequest, group: Group): void {
    const lease = this.#lease(client, group, 'watch', (connection) => {
      client.respond(connection.discoverResponse)
      this.#pool.release(lease)
    })
    this.#pool.lease(lease)
  }

  #listen(client: ClientRequest, group: Group, frame: Frame): void {
    const onEnd = (): void => void this.#listens.delete(listen)
    const listen = new Listen(this.#pool, group, client, readFilter(frame), onEnd)
    this.#listens.add(listen)
    listen.start()
  }

  #call(client: ClientRequest, group: Group, frame: Frame, callback: Callback): void {
    const legacy = toLegacyRequest(frame)
    const isAsker = mayAsk.has(frame.method)
    const asks = group.capabilities.allowQuestions
    const digest = isAsker && asks ? digestOf(frame) : ''
    if (isAsker && findValue(frame.bytes, statePath) !== undefined) {
      const key = stringAt(frame.bytes, statePath) ?? ''
      this.#held.find(key, { groupKey: group.key, digest }).resume(client, frame, legacy)
      return callback()
    }
    let taken: (() => void) | undefined = callback
    const mode = asks || client.logLevel !== Infinity ? 'exclusive' : 'shared'
    const lease = this.#lease(client, group, mode, (connection) => {
      const call = new Call({
        groupKey: group.key,
        digest,
        isAsker,
        connection,
        held: this.#held,
        inputTimeout: this.#inputTimeout,
        maxQueue: this.#maxQueue,
        log: this.#log,
        onEnd: (isClean) => {
          this.#callOnEnd(call)
          this.#pool.release(lease, isClean || !asks || !isAsker)
        }
      })
      this.#calls.add(call)
      const callback = taken ?? nothing
      taken = undefined
      call.start(client, legacy, callback)
    })
    this.#pool.lease(lease)
    // The client's next message must not wait for a connection, because it may be a cancellation.
    const rest = taken
    taken = undefined
    rest?.()
  }

  #callOnEnd(call: Call): void {
    this.#calls.delete(call)
    if (this.#calls.size === 0) for (const resolve of this.#whenNoCalls.splice(0)) resolve()
  }

  /** Makes a lease that ends when the client cancels the request before a connection is free. */
  #lease(
    client: ClientRequest,
    group: Group,
    mode: Mode,
    onReady: (connection: Connection) => void
  ): Lease {
    const onError = (error: ProxyError): void => client.respond(errorFrame(0, error))
    const lease = new Lease(group, mode, onReady, onError)
    client.onCancel = () => this.#pool.release(lease)
    return lease
  }

  #group(principal: string | undefined, { capabilities, clientInfo }: RequestMeta): Group {
    const key = JSON.stringify([principal, capabilities, clientInfo])
    return this.#pool.group(key, () => ({
      capabilities: new ClientCapabilities(capabilities),
      capabilitiesText: capabilities,
      clientInfo: isImplementation(clientInfo) ? clientInfo : undefined
    }))
  }
}

// A legacy server may refuse a client whose name or version is missing.
function isImplementation(clientInfo = '{}'): boolean {
  const { name, version } = JSON.parse(clientInfo) as Record<string, unknown>
  return typeof name === 'string' && typeof version === 'string'
}

const statePath = ['params', 'requestState']

const nothing = (): void => {}
