// A modern server (2026-07-28) as legacy clients see it.
//
// The transport answers itself what the modern revision does not have: `initialize`, `ping`, the log
// level and subscriptions. Each other request goes to the server with what the client said in
// `initialize` (see as-legacy/modern-request.ts). If the server asks for input, the client gets the
// questions as requests (see as-legacy/call.ts). Responses lose what legacy revisions do not have
// (see as-legacy/legacy-response.ts).

import type { Duplex } from 'node:stream'
import { proxyInfo } from '../conversation/ask-server.ts'
import { uriOf } from '../conversation/session-state.ts'
import { describe, internalError, ProxyError } from '../errors.ts'
import { editObject } from '../json/edit-object.ts'
import { findValue, scalarAt, stringAt, valueText } from '../json/find-value.ts'
import { isObject } from '../json/is-object.ts'
import type { Span } from '../json/find-value.ts'
import { limits } from '../limits.ts'
import type { Log } from '../log.ts'
import { makeFrame } from '../message/frame.ts'
import type { Frame } from '../message/frame.ts'
import { errorFrame } from '../message/refusal.ts'
import { answerTo, idText } from '../message/response-to.ts'
import { jsonRpcVersion } from '../protocol/json-rpc.ts'
import { logLevels } from '../protocol/log-levels.ts'
import { metaKeys } from '../protocol/meta-keys.ts'
import { methods } from '../protocol/methods.ts'
import { paths } from '../protocol/paths.ts'
import { isLegacyVersion, latestLegacy } from '../protocol/revisions.ts'
import type { LegacyVersion } from '../protocol/revisions.ts'
import type { Callback, DestroyCallback } from '../streams/callbacks.ts'
import { failAfterReading } from '../streams/fail-after-reading.ts'
import { OuterTransport } from '../streams/outer-transport.ts'
import { Slots } from '../streams/slots.ts'
import { cancellation } from '../wrappers/cancellation.ts'
import { Call } from './as-legacy/call.ts'
import type { CallOwner, Waiting } from './as-legacy/call.ts'
import { withoutModernMembers } from './as-legacy/legacy-response.ts'
import { modernRequest } from './as-legacy/modern-request.ts'
import type { ClientText } from './as-legacy/modern-request.ts'
import { listChangesIn, Subscription } from './as-legacy/subscription.ts'
import type { ListChanges, SubscriptionOwner } from './as-legacy/subscription.ts'

export interface AsLegacyOptions {
  /** How often the server may ask for input during one request (default 64; 0: no limit). */
  maxRounds?: number | undefined
  /**
   * How many bytes of requests the proxy keeps, to send them again with the client's answers (default
   * 16 MiB; 0: no limit). The server cannot ask for input during other requests.
   */
  maxQueue?: number | undefined
  /** How long the server may take to answer `server/discover`, in ms (default 30 000; 0: no limit). */
  connectTimeout?: number | undefined
  /** An abort of this signal destroys the transport. */
  signal?: AbortSignal | undefined
  /** Where the proxy logs. Default: nothing is logged. */
  log?: Log | undefined
}

/**
 * Returns the transport of a modern server as legacy clients see it.
 *
 * @param server the transport to the server. This transport owns it
 */
export function asLegacy(server: Duplex, options: AsLegacyOptions = {}): Duplex {
  return new AsLegacyTransport(server, options)
}

class AsLegacyTransport extends OuterTransport implements CallOwner, SubscriptionOwner {
  readonly maxRounds: number
  readonly maxQueue: number
  readonly connectTimeout: number
  keptSize = 0
  client: ClientText = { info: JSON.stringify(proxyInfo), capabilities: '{}' }
  capabilities: Record<string, unknown> = {}
  version: LegacyVersion = latestLegacy
  clientEnded = false
  /** The requests at the server, by the id that the server got. */
  readonly #atServer = new Slots<Waiting>()
  /** The questions at the client, by the id that the client got. */
  readonly #atClient = new Slots<Waiting>()
  /** The client's requests that have no response yet, by their ids as JSON text. */
  readonly #calls = new Map<string, Call>()
  readonly #subscription = new Subscription(this)
  /** The lists whose changes the server reports. They are set by `initialize`. */
  #lists: ListChanges = {}
  /** One for each `initialize` without a response. A client may send several. */
  readonly #timers = new Set<NodeJS.Timeout | undefined>()
  #whenSettled: (() => void) | undefined
  /** The callback of the client's last frame, while the server has no room for more. */
  #held: Callback | undefined

  constructor(server: Duplex, options: AsLegacyOptions) {
    super({ signal: options.signal, log: options.log })
    this.maxRounds = (options.maxRounds ?? limits.maxRounds) || Infinity
    this.maxQueue = (options.maxQueue ?? limits.maxQueue) || Infinity
    this.connectTimeout = options.connectTimeout ?? limits.connectTimeout
    this.attach(server)
  }

  toServer(waiting: Waiting, make: (id: number) => Frame): number {
    const id = this.#atServer.add(waiting)
    this.inner?.write(make(id))
    return id
  }

  cancelAtServer(id: number): void {
    if (this.#atServer.delete(id) === undefined) return
    this.inner?.write(cancellation(id, 'the client has cancelled the request'))
  }

  askClient(waiting: Waiting, make: (id: number) => Frame): number {
    const id = this.#atClient.add(waiting)
    this.pass(make(id))
    return id
  }

  forgetQuestion(id: number): void {
    this.#atClient.delete(id)
  }

  ownRequest(waiting: Waiting, method: string, params: Record<string, unknown>): number {
    return this.toServer(waiting, (id) => {
      const request = makeFrame({ jsonrpc: jsonRpcVersion, id, method, params })
      // A log message names no request. If two requests ask for log messages, a shared server cannot
      // tell which of them gets it.
      return modernRequest(request, id, { ...this.client, logLevel: undefined })
    })
  }

  callOnEnd(call: Call): void {
    if (this.#calls.get(call.idText) === call) this.#calls.delete(call.idText)
    this.#settle()
  }

  // `pass` is public here, because the calls and the subscription use it.
  override pass(frame: Frame): void {
    super.pass(frame)
  }

  protected override send(frame: Frame, callback: Callback): void {
    // The server has closed, so the client has read the end.
    if (this.inner === undefined) return callback()
    if (frame.kind === 'request') this.#onRequest(frame)
    else if (frame.kind === 'response') this.#onAnswer(frame)
    else this.#onNotification(frame)
    if (this.inner.writableNeedDrain) {
      this.#held = callback
      this.inner.once('drain', this.#release)
    } else callback()
  }

  readonly #release = (): void => {
    const callback = this.#held
    this.#held = undefined
    callback?.()
  }

  override _final(callback: Callback): void {
    this.clientEnded = true
    this.#subscription.stop()
    for (const call of [...this.#calls.values()]) call.clientOnEnd()
    this.#whenSettled = () => {
      if (this.inner === undefined) callback()
      else this.inner.end(() => callback())
    }
    this.#settle()
  }

  override _destroy(error: Error | null, callback: DestroyCallback): void {
    for (const timer of this.#timers) clearTimeout(timer)
    this.#subscription.stop()
    for (const call of this.#calls.values()) call.destroy()
    super._destroy(error, callback)
  }

  protected override innerOnFrame(frame: Frame): void {
    if (frame.kind === 'response') {
      const { id } = frame
      const waiting = typeof id === 'number' ? this.#atServer.delete(id) : undefined
      // The client has cancelled the request.
      if (waiting === undefined) this.log.debug('dropped a response to no pending request')
      else this.#respond(waiting, frame)
    } else if (frame.kind === 'request') {
      const message = 'a server of this revision cannot send requests'
      const error = errorFrame(0, new ProxyError('ERR_METHOD_NOT_FOUND', message))
      this.failToOtherSide(answerTo(frame, error))
    } else if (frame.method === methods.cancelled) {
      this.#subscription.onCancelled(scalarAt(frame.bytes, paths.cancelledId))
    } else if (findValue(frame.bytes, paths.subscription) !== undefined) {
      this.#subscription.onNotification(frame)
    } else {
      this.pass(frame)
    }
  }

  protected override innerOnClose(error: Error | undefined): void {
    const cause = error instanceof ProxyError ? error : closed(error)
    this.#subscription.stop()
    for (const call of [...this.#calls.values()]) call.fail(cause)
    this.#release()
    if (error === undefined) this.push(null)
    else failAfterReading(this, cause)
  }

  #onRequest(frame: Frame): void {
    switch (frame.method) {
      case methods.initialize:
        return this.#initialize(frame)
      case methods.ping:
        return this.pass(answerTo(frame, emptyResponse))
      case methods.setLevel:
        return this.#setLevel(frame)
      case methods.subscribe: {
        const done = (error?: ProxyError): void =>
          this.pass(answerTo(frame, error ? errorFrame(0, error) : emptyResponse))
        return this.#subscription.add(uriOf(frame), done)
      }
      case methods.unsubscribe:
        this.#subscription.delete(uriOf(frame))
        return this.pass(answerTo(frame, emptyResponse))
      default:
        return this.#call(frame)
    }
  }

  #call(frame: Frame): void {
    const text = idText(frame)
    if (this.#calls.has(text)) {
      const error = new ProxyError('ERR_REQUEST', `a request with the id ${text} is in flight`)
      return this.pass(answerTo(frame, errorFrame(0, error)))
    }
    const call = new Call(this, frame)
    this.#calls.set(text, call)
    call.start(frame)
  }

  /** An exception fails the request that waits for the response, and nothing else. */
  #respond(waiting: Waiting, response: Frame): void {
    try {
      waiting.onResponse(response)
    } catch (cause) {
      this.log.error(`a response of the server failed: ${describe(internalError(cause))}`)
      waiting.onResponse(errorFrame(0, internalError()))
    }
  }

  /** The client has answered a question. */
  #onAnswer(frame: Frame): void {
    const { id } = frame
    const waiting = typeof id === 'number' ? this.#atClient.delete(id) : undefined
    if (waiting === undefined) this.log.debug('dropped an answer of the client to no question')
    else this.#respond(waiting, frame)
  }

  #onNotification(frame: Frame): void {
    switch (frame.method) {
      case methods.initialized:
        return this.#subscription.watch(this.#lists)
      case methods.cancelled: {
        const call = this.#calls.get(valueText(frame.bytes, paths.cancelledId) ?? '')
        return call?.cancel()
      }
      // The server asks for the roots when it needs them, and has no request with this token.
      case methods.rootsChanged:
      case methods.progress:
        return undefined
      default:
        this.inner?.write(frame)
    }
  }

  #setLevel(frame: Frame): void {
    const level = stringAt(frame.bytes, paths.level) ?? ''
    if (!logLevels.includes(level)) {
      const error = new ProxyError('ERR_PARAMS', 'there is no such log level')
      return this.pass(answerTo(frame, errorFrame(0, error)))
    }
    this.client = { ...this.client, logLevel: JSON.stringify(level) }
    this.pass(answerTo(frame, emptyResponse))
  }

  #initialize(frame: Frame): void {
    const { params = {} } = frame.message()
    const { protocolVersion, capabilities, clientInfo } = params
    if (isObject(capabilities)) this.capabilities = capabilities
    const textOf = (name: string): string => valueText(frame.bytes, ['params', name]) as string
    this.client = {
      ...this.client,
      ...(isObject(clientInfo) && { info: textOf('clientInfo') }),
      ...(isObject(capabilities) && { capabilities: textOf('capabilities') })
    }
    const isKnown = typeof protocolVersion === 'string' && isLegacyVersion(protocolVersion)
    this.version = isKnown ? protocolVersion : latestLegacy
    let id = 0
    let timer: NodeJS.Timeout | undefined
    const onResponse = (response: Frame): void => {
      clearTimeout(timer)
      this.#timers.delete(timer)
      this.pass(this.#initializeResponse(frame, response))
    }
    const onTimeout = (): void => {
      this.cancelAtServer(id)
      const error = new ProxyError('ERR_TIMEOUT', 'the server took too long to answer')
      onResponse(errorFrame(0, error))
    }
    if (this.connectTimeout > 0)
      this.#timers.add((timer = setTimeout(onTimeout, this.connectTimeout)))
    id = this.ownRequest({ onResponse }, methods.discover, {})
  }

  /** Makes the response to `initialize` of the response to `server/discover`. */
  #initializeResponse(initialize: Frame, response: Frame): Frame {
    const result = findValue(response.bytes, ['result'])
    if (result === undefined) return answerTo(initialize, response)
    this.#lists = listChangesIn(response)
    const { bytes } = response
    const info = valueText(bytes, ['result', '_meta', metaKeys.serverInfo])
    const own = valueText(bytes, ['result', 'serverInfo'])
    const serverInfo = [info, own].find((text) => text?.startsWith('{')) ?? unnamed
    const add = [`"protocolVersion":${JSON.stringify(this.version)}`, `"serverInfo":${serverInfo}`]
    const bare = withoutModernMembers(bytes, result)
    const remove = ['supportedVersions', 'protocolVersion', 'serverInfo']
    const edited = editObject(bare, findValue(bare, ['result']) as Span, { remove, add })
    return answerTo(initialize, response.withBytes(edited))
  }

  #settle(): void {
    if (this.#calls.size > 0) return
    const whenSettled = this.#whenSettled
    this.#whenSettled = undefined
    whenSettled?.()
  }
}

const emptyResponse = makeFrame({ jsonrpc: jsonRpcVersion, id: 0, result: {} })
/** The server info of a server that does not tell its name. Legacy revisions demand one. */
const unnamed = JSON.stringify({ name: 'unknown', version: 'unknown' })

const closed = (cause: Error | undefined): ProxyError =>
  new ProxyError('ERR_CLOSED', 'the server has closed', { cause })
