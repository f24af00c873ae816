// One legacy server for many sessions.
//
// The proxy initializes the server and names no client capabilities. So the server sends no
// requests that a client must answer. A session answers `initialize`, `ping` and other requests
// that concern only its own client. The server logs at the lowest level that any client set, and
// has the subscriptions of all clients. Each session passes only what its own client asked for.
//
// A server may report an update of a part of the resource that a client is subscribed to. The
// notification does not say for which subscription it is. So of all subscriptions that may be the
// reason, it counts for the one to the closest resource: another client's subscription to `file:///`
// does not hear it.

import type { Duplex } from 'node:stream'
import { LegacySession } from '../conversation/legacy-session.ts'
import { uriOf } from '../conversation/session-state.ts'
import { ProxyError } from '../errors.ts'
import { stringAt, valueText } from '../json/find-value.ts'
import { splice } from '../json/splice.ts'
import { limits } from '../limits.ts'
import type { Log } from '../log.ts'
import { makeFrame } from '../message/frame.ts'
import type { Frame } from '../message/frame.ts'
import { errorFrame } from '../message/refusal.ts'
import { answerTo, idText } from '../message/response-to.ts'
import { jsonRpcVersion } from '../protocol/json-rpc.ts'
import { logLevels } from '../protocol/log-levels.ts'
import { methods } from '../protocol/methods.ts'
import { paths } from '../protocol/paths.ts'
import { isLegacyVersion } from '../protocol/revisions.ts'
import type { Callback, DestroyCallback } from '../streams/callbacks.ts'
import type { Broadcast } from './broadcast.ts'
import { RoutingMembers } from './routing-members.ts'
import { share } from './share.ts'
import type { SharedServer, ShareOptions } from './share.ts'
import { SharedPort } from './shared-port.ts'

export interface ShareSessionsOptions extends Omit<ShareOptions, 'prepare' | 'intercept'> {
  /** How long the server may take to answer `initialize`, in ms (default 30 000; 0: no limit). */
  connectTimeout?: number | undefined
}

/** Shares the legacy server that `connect` makes. See `share` for when `connect` is called. */
export function shareSessions(
  connect: () => Duplex,
  options: ShareSessionsOptions = {}
): SharedSessions {
  return new SharedSessions(connect, options)
}

export class SharedSessions {
  readonly #server: SharedServer
  readonly #log: Log | undefined
  readonly #sessions = new Set<SessionPort>()
  /** The proxy's own session, which all clients use. */
  readonly #session = new LegacySession()

  /** Don't call this. Call `shareSessions`. */
  constructor(connect: () => Duplex, options: ShareSessionsOptions) {
    const { connectTimeout: timeout = limits.connectTimeout } = options
    this.#log = options.log
    this.#server = share(connect, {
      ...options,
      prepare: (server) => this.#session.open(server, timeout)
    })
  }

  /**
   * Makes the transport to the server for one client.
   *
   * @param isSession false for a client that sends one request or notification and has no session.
   * Such a client gets no notifications of the server while other requests are in flight, except
   * those that belong to its request
   */
  port(isSession = true): Duplex {
    const session = new SessionPort(this, this.#server, isSession, this.#log)
    this.#sessions.add(session)
    return this.#server.add(session)
  }

  /**
   * Returns the server for a request of a client without a session. Returns undefined if the request
   * needs a port, because the proxy has a part in it, or the server is not ready.
   */
  serverFor(request: Frame): SharedServer | undefined {
    return this.#server.isReady && !ownMethods.has(request.method) ? this.#server : undefined
  }

  /** Called when a session closes. */
  remove(session: SessionPort): void {
    this.#sessions.delete(session)
  }

  /** Starts the server if none runs. Resolves to the server's response to `initialize`. */
  async initializeResponse(): Promise<Frame> {
    await this.#server.ready()
    return this.#session.initializeResponse
  }

  /** Destroys the server and all sessions. Resolves when the server has closed. */
  destroy(): Promise<void> {
    return this.#server.destroy()
  }

  /** Destroys the server as soon as no session is open. No session may be opened after this. */
  drain(): void {
    this.#server.drain()
  }

  /** Counts one more session that is subscribed to a resource. */
  addSubscriber(uri: string): void {
    this.#session.subscribers.add(uri)
  }

  /** Counts one session less. Returns whether a session is still subscribed. */
  removeSubscriber(uri: string): boolean {
    return this.#session.subscribers.remove(uri)
  }

  /** Whether any session is subscribed to a resource. */
  isSubscribed(uri: string): boolean {
    return this.#session.subscribers.has(uri)
  }

  /** Returns the subscription that an update counts for, or an empty text if there is none. */
  subscriptionFor(update: Broadcast): string {
    update.subscription ??= this.#session.subscribers.closest(update.uri)
    return update.subscription
  }

  /** The lowest log level that any session set, as an index of `logLevels`. */
  get level(): number {
    return Math.min(...[...this.#sessions].map((session) => session.level))
  }
}

/** The largest number of subscriptions of one session. */
const maxSubscriptions = 10_000
/** The largest total length of a session's subscriptions, in characters. */
const maxUris = 1024 * 1024

const emptyResponse = makeFrame({ jsonrpc: jsonRpcVersion, id: 0, result: {} })

class SessionPort extends SharedPort {
  /**
   * The resources that the client is subscribed to. The value tells whether the server has
   * confirmed the subscription. Before that, the client gets no updates. This and the next table are
   * made at the first subscription, because most sessions have none.
   */
  #uris: Map<string, boolean> | undefined
  /** The requests to subscribe that have no response yet: the id as JSON text, and the resource. */
  #asked: Map<string, string> | undefined
  /** The total length of `#uris`, in characters. */
  #urisLength = 0
  /** The log level that the client set. Before it sets a level, the client gets no log messages. */
  level = Infinity
  readonly #all: SharedSessions
  readonly #server: SharedServer

  constructor(all: SharedSessions, server: SharedServer, isSession: boolean, log?: Log) {
    super(
      server,
      server.maxQueue,
      isSession ? (broadcast) => this.#wants(broadcast) : undefined,
      log
    )
    this.#all = all
    this.#server = server
  }

  protected override send(frame: Frame, callback: Callback): void {
    if (ownMethods.has(frame.method)) {
      const members = new RoutingMembers(frame)
      if (members.fault !== undefined) {
        super.deliver(members.refusal(frame))
        return callback()
      }
    }
    // The server must not get an `initialize` of a client. A notification gets no response.
    if (frame.kind === 'notification' && ownMethods.has(frame.method)) return callback()
    switch (frame.method) {
      case methods.initialize:
        return this.#initialize(frame, callback)
      case methods.ping:
        return this.#answer(frame, callback)
      case methods.setLevel:
        return this.#setLevel(frame, callback)
      case methods.subscribe:
        return this.#subscribe(frame, callback)
      case methods.unsubscribe: {
        const uri = uriOf(frame)
        const isNeeded =
          this.#uris?.has(uri) === true ? this.#forget(uri) : this.#all.isSubscribed(uri)
        if (isNeeded) return this.#answer(frame, callback)
        return super.send(frame, callback)
      }
      case methods.cancelled:
        this.#asked?.delete(String(valueText(frame.bytes, paths.cancelledId)))
        return super.send(frame, callback)
      default:
        super.send(frame, callback)
    }
  }

  // This ends the subscriptions of this session that no other session has.
  override _destroy(error: Error | null, callback: DestroyCallback): void {
    for (const uri of this.#uris?.keys() ?? []) {
      if (!this.#forget(uri)) this.#server.sendRequest(methods.unsubscribe, { uri })
    }
    this.#all.remove(this)
    super._destroy(error, callback)
  }

  override deliver(frame: Frame): void {
    const asked = this.#asked
    if (asked === undefined || frame.kind !== 'response') return super.deliver(frame)
    this.handle(frame, (response) => {
      this.#subscribed(response, asked)
      super.deliver(response)
    })
  }

  #wants(broadcast: Broadcast): boolean {
    switch (broadcast.method) {
      case methods.logMessage:
        return logLevels.indexOf(broadcast.level) >= this.level
      case methods.resourceUpdated:
        return this.#uris?.get(this.#all.subscriptionFor(broadcast)) === true
      // This message does not say which client owns the task. Clients poll and do not need it.
      case methods.taskStatus:
        return false
      default:
        return true
    }
  }

  #subscribe(frame: Frame, callback: Callback): void {
    const uri = uriOf(frame)
    // The server refuses an empty or absent URI. So the session does not keep it.
    if (uri === '' || this.#uris?.get(uri) === true) return super.send(frame, callback)
    this.#uris ??= new Map()
    if (!this.#uris.has(uri) && !this.#keep(uri, this.#uris)) {
      const error = new ProxyError('ERR_PARAMS', 'the session has too many subscriptions')
      return this.#answer(frame, callback, errorFrame(0, error))
    }
    this.#asked ??= new Map()
    this.#asked.set(idText(frame), uri)
    super.send(frame, callback)
  }

  /** Adds a subscription. Returns false if the session has too many. */
  #keep(uri: string, uris: Map<string, boolean>): boolean {
    if (uris.size === maxSubscriptions || this.#urisLength + uri.length > maxUris) return false
    uris.set(uri, false)
    this.#urisLength += uri.length
    this.#all.addSubscriber(uri)
    return true
  }

  /** Notes whether the server has taken a subscription. */
  #subscribed(response: Frame, asked: Map<string, string>): void {
    if (asked.size === 0) return
    const id = idText(response)
    const uri = asked.get(id)
    asked.delete(id)
    if (uri === undefined || this.#uris?.get(uri) !== false) return
    if (response.errorCode === undefined) this.#uris.set(uri, true)
    else this.#forget(uri)
  }

  /** Removes a subscription. Returns whether another session still needs it. */
  #forget(uri: string): boolean {
    this.#uris?.delete(uri)
    this.#urisLength -= uri.length
    return this.#all.removeSubscriber(uri)
  }

  #initialize(frame: Frame, callback: Callback): void {
    this.#all
      .initializeResponse()
      .then((response) => {
        try {
          super.deliver(answerInitialize(frame, response))
          callback()
        } catch (cause) {
          this.recover(frame, cause, callback)
        }
      }, callback)
      .catch((cause: unknown) => this.fault(cause))
  }

  #answer(frame: Frame, callback: Callback, response = emptyResponse): void {
    super.deliver(answerTo(frame, response))
    callback()
  }

  #setLevel(frame: Frame, callback: Callback): void {
    const level = logLevels.indexOf(stringAt(frame.bytes, paths.level) ?? '')
    if (level === -1) return super.send(frame, callback) // the server refuses an unknown level
    this.level = level
    const text = JSON.stringify(logLevels[this.#all.level])
    const bytes = splice(frame.bytes, [{ path: paths.level, text }])
    super.send(frame.withBytes(bytes), callback)
  }
}

/** The requests that a session of a shared server handles itself, or changes. */
const ownMethods = new Set<string | undefined>([
  methods.initialize,
  methods.initialized,
  methods.ping,
  methods.setLevel,
  methods.subscribe,
  methods.unsubscribe
])

/** Answers a client's `initialize` with the server's response and the client's id and version. */
function answerInitialize(initialize: Frame, response: Frame): Frame {
  const asked = stringAt(initialize.bytes, paths.askedVersion)
  const agreed = stringAt(response.bytes, paths.agreedVersion) ?? ''
  // The proxy asked the server for the newest legacy revision. A client may know only an older one.
  const isOlder = asked !== undefined && isLegacyVersion(asked) && asked < agreed
  const version = { path: paths.agreedVersion, text: JSON.stringify(asked) }
  return answerTo(initialize, response, isOlder ? [version] : [])
}
