// A transport that stays open when its server closes. It then starts a new server and sends it the
// messages that restore the session. It also does this for a remote server that forgot the session.
//
// Each frame from the client waits in a queue until a server has taken it. When a server closes,
// the requests that it had taken get an error. They are never sent twice, because the server may
// have acted on them. The frames that are still in the queue go to the next server.
//
// A process that dies too often is not started again. For a remote server there is no such limit:
// the transport connects again for as long as the client is connected. The pauses between the
// attempts double up to 30 s. After the first failed attempt, each request gets an error at once,
// until an attempt succeeds.

import type { Duplex } from 'node:stream'
import { SessionState } from '../conversation/session-state.ts'
import { describe, ProxyError } from '../errors.ts'
import { limits } from '../limits.ts'
import type { Frame } from '../message/frame.ts'
import { PendingRequests } from '../message/pending-requests.ts'
import { errorFrame } from '../message/refusal.ts'
import type { Id } from '../protocol/json-rpc.ts'
import { methods } from '../protocol/methods.ts'
import type { Callback, DestroyCallback } from '../streams/callbacks.ts'
import { failAfterReading } from '../streams/fail-after-reading.ts'
import { ServerGoneError } from '../streams/server-gone-error.ts'
import { cancellation } from './cancellation.ts'
import { connectAgain } from './connect-again.ts'
import { OpeningTransport } from './opening-transport.ts'
import type { ReconnectOptions } from './reconnect-options.ts'
import { pauseBefore, RestartCount } from './restart-count.ts'

export type { ReconnectOptions }

/**
 * Returns a transport that uses the servers that `connect` makes, one server at a time.
 *
 * It emits `ready` at the first response of a server. If no server ever sent a response, or after
 * too many restarts within a minute, it fails with the error of the last server. With `remote` it
 * fails only when the client ends and no server ever sent a response.
 *
 * @param connect makes the transport to a server: `() => connectChild({ command })`
 */
export function reconnect(
  connect: () => Duplex,
  options: ReconnectOptions = {}
): ReconnectTransport {
  return new ReconnectTransport(connect, options)
}

/**
 * A request may be sent again up to this size, in bytes. A larger one is not kept, because a call may
 * take hours.
 */
const maxRepeated = 64 * 1024

export class ReconnectTransport extends OpeningTransport {
  readonly #connect: () => Duplex
  readonly #restarts: number
  readonly #remote: boolean
  readonly #failsAtStart: boolean
  readonly #connectTimeout: number
  #sessionState: SessionState
  /** The client's requests that have no response yet. */
  readonly #clientRequests: PendingRequests
  /** The requests of the current server that have no response yet. */
  readonly #serverRequests = new PendingRequests()
  /** Ids of requests from closed servers. The client's responses to them are dropped. */
  readonly #staleRequests = new Set<Id>()
  /** The callback of the client's last write. It is set while the server has no room for more. */
  #writeCallback: Callback | undefined
  /** Whether a server has sent a response. */
  #hasAnswered = false
  /** The error of the first server. It is kept until the client sends a frame, or ends. */
  #startError: ProxyError | undefined
  readonly #restartCount = new RestartCount()
  /** How many remote servers have closed since the last response. */
  #failures = 0
  /** Set while the remote server cannot be reached. Each request gets this error. */
  #away: ProxyError | undefined
  /** The last reason why a remote server could not be reached. */
  #unreached: ProxyError | undefined
  #timer: NodeJS.Timeout | undefined
  /** Whether the client has ended and has the responses to all its requests. */
  #ended = false
  /** The pending requests that open a subscription. They end only when the client cancels them. */
  readonly #listens = new Set<Id>()
  /** Set by `expire`. Each request gets this error. */
  #expired: ProxyError | undefined

  constructor(connect: () => Duplex, options: ReconnectOptions) {
    super(options)
    this.#clientRequests = new PendingRequests(options.translator?.hasTurned && maxRepeated)
    this.#connect = connect
    this.#restarts = (options.restarts ?? limits.restarts) || Infinity
    this.#remote = options.remote ?? false
    this.#failsAtStart = options.failsAtStart ?? !this.#remote
    this.#connectTimeout = options.connectTimeout ?? limits.connectTimeout
    this.#sessionState = new SessionState(this.log)
    this.attach(connect())
  }

  /** Destroys the server. All requests, pending and later ones, get the error. */
  expire(error: ProxyError): void {
    this.#expired = error
    clearTimeout(this.#timer)
    this.#failRequests(error)
    this.releaseWriter()
    this.inner?.destroy()
    this.nextServer?.destroy()
  }

  protected override send(frame: Frame, callback: Callback): void {
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
    this.queue.push(frame)
    if (this.opening?.sent(frame) === true) this.ask(this.opening)
    this.#writeCallback = callback
    if (this.sendNow(frame)) this.releaseWriter()
    this.#failIfNotStarted()
  }

  override _final(callback: Callback): void {
    this.#cancelListens()
    this.#clientRequests.whenSettled(() => {
      this.#ended = true
      const neverReached = this.#hasAnswered || this.#expired ? undefined : this.#unreached
      if (this.inner !== undefined && neverReached === undefined) {
        // `expire` has destroyed the server, and a destroyed stream does not call back after `end`.
        if (this.#expired === undefined) this.inner.end(() => callback())
        else this.inner.once('close', () => callback())
        return
      }
      clearTimeout(this.#timer)
      this.nextServer?.destroy()
      // A pipeline waits for the error, because the callback is not called.
      if (neverReached) return failAfterReading(this, neverReached)
      if (this.#hasAnswered || this.#expired) this.push(null)
      else this.#failIfNotStarted()
      callback()
    })
  }

  override _destroy(error: Error | null, callback: DestroyCallback): void {
    clearTimeout(this.#timer)
    this.releaseWriter(error ?? new ProxyError('ERR_CLOSED', 'the transport was destroyed'))
    this.inner ??= this.nextServer
    super._destroy(error, callback)
  }

  protected override failToReader(response: Frame): void {
    super.failToReader(response)
    this.#clientRequests.forget(response.id as Id)
    // The failed request may be in the queue without a write to the server.
    this.queue = this.queue.filter(({ id, kind }) => kind !== 'request' || id !== response.id)
  }

  protected override innerOnFrame(frame: Frame): void {
    const opens = this.opening?.isResponse(frame) === true
    if (opens && this.openingOnResponse(frame)) return
    if (frame.errorCode !== undefined) {
      const request = this.#clientRequests.get(frame.id as Id)
      if (request !== undefined && this.examine(request, frame)) return this.#serverOnAnswer()
    }
    if (this.#clientRequests.answered(frame)) {
      this.#listens.delete(frame.id as Id)
      this.#serverOnAnswer()
    }
    this.#serverRequests.sent(frame)
    this.pass(frame)
    if (opens) this.endOpening()
  }

  #serverOnAnswer(): void {
    this.#failures = 0
    if (this.#hasAnswered) return
    this.#hasAnswered = true
    this.emit('ready')
  }

  protected override isPending({ id }: Frame): boolean {
    return this.#clientRequests.has(id as Id)
  }

  protected override innerOnClose(error: Error | undefined): void {
    const cause = toProxyError(error)
    if (this.opening?.request !== undefined && this.openingOnFailed(cause)) return
    for (const requestId of this.#serverRequests.take()) {
      this.#staleRequests.add(requestId)
      this.pass(cancellation(requestId, 'the server that sent this request is gone'))
    }
    if (this.#ended) {
      this.push(null)
      return
    }
    if (this.#expired !== undefined) return // in this case `_final` ends the transport
    const undelivered = cause instanceof ServerGoneError ? cause.undelivered : []
    // This drops the client's responses, because they answer requests of the closed server.
    this.queue = [...undelivered, ...this.queue].filter(({ kind }) => kind !== 'response')
    if (!this.#hasAnswered && this.#failsAtStart) {
      this.#startError = cause
      if (this.#clientRequests.size > 0) this.#failIfNotStarted()
      return
    }
    if (this.#remote) return this.#remoteOnClose(cause)
    this.#failTaken(cause)
    if (!this.#ended) this.#restartLater(cause)
  }

  #remoteOnClose(cause: ProxyError): void {
    // After the first failure the server may be well, and may only have forgotten the session.
    const isAway = ++this.#failures > 1 || !this.#hasAnswered
    if (isAway) {
      this.#away = cause
      // The `initialize` of the client gets the error. The client may send another `initialize`.
      this.#unreached = cause
      if (!this.#hasAnswered) this.#sessionState = new SessionState(this.log)
      for (const frame of this.queue.splice(0)) this.#failFrame(frame, cause)
    }
    this.#failTaken(cause)
    if (isAway) this.releaseWriter()
    if (this.#ended) return
    // A pause comes even before the first attempt if there is no session to restore.
    this.#restartAfter(this.#hasAnswered ? this.#failures : this.#failures + 1, cause)
  }

  /** Handles a frame while the remote server cannot be reached. A request gets the error. */
  #failFrame(frame: Frame, cause: ProxyError): void {
    if (frame.kind === 'notification' && this.#hasAnswered) this.#sessionState.note(frame)
    if (frame.kind === 'request') this.#failRequests(cause, (id) => id === frame.id)
  }

  /** Fails the requests that a server has taken. */
  #failTaken(cause: ProxyError): void {
    const queued = new Set(this.queue.map(({ kind, id }) => (kind === 'request' ? id : undefined)))
    this.#failRequests(cause, (id) => !queued.has(id))
  }

  #failRequests(cause: ProxyError, which: (id: Id) => boolean = () => true): void {
    for (const id of this.#clientRequests.ids.filter(which)) {
      // `pass` comes first, because `forget` of the last id lets `_final` end the transport.
      this.pass(errorFrame(id, cause))
      this.#clientRequests.forget(id)
      if (id === this.opening?.request?.id) this.opening.end()
    }
  }

  /** Cancels the subscriptions, because a client that has ended does not need notifications. */
  #cancelListens(): void {
    for (const id of this.#clientRequests.ids.filter((id) => this.#listens.has(id))) {
      const frame = cancellation(id, 'the client disconnected')
      this.queue.push(frame)
      this.sendNow(frame)
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
  protected override sendNow(frame: Frame): boolean {
    if (this.inner === undefined || this.opening?.holds(frame) === true) return false
    this.#sessionState.note(frame)
    return this.inner.write(frame, this.#innerOnTaken)
  }

  // This is called for each frame, in the order of the writes. After an error the server did not
  // get the frame, so the frame stays in the queue for the next server.
  readonly #innerOnTaken = (error?: Error | null): void => {
    if (error) return
    const frame = this.queue.shift()
    if (frame !== undefined) this.#serverRequests.answered(frame)
    if (this.inner?.writableNeedDrain === false) this.releaseWriter()
  }

  protected override releaseWriter(error?: Error): void {
    const callback = this.#writeCallback
    this.#writeCallback = undefined
    callback?.(error)
  }

  #restartLater(cause: ProxyError): void {
    const count = this.#restartCount.add()
    if (count > this.#restarts) {
      const text = `given up after ${this.#restarts} restarts in a minute (see --restarts)`
      return this.#giveUp(cause, new ProxyError(cause.code, text, { cause, publicMessage: text }))
    }
    this.#restartAfter(count, cause)
  }

  /** Starts the next server. The pause before it grows with `count`. */
  #restartAfter(count: number, cause: ProxyError): void {
    this.#timer = setTimeout(() => {
      this.log.warn(`${this.#remote ? 'connecting' : 'starting'} again: ${describe(cause)}`)
      this.#restart().catch((cause: unknown) => this.fault(cause))
    }, pauseBefore(count))
  }

  async #restart(): Promise<void> {
    // A frame of the session state may still be in the queue. It is sent from there, and not twice.
    const isQueued = ({ id, method }: Frame): boolean =>
      this.queue.some((frame) => frame.id === id && frame.method === method)
    const outcome = await connectAgain({
      connect: this.#connect,
      translator: this.translator,
      state: this.#sessionState,
      isQueued,
      onServer: (server) => {
        this.nextServer = server
        if (this.destroyed || this.#ended) server.destroy()
      },
      timeout: this.#connectTimeout,
      // For a remote server the transport limits the time: each heartbeat starts it again.
      initializeTimeout: this.#remote ? 0 : this.#connectTimeout,
      onFrame: (frame) => this.innerOnFrame(frame)
    })
    this.nextServer = undefined
    if (this.destroyed || this.#ended) return
    if (outcome instanceof Error) return this.innerOnClose(outcome)
    this.#away = undefined
    this.attach(outcome)
    this.sendAll(this.queue)
  }
}

function toProxyError(error: Error | undefined): ProxyError {
  if (error instanceof ProxyError) return error
  return new ProxyError('ERR_CONNECTION', 'the connection to the server ended', { cause: error })
}
