// One connection to the legacy server, opened with the capabilities of a client. While the server
// may send what names no call (questions, log messages), a connection is leased to one call at a
// time. Otherwise it carries many calls at once.

import type { Duplex } from 'node:stream'
import { ask } from '../../conversation/ask-server.ts'
import { LegacySession } from '../../conversation/legacy-session.ts'
import { ProxyError } from '../../errors.ts'
import { valueText } from '../../json/find-value.ts'
import { limits } from '../../limits.ts'
import type { Log } from '../../log.ts'
import { makeFrame } from '../../message/frame.ts'
import type { Frame } from '../../message/frame.ts'
import { errorFrame } from '../../message/refusal.ts'
import { answerTo } from '../../message/response-to.ts'
import { jsonRpcVersion } from '../../protocol/json-rpc.ts'
import { logLevels } from '../../protocol/log-levels.ts'
import { methods } from '../../protocol/methods.ts'
import { paths } from '../../protocol/paths.ts'
import { sendResponse } from '../../streams/send-response.ts'
import { share } from '../../wrappers/share.ts'
import type { SharedServer } from '../../wrappers/share.ts'
import { discoverResponse, missingCapability, resultFrame } from './modern-response.ts'
import { neededBy } from './questions.ts'
import type { ClientCapabilities } from './questions.ts'
import { ResourceSubscriptions } from './resource-subscriptions.ts'

/** What distinguishes the clients that may use one connection. */
export interface Identity {
  capabilities: ClientCapabilities
  /** The capabilities, as JSON text. */
  capabilitiesText: string
  /** The name and version of the client, as JSON text. */
  clientInfo: string | undefined
}

/** A call that may carry the server's questions to the client. */
export interface Answerer {
  /** Whether the client has an input request, and nothing may reach it until it calls again. */
  readonly heldSince: number | undefined
  ask(question: Frame): void
  /** The server takes back a question. `idText` is its id, as JSON text. */
  withdraw(idText: string): void
  /** Ends the call with an error. */
  fail(response: Frame): void
  /** Cancels the call. */
  cancel(): void
}

export interface ConnectionOptions {
  /** How long the server may take for each response at the start, in ms (default 30 000; 0: no limit). */
  connectTimeout?: number | undefined
  /** How long a connection may take to end, in ms (default 3000; 0: no limit). */
  closeTimeout?: number | undefined
  log?: Log | undefined
}

/** How a client uses a connection: with others, alone, or only to listen. */
export type Mode = 'shared' | 'exclusive' | 'watch'

export class Connection {
  readonly server: SharedServer
  readonly #identity: Identity
  readonly #timeout: number
  readonly #closeTimeout: number
  #raw: Duplex | undefined
  readonly #session: LegacySession
  /** How many requests use the connection. */
  #users = 0
  /** Whether one request has the connection for itself. */
  #leased = false
  /** How many subscriptions use the connection. */
  #watchers = 0
  #level = -1
  /** The calls in flight that may ask their client. */
  readonly answerers = new Set<Answerer>()
  readonly subscriptions: ResourceSubscriptions
  /** Whether subscriptions move to another connection when this one closes. */
  movesListens = false
  /** Ends the connection after a time without a request. */
  idleTimer: NodeJS.Timeout | undefined

  constructor(connect: () => Duplex, identity: Identity, options: ConnectionOptions) {
    this.#identity = identity
    this.#closeTimeout = options.closeTimeout ?? limits.closeTimeout
    this.#timeout = options.connectTimeout ?? limits.connectTimeout
    this.#session = new LegacySession(identity.capabilitiesText, identity.clientInfo)
    this.server = share(() => (this.#raw = connect()), {
      maxQueue: 0, // each frame goes on at once, to a port with a limit
      log: options.log,
      intercept: (frame) => this.#intercept(frame),
      prepare: (server) => this.#open(server)
    })
    const { subscribers } = this.#session
    this.subscriptions = new ResourceSubscriptions(this.server, subscribers, this.#timeout)
  }

  get isReady(): boolean {
    return this.server.isReady
  }

  /** Opens the connection. Resolves when the server has answered `initialize`. */
  async ready(): Promise<void> {
    await this.server.ready()
  }

  /** Calls back when the server has closed. Call this after `ready`. */
  onClose(callback: () => void): void {
    this.#raw?.once('close', callback)
  }

  async #open(server: Duplex): Promise<void> {
    await this.#session.open(server, this.#timeout)
    if (this.#session.isValid) return
    throw new ProxyError('ERR_SERVER_START', 'the server sent an invalid response to initialize')
  }

  get serverInfo(): string | undefined {
    return this.#session.serverInfo
  }

  get discoverResponse(): Frame {
    return discoverResponse(this.#session.initializeResponse, this.serverInfo)
  }

  offers(...path: string[]): boolean {
    return this.#session.offers(...path)
  }

  /** The time since which the call on this connection waits for its client. */
  get heldSince(): number | undefined {
    for (const { heldSince } of this.answerers) return heldSince
    return undefined
  }

  get isIdle(): boolean {
    return this.#users === 0 && this.#watchers === 0
  }

  takes(mode: Mode): boolean {
    if (mode === 'watch') return true
    return mode === 'exclusive' ? this.#users === 0 : !this.#leased
  }

  claim(mode: Mode): void {
    if (mode === 'watch') this.#watchers++
    else this.#users++
    this.#leased ||= mode === 'exclusive'
  }

  unclaim(mode: Mode): void {
    if (mode === 'watch') this.#watchers--
    else this.#users--
    if (mode === 'exclusive') this.#leased = false
  }

  /**
   * Resolves when the server has the log level. Undefined if it has. A call waits for it, because its
   * log messages may overtake the level over HTTP.
   */
  levelSet: Promise<void> | undefined

  /** Sets the lowest level of the server's log messages, as an index of `logLevels`. */
  setLevel(level: number): void {
    if (level === this.#level || !this.offers('logging')) return
    this.#level = level
    const params = { level: logLevels[level] }
    const request = makeFrame({
      jsonrpc: jsonRpcVersion,
      id: 'level',
      method: methods.setLevel,
      params
    })
    const port = this.server.port()
    const setting = ask(port, request, { timeout: this.#timeout }).then(ignore, ignore)
    const levelSet = setting.then(() => {
      port.destroy()
      if (this.levelSet === levelSet) this.levelSet = undefined
    })
    this.levelSet = levelSet
  }

  /** Sends the client's result as the response to a question of the server. */
  answer(question: Frame, result: string): void {
    this.#raw?.write(answerTo(question, resultFrame(result)))
  }

  /** Whether the client supports what a question needs. */
  mayAsk(needed: Record<string, unknown>): boolean {
    return this.#identity.capabilities.has(needed)
  }

  /** Answers a question of the server with an error. */
  refuse(question: Frame, error: ProxyError): void {
    if (this.#raw !== undefined) sendResponse(this.#raw, answerTo(question, errorFrame(0, error)))
  }

  /** Whether no request but subscriptions uses the connection. */
  get isOnlyWatched(): boolean {
    return this.#users === 0
  }

  /** Ends the connection when the server has all messages. */
  end(): void {
    const raw = this.#raw as Duplex
    raw.end()
    if (this.#closeTimeout === 0) return
    const timer = setTimeout(() => raw.destroy(), this.#closeTimeout)
    raw.once('close', () => clearTimeout(timer))
  }

  #intercept(frame: Frame): boolean {
    if (frame.kind === 'request' && frame.method !== methods.ping) {
      this.#onQuestion(frame)
      return true
    }
    if (frame.method !== methods.cancelled) return false
    const id = valueText(frame.bytes, paths.cancelledId)
    if (id !== undefined) for (const call of this.answerers) call.withdraw(id)
    return true
  }

  #onQuestion(question: Frame): void {
    const method = question.method as string
    const needed = neededBy(question)
    if (needed === undefined) {
      const error = new ProxyError('ERR_METHOD_NOT_FOUND', `the client has no method ${method}`)
      return this.refuse(question, error)
    }
    const [call] = this.answerers
    if (call === undefined || this.answerers.size > 1) {
      const text = `the proxy cannot ask the client: only one request to ${askers} at a time can carry ${method}`
      return this.refuse(question, new ProxyError('ERR_REQUEST', text))
    }
    if (this.#identity.capabilities.has(needed)) return call.ask(question)
    const text = `the client does not support this kind of ${method}`
    this.refuse(question, new ProxyError('ERR_METHOD_NOT_FOUND', text))
    call.fail(missingCapability(method, needed))
  }
}

const askers = `${methods.callTool}, ${methods.getPrompt} or ${methods.readResource}`

const ignore = (): void => {}
