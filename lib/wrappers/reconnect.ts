// A server that dies is not the end of a session: this wrapper starts it anew, repeats what opened
// the conversation, and goes on. What was in flight gets an error; what was never sent is sent after;
// nothing is sent twice. The same serves a remote server that has forgotten the session.

import type { Duplex } from 'node:stream'
import { ProxyError, describe } from '../errors.ts'
import { errorFrame, makeFrame } from '../frame.ts'
import type { Frame, Id } from '../frame.ts'
import { limits } from '../limits.ts'
import { silent } from '../log.ts'
import type { Log } from '../log.ts'
import { Owed } from '../owed.ts'
import { Around } from '../transports/around.ts'
import { failAfterReading } from '../transports/fail.ts'
import { SessionUnknownError } from '../transports/http-client.ts'
import type { Callback, DestroyCallback } from '../transports/types.ts'
import { open } from './open.ts'
import { Opening } from './opening.ts'

export interface ReconnectOptions {
  /** Restarts within a minute before the transport fails (5; 0: any number). */
  restarts?: number | undefined
  /** Milliseconds for each answer while the conversation is opened again (30 000; 0: any). */
  connectTimeout?: number | undefined
  /** Destroys the transport, and the server with it. */
  signal?: AbortSignal | undefined
  log?: Log | undefined
}

/**
 * Gives a transport to the servers that `connect` makes, one after another.
 *
 * It emits `open` when a server has answered for the first time. It fails, with the error of the last, when a server fails before it has answered
 * `initialize`, and when there were too many in a minute.
 *
 * @param connect makes the transport to a server: `() => connectChild({ command })`
 */
export function reconnect(connect: () => Duplex, options: ReconnectOptions = {}): Around {
  return new ReconnectTransport(connect, options)
}

const minute = 60_000
/** The pause before the second restart in a minute; it doubles with each, in milliseconds. */
const firstPause = 100

class ReconnectTransport extends Around {
  readonly #connect: () => Duplex
  readonly #restarts: number
  readonly #connectTimeout: number
  readonly #log: Log
  readonly #opening = new Opening()
  /** What the client asked of the server. */
  readonly #owed = new Owed()
  /** What the server asked of the client. */
  readonly #asked = new Owed()
  /** What servers before this one asked: no server waits for those answers. */
  readonly #stale = new Set<Id>()
  /** A server has answered something: from now on one may follow another. */
  #opened = false
  /** Refused by the last server, for the next one. */
  #refused: Frame[] = []
  /** The frame under way, or waiting for a server. */
  #writing: { frame: Frame; callback: Callback } | undefined
  /** The server that is being opened. */
  #next: Duplex | undefined
  #restartTimes: number[] = []
  #timer: NodeJS.Timeout | undefined
  /** The client has said its last word, and nothing is owed to it. */
  #ended = false

  constructor(connect: () => Duplex, options: ReconnectOptions) {
    super(options.signal)
    this.#connect = connect
    this.#restarts = (options.restarts ?? limits.restarts) || Infinity
    this.#connectTimeout = options.connectTimeout ?? limits.connectTimeout
    this.#log = options.log ?? silent
    this.attach(connect())
  }

  override _write(frame: Frame, _encoding: BufferEncoding, callback: Callback): void {
    this.#writing = { frame, callback }
    if (this.inner !== undefined) this.#send(this.inner)
  }

  override _final(callback: Callback): void {
    this.#owed.whenSettled(() => {
      this.#ended = true
      if (this.inner !== undefined) {
        this.inner.end(() => callback())
        return
      }
      // A server that is gone need not be started only to be told to end.
      clearTimeout(this.#timer)
      this.#next?.destroy()
      if (this.#opened) this.push(null)
      callback()
    })
  }

  override _destroy(error: Error | null, callback: DestroyCallback): void {
    clearTimeout(this.#timer)
    const writing = this.#writing
    this.#writing = undefined
    writing?.callback(error ?? new ProxyError('ERR_CLOSED', 'the transport was destroyed'))
    this.inner ??= this.#next
    super._destroy(error, callback)
  }

  protected override innerOnFrame(frame: Frame): void {
    if (this.#owed.answered(frame) && !this.#opened) {
      this.#opened = true
      this.emit('open')
    }
    this.#asked.sent(frame)
    this.pass(frame)
  }

  protected override innerOnClose(error: Error | undefined): void {
    const cause = toProxyError(error)
    const refused = cause instanceof SessionUnknownError ? cause.refused : []
    this.#refused.push(...refused)
    const again = new Set(this.#refused.map((frame) => frame.id))
    for (const id of this.#owed.ids) {
      if (again.has(id)) continue
      this.pass(errorFrame(id, cause))
      this.#owed.forget(id)
    }
    for (const requestId of this.#asked.take()) {
      this.#stale.add(requestId)
      const params = { requestId, reason: 'the server that asked is gone' }
      this.pass(makeFrame({ jsonrpc: '2.0', method: 'notifications/cancelled', params }))
    }
    const done = this.writableEnded && this.writableLength === 0 && again.size === 0
    if (this.#ended) this.push(null)
    else if (!this.#opened) failAfterReading(this, cause)
    else if (!done) this.#restartLater(cause)
  }

  #send(server: Duplex): void {
    if (this.#writing === undefined) return
    const { frame, callback } = this.#writing
    const taken = (): void => {
      this.#writing = undefined
      callback()
    }
    const isStale = frame.kind === 'response' && !this.#asked.answered(frame)
    if (isStale && this.#stale.delete(frame.id as Id)) return taken()
    this.#opening.note(frame)
    this.#owed.sent(frame)
    // An error means that the server never had the frame: it is for the next one.
    server.write(frame, (error) => error || taken())
  }

  #restartLater(cause: ProxyError): void {
    const now = Date.now()
    this.#restartTimes = this.#restartTimes.filter((time) => time > now - minute)
    const count = this.#restartTimes.push(now)
    if (count > this.#restarts) {
      const message = `given up after ${this.#restarts} restarts in a minute (see --restarts)`
      for (const id of this.#owed.take()) this.pass(errorFrame(id, cause))
      failAfterReading(this, new ProxyError(cause.code, message, { cause }))
      return
    }
    this.#log.warn(`starting again: ${describe(cause)}`)
    const pause = count === 1 ? 0 : firstPause * 2 ** (count - 2)
    this.#timer = setTimeout(() => void this.#restart(), pause)
  }

  async #restart(): Promise<void> {
    const server = this.#connect()
    this.#next = server
    try {
      await open(server, this.#opening.frames, {
        timeout: this.#connectTimeout,
        onFrame: (frame) => this.innerOnFrame(frame)
      })
    } catch (error) {
      server.destroy()
      this.#next = undefined
      if (!this.destroyed && !this.#ended) this.innerOnClose(error as ProxyError)
      return
    }
    this.#next = undefined
    if (this.destroyed) return
    this.attach(server)
    for (const frame of this.#refused.splice(0)) {
      this.#owed.sent(frame)
      server.write(frame)
    }
    this.#send(server)
  }
}

function toProxyError(error: Error | undefined): ProxyError {
  if (error instanceof ProxyError) return error
  const message = 'the connection to the server ended'
  return new ProxyError('ERR_CONNECTION', message, { cause: error })
}
