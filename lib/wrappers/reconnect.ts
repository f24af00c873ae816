// A transport that stays open when its server closes. It then starts a new server and sends it the
// messages that restore the session. It also does this for a remote server that forgot the session.
//
// Each frame from the client waits in a queue until a server has taken it. When a server closes,
// requests that it had taken get an error: it may have acted on them, so they are never sent twice.
// Frames still in the queue go to the next server.
//
// A process that dies too often is not started again. A remote server is different: the wrapper connects
// again for as long as the client is there, after pauses that double up to 30 s. After the first attempt
// that fails, requests get an error at once, until a server has taken over.

import type { Duplex } from 'node:stream'
import { sendInOrder } from '../conversation/ask-server.ts'
import { SessionState } from '../conversation/session-state.ts'
import { describe, ProxyError } from '../errors.ts'
import { limits } from '../limits.ts'
import { silent } from '../log.ts'
import type { Log } from '../log.ts'
import type { Frame } from '../message/frame.ts'
import { PendingRequests } from '../message/pending-requests.ts'
import { errorFrame } from '../message/refusal.ts'
import type { Id } from '../protocol/json-rpc.ts'
import { methods } from '../protocol/methods.ts'
import type { Callback, DestroyCallback } from '../streams/callbacks.ts'
import { failAfterReading } from '../streams/fail-after-reading.ts'
import { OuterTransport } from '../streams/outer-transport.ts'
import { ServerGoneError } from '../streams/server-gone-error.ts'
import { cancellation } from './cancellation.ts'
import { RestartCount } from './restart-count.ts'

export interface ReconnectOptions {
  /** How many restarts a minute are allowed. More fail the transport (default 5; 0: no limit). */
  restarts?: number | undefined
  /**
   * The server is at a URL (default: false, it is a process). The transport then stays while the server
   * is away, and `restarts` does not apply.
   */
  remote?: boolean | undefined
  /**
   * The transport fails if the first server closes before it answers a request (default: false with
   * `remote`, else true).
   */
  failsAtStart?: boolean | undefined
  /**
   * How long a new server may take for each response while the session is restored, in ms (default
   * 30 000; 0: no limit).
   */
  connectTimeout?: number | undefined
  /** An abort of this signal destroys the transport and its server. */
  signal?: AbortSignal | undefined
  /** Gets a warning for each restart. Default: nothing is logged. */
  log?: Log | undefined
}

/**
 * Returns a transport that uses the servers that `connect` makes, one server at a time.
 *
 * It emits `ready` when a server has answered a request for the first time. It fails with the error of
 * the last server if no server ever answered, or if there were too many restarts within a minute. With
 * `remote` it fails only when the client ends and no server has ever answered.
 *
 * @param connect makes the transport to a server: `() => connectChild({ command })`
 */
export function reconnect(
  connect: () => Duplex,
  options: ReconnectOptions = {}
): ReconnectTransport {
  return new ReconnectTransport(connect, options)
}

/** The pause before the second restart within a minute, in ms. It doubles with each, up to the maximum. */
const firstPause = 100
const maxPause = 30_000

export class ReconnectTransport extends OuterTransport {
  readonly #connect: () => Duplex
  readonly #restarts: number
  readonly #remote: boolean
  readonly #failsAtStart: boolean
  readonly #connectTimeout: number
  readonly #log: Log
  #sessionState: SessionState
  /** The client's requests that have no response yet. */
  readonly #clientRequests = new PendingRequests()
  /** The requests of the current server that have no response yet. */
  readonly #serverRequests = new PendingRequests()
  /** Ids of requests from closed servers. The client's responses to them are dropped. */
  readonly #staleRequests = new Set<Id>()
  /**
   * The frames that no server has taken yet, oldest first. While there is no server, the writer waits
   * after one frame, so the queue does not grow.
   */
  #queue: Frame[] = []
  /** The callback of the client's last write. It is set while the server has no room for more. */
  #writeCallback: Callback | undefined
  /** Whether a server has answered a request. If not, a server that closes is not restarted. */
  #hasAnswered = false
  /** Why the first server failed. It is kept until the client sends a frame, or ends. */
  #startError: ProxyError | undefined
  /** The server whose session is being restored. */
  #nextServer: Duplex | undefined
  readonly #restartCount = new RestartCount()
  /** How many servers at the URL have closed since one answered a request of the client. */
  #failures = 0
  /** Why the remote server cannot be used now. */
  #away: ProxyError | undefined
  #timer: NodeJS.Timeout | undefined
  /** Whether the client has ended and has the responses to all its requests. */
  #ended = false
  /** The pending requests that end only when the client cancels them: they bring notifications. */
  readonly #listens = new Set<Id>()
  /** Set by `expire`: each request gets this error. */
  #expired: ProxyError | undefined

  constructor(connect: () => Duplex, options: ReconnectOptions) {
    super(options.signal)
    this.#connect = connect
    this.#restarts = (options.restarts ?? limits.restarts) || Infinity
    this.#remote = options.remote ?? false
    this.#failsAtStart = options.failsAtStart ?? !this.#remote
    this.#connectTimeout = options.connectTimeout ?? limits.connectTimeout
    this.#log = options.log ?? silent
    this.#sessionState = new SessionState(this.#log)
    this.attach(connect())
  }

  /** Answers all requests, pending and later ones, with an error, and destroys the server. */
  expire(error: ProxyError): void {
    this.#expired = error
    clearTimeout(this.#timer)
    this.#failRequests(error)
    this.#releaseWriter()
    this.inner?.destroy()
    this.#nextServer?.destroy()
  }

  override _write(frame: Frame, _encoding: BufferEncoding, callback: Callback): void {
    if (this.#expired !== undefined) {
      if (frame.kind === 'request') this.pass(errorFrame(frame.id, this.#expired))
      return callback()
    }
    this.#clientRequests.sent(frame)
    if (frame.method === methods.listen && frame.id !== undefined) this.#listens.add(frame.id)
    if (this.#isStale(frame)) return callback()
    if (this.#away !== undefined) {
      this.#failFrame(frame, this.#away)
      return callback()
    }
    this.#queue.push(frame)
    this.#writeCallback = callback
    if (this.#send(frame)) this.#releaseWriter()
    this.#failIfNotStarted()
  }

  override _final(callback: Callback): void {
    this.#cancelListens()
    this.#clientRequests.whenSettled(() => {
      this.#ended = true
      if (this.inner !== undefined) {
        // `end` does not call back on a stream that is destroyed.
        if (this.#expired === undefined) this.inner.end(() => callback())
        else this.inner.once('close', () => callback())
        return
      }
      // The server has closed. A new server would have nothing to do, so none is started.
      clearTimeout(this.#timer)
      this.#nextServer?.destroy()
      if (this.#hasAnswered || this.#expired !== undefined) this.push(null)
      else if (this.#away !== undefined) failAfterReading(this, this.#away)
      else this.#failIfNotStarted()
      callback()
    })
  }

  override _destroy(error: Error | null, callback: DestroyCallback): void {
    clearTimeout(this.#timer)
    this.#releaseWriter(error ?? new ProxyError('ERR_CLOSED', 'the transport was destroyed'))
    this.inner ??= this.#nextServer
    super._destroy(error, callback)
  }

  protected override innerOnFrame(frame: Frame): void {
    if (this.#clientRequests.answered(frame)) {
      this.#failures = 0
      const isFirst = !this.#hasAnswered
      this.#hasAnswered = true
      if (isFirst) this.emit('ready')
    }
    this.#serverRequests.sent(frame)
    this.pass(frame)
  }

  protected override innerOnClose(error: Error | undefined): void {
    const cause = toProxyError(error)
    for (const requestId of this.#serverRequests.take()) {
      this.#staleRequests.add(requestId)
      this.pass(cancellation(requestId, 'the server that sent this request is gone'))
    }
    if (this.#ended) {
      this.push(null)
      return
    }
    if (this.#expired !== undefined) return // _final ends the transport
    const undelivered = cause instanceof ServerGoneError ? cause.undelivered : []
    // This drops the client's responses, because they answer requests of the closed server.
    this.#queue = [...undelivered, ...this.#queue].filter(({ kind }) => kind !== 'response')
    if (!this.#hasAnswered && this.#failsAtStart) {
      this.#startError = cause
      if (this.#clientRequests.size > 0) this.#failIfNotStarted()
      return
    }
    if (this.#remote) {
      this.#remoteOnClose(cause)
      return
    }
    this.#failTaken(cause)
    if (!this.#ended) this.#restartLater(cause)
  }

  #remoteOnClose(cause: ProxyError): void {
    // The first attempt may succeed at once: a session that the server has forgotten is opened again.
    const isAway = ++this.#failures > 1 || !this.#hasAnswered
    if (isAway) {
      this.#away = cause
      // The client gets the error of its `initialize`, and sends another one if it wants to.
      if (!this.#hasAnswered) this.#sessionState = new SessionState(this.#log)
      for (const frame of this.#queue.splice(0)) this.#failFrame(frame, cause)
    }
    this.#failTaken(cause)
    if (isAway) this.#releaseWriter()
    if (this.#ended) return
    // Before the first answer there is no session that could be opened again at once.
    this.#restartAfter(this.#hasAnswered ? this.#failures : this.#failures + 1, cause)
  }

  /** Handles a frame while the remote server is away. Only what restores the session is kept. */
  #failFrame(frame: Frame, cause: ProxyError): void {
    if (frame.kind === 'notification' && this.#hasAnswered) this.#sessionState.note(frame)
    if (frame.kind === 'request') this.#failRequests(cause, (id) => id === frame.id)
  }

  /** Fails the requests that a server has taken. */
  #failTaken(cause: ProxyError): void {
    const requests = this.#queue.filter(({ kind }) => kind === 'request')
    const queued = new Set(requests.map(({ id }) => id))
    this.#failRequests(cause, (id) => !queued.has(id))
  }

  #failRequests(cause: ProxyError, which: (id: Id) => boolean = () => true): void {
    for (const id of this.#clientRequests.ids.filter(which)) {
      // `pass` comes first, because `forget` of the last id lets `_final` end the transport.
      this.pass(errorFrame(id, cause))
      this.#clientRequests.forget(id)
    }
  }

  /** When the client has ended, nothing reads the notifications that they bring. */
  #cancelListens(): void {
    for (const id of this.#clientRequests.ids.filter((id) => this.#listens.has(id))) {
      const frame = cancellation(id, 'the client disconnected')
      this.#queue.push(frame)
      this.#send(frame)
      this.#clientRequests.forget(id)
    }
  }

  #failIfNotStarted(): void {
    const error = this.#startError
    this.#startError = undefined
    if (error !== undefined) this.#giveUp(error)
  }

  #giveUp(cause: ProxyError, error = cause): void {
    this.#failRequests(cause)
    failAfterReading(this, error)
  }

  #isStale({ kind, id }: Frame): boolean {
    if (kind !== 'response' || this.#serverRequests.has(id as Id)) return false
    return this.#staleRequests.delete(id as Id)
  }

  /** Writes a frame to the server, if one runs. Returns whether the server has room for more. */
  #send(frame: Frame): boolean {
    if (this.inner === undefined) return false
    this.#sessionState.note(frame)
    return this.inner.write(frame, this.#innerOnTaken)
  }

  // This is called for each frame, in the order of the writes. After an error the server did not
  // get the frame, so the frame stays in the queue for the next server.
  readonly #innerOnTaken = (error?: Error | null): void => {
    if (error) return
    this.#serverRequests.answered(this.#queue.shift() as Frame)
    if (this.inner?.writableNeedDrain === false) this.#releaseWriter()
  }

  #releaseWriter(error?: Error): void {
    const callback = this.#writeCallback
    this.#writeCallback = undefined
    callback?.(error)
  }

  #restartLater(cause: ProxyError): void {
    const count = this.#restartCount.add()
    if (count > this.#restarts) {
      const message = `given up after ${this.#restarts} restarts in a minute (see --restarts)`
      return this.#giveUp(cause, new ProxyError(cause.code, message, { cause }))
    }
    this.#restartAfter(count, cause)
  }

  /** Starts the next server. The pause before it grows with `count`. */
  #restartAfter(count: number, cause: ProxyError): void {
    const pause = count === 1 ? 0 : Math.min(firstPause * 2 ** (count - 2), maxPause)
    this.#timer = setTimeout(() => {
      this.#log.warn(`${this.#remote ? 'connecting' : 'starting'} again: ${describe(cause)}`)
      void this.#restart()
    }, pause)
  }

  async #restart(): Promise<void> {
    const server = this.#connect()
    this.#nextServer = server
    // A frame of the session state may still be in the queue. It is sent from there, and not twice.
    const isQueued = ({ id, method }: Frame): boolean =>
      this.#queue.some((frame) => frame.id === id && frame.method === method)
    const frames = this.#sessionState.frames.filter((frame) => !isQueued(frame))
    const outcome = await sendInOrder(server, frames, {
      timeout: this.#connectTimeout,
      // A transport to a URL allows this time of silence, and a server that is slow may send heartbeats.
      initializeTimeout: this.#remote ? 0 : this.#connectTimeout,
      onFrame: (frame) => this.innerOnFrame(frame)
    }).catch((error: ProxyError) => error)
    this.#nextServer = undefined
    if (this.destroyed || this.#ended) return
    if (outcome instanceof Error) {
      server.destroy()
      this.innerOnClose(outcome)
      return
    }
    this.#away = undefined
    this.attach(server)
    // This lets the client write its next frames. It comes last, so that the queued frames go first.
    let hasRoom = true
    for (const frame of this.#queue) hasRoom = this.#send(frame)
    if (hasRoom) this.#releaseWriter()
  }
}

function toProxyError(error: Error | undefined): ProxyError {
  if (error instanceof ProxyError) return error
  return new ProxyError('ERR_CONNECTION', 'the connection to the server ended', { cause: error })
}
