// One legacy server for many sessions. The proxy has opened the only session that the server knows of,
// as a client that can do nothing: so the server never asks a question whose addressee would have to
// be guessed. What each client says to open or keep its own session is answered here; the log level
// and the subscriptions that the server has are the sum of what its clients want.

import type { Duplex } from 'node:stream'
import { Frame, makeFrame } from '../frame.ts'
import { splice, valueText } from '../framing/splice.ts'
import { isLegacyVersion } from '../protocol.ts'
import { Around } from '../transports/around.ts'
import { failAfterReading } from '../transports/fail.ts'
import type { Callback, DestroyCallback } from '../transports/types.ts'
import { openingOfProxy } from './open.ts'
import { share } from './share.ts'
import type { ShareOptions, SharedServer } from './share.ts'

const levels = ['debug', 'info', 'notice', 'warning', 'error', 'critical', 'alert', 'emergency']

/** Shares the legacy server that `connect` makes: see `share`. */
export function shareSessions(
  connect: () => Duplex,
  options: Omit<ShareOptions, 'opening' | 'onOpened'> = {}
): SharedSessions {
  return new SharedSessions(connect, options)
}

export class SharedSessions {
  readonly #shared: SharedServer
  readonly #sessions = new Set<SessionPort>()
  #opened: Frame | undefined

  /** Use `shareSessions`. */
  constructor(connect: () => Duplex, options: ShareOptions) {
    this.#shared = share(connect, {
      ...options,
      opening: openingOfProxy(),
      onOpened: (answer) => (this.#opened = answer)
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

  /** Whether another session than `own` wants log messages of this level, or of lesser ones. */
  isLogging(level: number, own: SessionPort): boolean {
    return [...this.#sessions].some((session) => session !== own && session.level <= level)
  }
}

class SessionPort extends Around {
  /** The resources that the client is subscribed to. */
  readonly uris = new Set<string>()
  /** The least level of log messages that the client wants, as an index of `levels`. */
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
      case 'initialize':
        this.#initialize(frame, callback)
        return
      case 'notifications/initialized':
        callback()
        return
      case 'ping':
        return this.#answer(frame, callback)
      case 'logging/setLevel': {
        this.level = levels.indexOf(String(frame.message().params?.level))
        if (this.#all.isLogging(this.level, this)) return this.#answer(frame, callback)
        break
      }
      case 'resources/subscribe': {
        const uri = uriOf(frame)
        this.uris.add(uri)
        if (this.#all.isSubscribed(uri, this)) return this.#answer(frame, callback)
        break
      }
      case 'resources/unsubscribe': {
        const uri = uriOf(frame)
        this.uris.delete(uri)
        if (this.#all.isSubscribed(uri, this)) return this.#answer(frame, callback)
        break
      }
    }
    this.inner?.write(frame, () => callback())
  }

  override _final(callback: Callback): void {
    if (this.inner === undefined) callback()
    else this.inner.end(() => callback())
  }

  override _destroy(error: Error | null, callback: DestroyCallback): void {
    this.#unsubscribe()
    super._destroy(error, callback)
  }

  protected override innerOnFrame(frame: Frame): void {
    this.pass(frame)
  }

  protected override innerOnClose(error: Error | undefined): void {
    if (error === undefined) this.push(null)
    else failAfterReading(this, error)
  }

  #hears(frame: Frame): boolean {
    switch (frame.method) {
      case 'notifications/message':
        return levels.indexOf(String(frame.message().params?.level)) >= this.level
      case 'notifications/resources/updated':
        return this.uris.has(uriOf(frame))
      default:
        return true
    }
  }

  // With the answer that the proxy got, which is the server's own but for id and version.
  #initialize(frame: Frame, callback: Callback): void {
    this.#all.open().then(
      (opened) => {
        this.pass(answerTo(frame, opened))
        callback()
      },
      (error: Error) => this.destroy(error)
    )
  }

  // What is asked for has been granted to others already.
  #answer(frame: Frame, callback: Callback): void {
    this.pass(makeFrame({ jsonrpc: '2.0', id: frame.id ?? null, result: {} }))
    callback()
  }

  // Nobody is left who wants to hear of these.
  #unsubscribe(): void {
    for (const uri of this.uris) {
      if (!this.#all.isSubscribed(uri, this)) this.#shared.tell('resources/unsubscribe', { uri })
    }
    this.uris.clear()
  }
}

/** The answer to a client's `initialize`, made of the one that the proxy got. */
function answerTo(initialize: Frame, opened: Frame): Frame {
  const replacements = [{ path: ['id'], text: valueText(initialize.bytes, ['id']) ?? 'null' }]
  const asked = initialize.message().params?.protocolVersion
  const { protocolVersion: agreed } = Object(opened.message().result) as { protocolVersion?: string }
  // The proxy asked for the newest revision. A client may know only an older one.
  if (typeof asked === 'string' && isLegacyVersion(asked) && asked < (agreed ?? '')) {
    replacements.push({ path: ['result', 'protocolVersion'], text: JSON.stringify(asked) })
  }
  return new Frame(splice(opened.bytes, replacements), { ...opened, id: initialize.id })
}

const uriOf = (frame: Frame): string => String(frame.message().params?.uri)
