// One legacy server for many sessions.
//
// The proxy initializes the server itself and names no client capabilities, so the server sends no
// request that one of several clients would have to answer. A session answers `initialize`, `ping` and
// what else concerns only its own client. The server logs at the least level that a client set, and
// has every subscription of every client; each session then picks out what its client asked for.

import type { Duplex } from 'node:stream'
import { proxyHandshake, sendInOrder } from '../conversation/ask-server.ts'
import { uriOf } from '../conversation/session-state.ts'
import type { ProxyError } from '../errors.ts'
import { splice } from '../json/splice.ts'
import { limits } from '../limits.ts'
import { Frame, makeFrame } from '../message/frame.ts'
import { answerTo } from '../message/response-to.ts'
import { logLevels } from '../protocol/log-levels.ts'
import { methods } from '../protocol/methods.ts'
import { paths } from '../protocol/paths.ts'
import { isLegacyVersion } from '../protocol/revisions.ts'
import type { Callback, DestroyCallback } from '../streams/callbacks.ts'
import { failAfterReading } from '../streams/fail-after-reading.ts'
import { OuterTransport } from '../streams/outer-transport.ts'
import type { Broadcast } from './broadcast.ts'
import { share } from './share.ts'
import type { SharedServer, ShareOptions } from './share.ts'

export interface ShareSessionsOptions extends Omit<ShareOptions, 'prepare'> {
  /** How long the server may take to answer `initialize`, in ms (default 30 000; 0: no limit). */
  connectTimeout?: number | undefined
}

/** Shares the legacy server that `connect` makes, which is called as `share` calls it. */
export function shareSessions(
  connect: () => Duplex,
  options: ShareSessionsOptions = {}
): SharedSessions {
  return new SharedSessions(connect, options)
}

export class SharedSessions {
  readonly #server: SharedServer
  readonly #sessions = new Set<SessionPort>()
  #initializeResponse: Frame | undefined

  /** Use `shareSessions`. */
  constructor(connect: () => Duplex, options: ShareSessionsOptions) {
    const { connectTimeout: timeout = limits.connectTimeout } = options
    this.#server = share(connect, {
      ...options,
      prepare: async (server) => {
        this.#initializeResponse = await sendInOrder(server, proxyHandshake(), { timeout })
      }
    })
  }

  /**
   * Makes the transport to the server for one client.
   *
   * @param isSession false for a client that sends one request and has no session: it gets no
   * notification that belongs to no request
   */
  port(isSession = true): Duplex {
    const session = new SessionPort(this, this.#server, isSession)
    this.#sessions.add(session)
    session.once('close', () => this.#sessions.delete(session))
    return session
  }

  /** Starts the server if there is none. Resolves to its response to `initialize`. */
  async initializeResponse(): Promise<Frame> {
    await this.#server.ready()
    return this.#initializeResponse as Frame
  }

  /** Destroys the server, and with it all sessions. Resolves when the server has closed. */
  destroy(): Promise<void> {
    return this.#server.destroy()
  }

  /** Whether a session other than `own` is subscribed to a resource. */
  isSubscribed(uri: string, own: SessionPort): boolean {
    return [...this.#sessions].some((session) => session !== own && session.uris.has(uri))
  }

  /** The least level of log messages that a session set, as an index of `logLevels`. */
  get level(): number {
    return Math.min(...[...this.#sessions].map((session) => session.level))
  }
}

class SessionPort extends OuterTransport {
  /** The resources that the client is subscribed to. */
  readonly uris = new Set<string>()
  /** The least level of log messages that the client set. Until then it gets none. */
  level = Infinity
  readonly #all: SharedSessions
  readonly #server: SharedServer

  constructor(all: SharedSessions, server: SharedServer, isSession: boolean) {
    super()
    this.#all = all
    this.#server = server
    this.attach(server.port((broadcast) => isSession && this.#wants(broadcast)))
  }

  override _write(frame: Frame, _encoding: BufferEncoding, callback: Callback): void {
    switch (frame.method) {
      case methods.initialize:
        return this.#initialize(frame, callback)
      case methods.initialized:
        return callback()
      case methods.ping:
        return this.#answer(frame, callback)
      case methods.setLevel:
        return this.#setLevel(frame, callback)
      case methods.subscribe:
        this.uris.add(uriOf(frame))
        return this.#send(frame, callback)
      case methods.unsubscribe: {
        const uri = uriOf(frame)
        this.uris.delete(uri)
        if (this.#all.isSubscribed(uri, this)) return this.#answer(frame, callback)
        return this.#send(frame, callback)
      }
      default:
        this.#send(frame, callback)
    }
  }

  override _final(callback: Callback): void {
    this.inner?.end(() => callback())
  }

  // Ends the subscriptions that no other session has.
  override _destroy(error: Error | null, callback: DestroyCallback): void {
    for (const uri of this.uris) {
      if (!this.#all.isSubscribed(uri, this)) {
        this.#server.sendRequest(methods.unsubscribe, { uri })
      }
    }
    this.uris.clear()
    super._destroy(error, callback)
  }

  protected override innerOnFrame(frame: Frame): void {
    this.pass(frame)
  }

  protected override innerOnClose(error: Error | undefined): void {
    if (error === undefined) this.push(null)
    // A client that does not read would never reach the end of its frames.
    else if ((error as ProxyError).code === 'ERR_CLIENT_SLOW') this.destroy(error)
    else failAfterReading(this, error)
  }

  #wants(broadcast: Broadcast): boolean {
    switch (broadcast.method) {
      case methods.logMessage:
        return logLevels.indexOf(String(broadcast.params?.level)) >= this.level
      case methods.resourceUpdated: {
        const uri = String(broadcast.params?.uri)
        return [...this.uris].some((own) => isWithin(uri, own))
      }
      // It does not name the client whose task it is about. Clients do not rely on it: they poll.
      case methods.taskStatus:
        return false
      default:
        return true
    }
  }

  #send(frame: Frame, callback: Callback): void {
    // Drops the error of the write: a port that fails also closes.
    this.inner?.write(frame, () => callback())
  }

  #initialize(frame: Frame, callback: Callback): void {
    this.#all.initializeResponse().then((response) => {
      this.pass(answerInitialize(frame, response))
      callback()
    }, callback)
  }

  #answer(frame: Frame, callback: Callback): void {
    this.pass(answerTo(frame, makeFrame({ jsonrpc: '2.0', id: 0, result: {} })))
    callback()
  }

  #setLevel(frame: Frame, callback: Callback): void {
    const level = logLevels.indexOf(String(frame.message().params?.level))
    if (level === -1) return this.#send(frame, callback) // the server will refuse it
    this.level = level
    const text = JSON.stringify(logLevels[this.#all.level])
    const bytes = splice(frame.bytes, [{ path: paths.level, text }])
    this.#send(new Frame(bytes, frame), callback)
  }
}

/** The response to a client's `initialize`: the server's to the proxy, with the client's id and version. */
function answerInitialize(initialize: Frame, response: Frame): Frame {
  const asked = initialize.message().params?.protocolVersion
  const result = Object(response.message().result) as { protocolVersion?: string }
  const { protocolVersion: agreed = '' } = result
  // The proxy asked for the newest revision. A client may know only an older one.
  const isOlder = typeof asked === 'string' && isLegacyVersion(asked) && asked < agreed
  const version = { path: paths.agreedVersion, text: JSON.stringify(asked) }
  return answerTo(initialize, response, isOlder ? [version] : [])
}

/** Whether a resource is `root` or a part of it: a subscription to `root` covers both. */
const isWithin = (uri: string, root: string): boolean =>
  uri.startsWith(root) && (root.endsWith('/') || /^([/?#]|$)/.test(uri.slice(root.length)))
