// A server that dies is not the end of a session: this wrapper starts it anew, repeats what opened
// the conversation, and goes on. What was in flight gets an error; what was never sent is sent after;
// nothing is sent twice. The same serves a remote server that has forgotten the session.

import type { Duplex } from 'node:stream'
import { open } from '../conversation/ask.ts'
import { SessionState } from '../conversation/session-state.ts'
import { describe, ProxyError } from '../errors.ts'
import { limits } from '../limits.ts'
import { silent } from '../log.ts'
import type { Log } from '../log.ts'
import { errorFrame, makeFrame } from '../message/frame.ts'
import type { Frame } from '../message/frame.ts'
import { PendingRequests } from '../message/pending-requests.ts'
import type { Id } from '../protocol/json-rpc.ts'
import { methods } from '../protocol/methods.ts'
import type { Callback, DestroyCallback } from '../streams/callbacks.ts'
import { failAfterReading, ServerGoneError } from '../streams/fail-after-reading.ts'
import { OuterTransport } from '../streams/outer-transport.ts'

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
 * It emits `open` when a server has answered for the first time. It fails with the error of the last
 * server: when that one never answered anything, or when there were too many in a minute.
 *
 * @param connect makes the transport to a server: `() => connectChild({ command })`
 */
export function reconnect(connect: () => Duplex, options: ReconnectOptions = {}): OuterTransport {
  return new ReconnectTransport(connect, options)
}

const minute = 60_000
/** The pause before the second restart in a minute; it doubles with each, in milliseconds. */
const firstPause = 100

class ReconnectTransport extends OuterTransport {
  readonly #connect: () => Duplex
  readonly #restarts: number
  readonly #connectTimeout: number
  readonly #log: Log
  readonly #opening = new SessionState()
  /** What the client asked of the server. */
  readonly #owed = new PendingRequests()
  /** What the server asked of the client. */
  readonly #asked = new PendingRequests()
  /** What servers before this one asked: no server waits for those answers. */
  readonly #stale = new Set<Id>()
  /** What no server has taken yet, oldest first. */
  #waiting: Frame[] = []
  /** Of the last frame, while there is no room for another. */
  #callback: Callback | undefined
  /** A server has answered something: from now on one may follow another. */
  #opened = false
  /** Why the first server failed, to be told to a client that has yet to ask something. */
  #fault: ProxyError | undefined
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
    this.#owed.sent(frame)
    if (this.#isStale(frame)) return callback()
    this.#waiting.push(frame)
    this.#callback = callback
    if (this.#send(frame)) this.#goOn()
    this.#tellFault()
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
      else this.#tellFault()
      callback()
    })
  }

  override _destroy(error: Error | null, callback: DestroyCallback): void {
    clearTimeout(this.#timer)
    this.#goOn(error ?? new ProxyError('ERR_CLOSED', 'the transport was destroyed'))
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
    for (const requestId of this.#asked.take()) {
      this.#stale.add(requestId)
      const params = { requestId, reason: 'the server that asked is gone' }
      this.pass(makeFrame({ jsonrpc: '2.0', method: methods.cancelled, params }))
    }
    if (this.#ended) {
      this.push(null)
      return
    }
    const undelivered = cause instanceof ServerGoneError ? cause.undelivered : []
    // An answer is for the server that asked.
    this.#waiting = [...undelivered, ...this.#waiting].filter(({ kind }) => kind !== 'response')
    if (!this.#opened) {
      this.#fault = cause
      if (this.#owed.size > 0) this.#tellFault()
      return
    }
    const unsent = this.#unsent()
    this.#failCalls(cause, (id) => !unsent.has(id))
    if (!this.#ended) this.#restartLater(cause)
  }

  /** The requests that no server has taken yet. */
  #unsent(): Set<Id | undefined> {
    const requests = this.#waiting.filter(({ kind }) => kind === 'request')
    return new Set(requests.map(({ id }) => id))
  }

  // The last of them may be what `_final` waits for.
  #failCalls(cause: ProxyError, which: (id: Id) => boolean = () => true): void {
    for (const id of this.#owed.ids.filter(which)) {
      this.pass(errorFrame(id, cause))
      this.#owed.forget(id)
    }
  }

  #tellFault(): void {
    const fault = this.#fault
    this.#fault = undefined
    if (fault !== undefined) this.#giveUp(fault)
  }

  #giveUp(cause: ProxyError, error = cause): void {
    this.#failCalls(cause)
    failAfterReading(this, error)
  }

  #isStale({ kind, id }: Frame): boolean {
    return kind === 'response' && !this.#asked.has(id as Id) && this.#stale.delete(id as Id)
  }

  /** Returns whether there is room for another. */
  #send(frame: Frame): boolean {
    if (this.inner === undefined) return false
    this.#opening.note(frame)
    return this.inner.write(frame, this.#onTaken)
  }

  // Frames are taken in the order in which they were written. An error means that the server never had
  // the frame: it is for the next one.
  readonly #onTaken = (error?: Error | null): void => {
    if (error) return
    this.#asked.answered(this.#waiting.shift() as Frame)
    if (this.inner?.writableNeedDrain === false) this.#goOn()
  }

  #goOn(error?: Error): void {
    const callback = this.#callback
    this.#callback = undefined
    callback?.(error)
  }

  #restartLater(cause: ProxyError): void {
    const now = Date.now()
    this.#restartTimes = this.#restartTimes.filter((time) => time > now - minute)
    const count = this.#restartTimes.push(now)
    if (count > this.#restarts) {
      const message = `given up after ${this.#restarts} restarts in a minute (see --restarts)`
      return this.#giveUp(cause, new ProxyError(cause.code, message, { cause }))
    }
    this.#log.warn(`starting again: ${describe(cause)}`)
    const pause = count === 1 ? 0 : firstPause * 2 ** (count - 2)
    this.#timer = setTimeout(() => void this.#restart(), pause)
  }

  async #restart(): Promise<void> {
    const server = this.#connect()
    this.#next = server
    const isWaiting = ({ id, method }: Frame): boolean =>
      this.#waiting.some((frame) => frame.id === id && frame.method === method)
    const frames = this.#opening.frames.filter((frame) => !isWaiting(frame))
    const failure = await open(server, frames, {
      timeout: this.#connectTimeout,
      onFrame: (frame) => this.innerOnFrame(frame)
    }).then(
      () => undefined,
      (error: ProxyError) => error
    )
    this.#next = undefined
    if (this.destroyed || this.#ended) return
    if (failure !== undefined) {
      server.destroy()
      this.innerOnClose(failure)
      return
    }
    this.attach(server)
    // What the client says next comes after all of them.
    let hasRoom = true
    for (const frame of this.#waiting) hasRoom = this.#send(frame)
    if (hasRoom) this.#goOn()
  }
}

function toProxyError(error: Error | undefined): ProxyError {
  if (error instanceof ProxyError) return error
  const message = 'the connection to the server ended'
  return new ProxyError('ERR_CONNECTION', message, { cause: error })
}
