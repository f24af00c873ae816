// One legacy server for many sessions. The proxy has opened the only session that the server knows of,
// as a client that can do nothing: so the server never asks a question whose addressee would have to
// be guessed. What each client says to open or keep its own session is answered here; the log level
// and the subscriptions that the server has are the sum of what its clients want.

import type { Duplex } from 'node:stream'
import { open, openingOfProxy } from '../conversation/ask.ts'
import type { ProxyError } from '../errors.ts'
import { splice } from '../json/splice.ts'
import { limits } from '../limits.ts'
import { answerTo } from '../message/answer.ts'
import { Frame, makeFrame } from '../message/frame.ts'
import { logLevels } from '../protocol/log-levels.ts'
import { methods } from '../protocol/methods.ts'
import { isLegacyVersion } from '../protocol/revisions.ts'
import type { Callback, DestroyCallback } from '../streams/callbacks.ts'
import { failAfterReading } from '../streams/fail-after-reading.ts'
import { OuterTransport } from '../streams/outer-transport.ts'
import { share } from './share.ts'
import type { SharedServer, ShareOptions } from './share.ts'

export interface ShareSessionsOptions extends Omit<ShareOptions, 'open'> {
  /** Milliseconds for the server's answer to `initialize` (30 000; 0: any). */
  connectTimeout?: number | undefined
}

/** Shares the legacy server that `connect` makes: see `share`. */
export function shareSessions(
  connect: () => Duplex,
  options: ShareSessionsOptions = {}
): SharedSessions {
  return new SharedSessions(connect, options)
}

export class SharedSessions {
  readonly #shared: SharedServer
  readonly #sessions = new Set<SessionPort>()
  #opened: Frame | undefined

  /** Use `shareSessions`. */
  constructor(connect: () => Duplex, options: ShareSessionsOptions) {
    const { connectTimeout: timeout = limits.connectTimeout } = options
    this.#shared = share(connect, {
      ...options,
      open: async (server) => (this.#opened = await open(server, openingOfProxy(), { timeout }))
    })
  }

  /**
   * Gives a client's session.
   *
   * @param isSession false for a client that is there for one request: it hears nothing unasked
   */
  port(isSession = true): Duplex {
    const session = new SessionPort(this, this.#shared, isSession)
    this.#sessions.add(session)
    session.once('close', () => this.#sessions.delete(session))
    return session
  }

  /** Resolves to the server's answer to `initialize`. */
  async open(): Promise<Frame> {
    await this.#shared.ready()
    return this.#opened as Frame
  }

  /** Ends the server, and with it all sessions. Resolves when it has gone. */
  destroy(): Promise<void> {
    return this.#shared.destroy()
  }

  /** Whether another session than `own` is subscribed to a resource. */
  isSubscribed(uri: string, own: SessionPort): boolean {
    return [...this.#sessions].some((session) => session !== own && session.uris.has(uri))
  }

  /** The least level of log messages that a session wants, as an index of `logLevels`. */
  get level(): number {
    return Math.min(...[...this.#sessions].map((session) => session.level))
  }
}

class SessionPort extends OuterTransport {
  /** The resources that the client is subscribed to. */
  readonly uris = new Set<string>()
  /** The least level of log messages that the client wants: none, until it says so. */
  level = Infinity
  readonly #all: SharedSessions
  readonly #shared: SharedServer

  constructor(all: SharedSessions, shared: SharedServer, isSession: boolean) {
    super()
    this.#all = all
    this.#shared = shared
    this.attach(shared.port((frame) => isSession && this.#hears(frame)))
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

  // Of what it was subscribed to, the server need not tell anybody else.
  override _destroy(error: Error | null, callback: DestroyCallback): void {
    for (const uri of this.uris) {
      if (!this.#all.isSubscribed(uri, this)) this.#shared.tell(methods.unsubscribe, { uri })
    }
    this.uris.clear()
    super._destroy(error, callback)
  }

  protected override innerOnFrame(frame: Frame): void {
    this.pass(frame)
  }

  protected override innerOnClose(error: Error | undefined): void {
    if (error === undefined) this.push(null)
    // One that does not read would never come to the end.
    else if ((error as ProxyError).code === 'ERR_CLIENT_SLOW') this.destroy(error)
    else failAfterReading(this, error)
  }

  #hears(frame: Frame): boolean {
    switch (frame.method) {
      case methods.logMessage:
        return logLevels.indexOf(String(frame.message().params?.level)) >= this.level
      case methods.resourceUpdated: {
        const uri = uriOf(frame)
        return [...this.uris].some((own) => isWithin(uri, own))
      }
      // It is one client's task, and it doesn't say whose. Clients do not rely on being told.
      case methods.taskStatus:
        return false
      default:
        return true
    }
  }

  #send(frame: Frame, callback: Callback): void {
    // What an error means is told when the port closes.
    this.inner?.write(frame, () => callback())
  }

  // With the answer that the proxy got, which is the server's own but for id and version.
  #initialize(frame: Frame, callback: Callback): void {
    this.#all.open().then((opened) => {
      this.pass(answerInitialize(frame, opened))
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
    const bytes = splice(frame.bytes, [{ path: ['params', 'level'], text }])
    this.#send(new Frame(bytes, frame), callback)
  }
}

/** The answer to a client's `initialize`, made of the one that the proxy got. */
function answerInitialize(initialize: Frame, opened: Frame): Frame {
  const asked = initialize.message().params?.protocolVersion
  const result = Object(opened.message().result) as { protocolVersion?: string }
  const { protocolVersion: agreed = '' } = result
  // The proxy asked for the newest revision. A client may know only an older one.
  const isOlder = typeof asked === 'string' && isLegacyVersion(asked) && asked < agreed
  const version = { path: ['result', 'protocolVersion'], text: JSON.stringify(asked) }
  return answerTo(initialize, opened, isOlder ? [version] : [])
}

/** Whether the resource is `root`, or a part of it: who subscribes to one hears of the other too. */
const isWithin = (uri: string, root: string): boolean =>
  uri.startsWith(root) && (root.endsWith('/') || /^([/?#]|$)/.test(uri.slice(root.length)))

const uriOf = (frame: Frame): string => String(frame.message().params?.uri)
