// A request of a client at the legacy server. The response to `tools/call`, `prompts/get` or
// `resources/read` may ask the client for input:
//
// When the server sends requests, this collects them for a moment and then answers the client with
// an `input_required` result. The request to the server stays open. The client calls again with the
// answers, and this passes them to the server and goes on. The response of the server goes to the
// request with which the client called last. If it comes while no request is open, it waits.

import type { Duplex } from 'node:stream'
import { describe, internalError, ProxyError } from '../../errors.ts'
import { OPEN_BRACE } from '../../json/bytes.ts'
import { findMembers, findValue, stringAt, textAt } from '../../json/find-value.ts'
import type { Log } from '../../log.ts'
import type { Frame } from '../../message/frame.ts'
import { errorFrame } from '../../message/refusal.ts'
import { idText } from '../../message/response-to.ts'
import { errorCodes } from '../../protocol/error-codes.ts'
import { logLevels } from '../../protocol/log-levels.ts'
import { methods } from '../../protocol/methods.ts'
import { paths } from '../../protocol/paths.ts'
import type { Broadcast } from '../../wrappers/broadcast.ts'
import { replaceAt } from '../../wrappers/rewrite-ids.ts'
import type { ClientRequest } from './modern-port.ts'
import type { Answerer, Connection } from './connection.ts'
import type { Held, HeldCalls } from './held-calls.ts'
import { inputRequired, missingCapability, toModernResponse } from './modern-response.ts'
import { inputRequestText, maxQuestions, urlElicitation, urlRequests } from './questions.ts'

/** How long to wait for more requests of the server after one, in ms. */
const gatherTime = 20

export interface CallOptions extends Omit<Held, 'cancel'> {
  /** Whether the response may ask the client for input. */
  isAsker: boolean
  connection: Connection
  held: HeldCalls<Call>
  /** How long the client may take to call again, in ms (0: no limit). */
  inputTimeout: number
  /** The largest total size of the questions that wait, in bytes. */
  maxQueue: number
  log: Log
  /** Called once, when the call is over. `isClean` is false if the server may still work on it. */
  onEnd: (isClean: boolean) => void
}

interface Question {
  /** The request of the server, without its params. Undefined if the server sent an error. */
  request: Frame | undefined
  /** The input request, as JSON text. */
  text: string
}

export class Call implements Answerer, Held {
  readonly groupKey: string
  readonly digest: string
  readonly #options: CallOptions
  readonly #connection: Connection
  /** The request of the client that gets the next response. Undefined while the call is held. */
  #client: ClientRequest | undefined
  #method = ''
  /** The progress token that the server has, as JSON text. */
  #tokenText: string | undefined
  /** The port to the server. Undefined if no request is open at the server. */
  #inner: Duplex | undefined
  /** The questions without an answer. The keys are those of `inputRequests`. */
  readonly #questions = new Map<string, Question>()
  #lastKey = 0
  #questionsSize = 0
  /** The server's response, if it came while the call was held. */
  #response: Frame | undefined
  /** Whether the client must open URLs before the request is sent again. */
  #repeats = false
  #gathering: NodeJS.Timeout | undefined
  #expiry: NodeJS.Timeout | undefined
  #state: string | undefined
  heldSince: number | undefined
  /** Whether the server has nothing more to send for this call. */
  #isClean = true

  constructor(options: CallOptions) {
    this.groupKey = options.groupKey
    this.digest = options.digest
    this.#options = options
    this.#connection = options.connection
    if (options.isAsker) this.#connection.answerers.add(this)
  }

  /** Sends the request to the server. `frame` is the request in its legacy form. */
  start(client: ClientRequest, frame: Frame, callback: () => void): void {
    this.#attach(client)
    this.#method = client.method
    this.#tokenText = client.tokenText
    this.#send(frame, callback)
  }

  /**
   * Continues a held call with the next request of the client.
   *
   * @param request the request as the client sent it
   * @param legacy the same request in its legacy form
   * @throws ProxyError `ERR_PARAMS` if the answers are invalid. The call then stays as it was
   */
  resume(client: ClientRequest, request: Frame, legacy: Frame): void {
    const answers = this.#answersIn(request)
    clearTimeout(this.#expiry)
    this.#options.held.delete(this.#state as string)
    this.heldSince = undefined
    this.#attach(client)
    if (this.#response !== undefined) return this.#finish(this.#response)
    let isDeclined = false
    for (const [key, text] of answers) {
      const { request } = this.#forget(key)
      if (request !== undefined) this.#connection.answer(request, text)
      else isDeclined ||= stringAt(Buffer.from(text), ['action']) !== 'accept'
    }
    if (isDeclined) return this.#finish(errorFrame(0, declined()))
    if (this.#questions.size > 0) this.#gather()
    else if (this.#repeats) {
      this.#repeats = false
      this.#tokenText = client.tokenText
      this.#send(legacy, () => {})
    }
  }

  ask(question: Frame): void {
    const text = inputRequestText(question)
    const isFull = this.#questions.size >= maxQuestions || !this.#fits(text)
    if (isFull) {
      const error = new ProxyError('ERR_REQUEST', 'too many requests wait for the client')
      return this.#connection.refuse(question, error)
    }
    this.#add(question.withBytes(Buffer.from(`{"id":${idText(question)}}`)), text)
  }

  withdraw(id: string): void {
    for (const [key, { request }] of this.#questions) {
      if (request !== undefined && idText(request) === id) this.#forget(key)
    }
    if (this.#questions.size === 0) clearTimeout(this.#gathering)
  }

  fail(response: Frame): void {
    this.#stop()
    if (this.#client === undefined) this.#response = response
    else this.#finish(response)
  }

  /** Cancels the call, because the client has cancelled it or does not call again. */
  cancel(): void {
    this.#stop()
    this.#end()
  }

  /** Ends the work of the server. */
  #stop(): void {
    for (const { request } of this.#questions.values()) {
      if (request !== undefined) this.#connection.refuse(request, cancelled)
    }
    this.#clearQuestions()
    // The server may go on, and send requests that would reach the next call.
    if (this.#inner !== undefined) this.#isClean = false
    this.#closeInner()
  }

  #attach(client: ClientRequest): void {
    this.#client = client
    client.onCancel = () => this.cancel()
    if (client.logLevel !== Infinity) this.#connection.setLevel(client.logLevel)
  }

  #send(frame: Frame, callback: () => void): void {
    const inner = this.#connection.server.port((broadcast) => this.#wants(broadcast))
    this.#inner = inner
    inner.on('data', (frame: Frame) => this.#guard(() => this.#onFrame(frame)))
    inner.on('error', () => {}) // the request has got an error response
    const write = (): void => void inner.write(frame, () => callback())
    const { levelSet } = this.#connection
    if (levelSet === undefined) write()
    else levelSet.then(write, (cause: unknown) => inner.destroy(cause as Error))
  }

  /** An exception fails only this call. */
  #guard(action: () => void): void {
    try {
      action()
    } catch (cause) {
      this.#options.log.error(`a call failed: ${describe(internalError(cause))}`)
      this.fail(errorFrame(0, internalError()))
    }
  }

  #wants(broadcast: Broadcast): boolean {
    const level = this.#client?.logLevel ?? Infinity
    return broadcast.method === methods.logMessage && logLevels.indexOf(broadcast.level) >= level
  }

  #onFrame(frame: Frame): void {
    if (frame.kind === 'response') return this.#onResponse(frame)
    if (frame.method !== methods.progress) return this.#client?.notify(frame)
    // The request that continues a call may have another progress token than the first one.
    const text = this.#client?.tokenText
    if (text === undefined) return
    const isFirst = text === this.#tokenText
    this.#client?.notify(isFirst ? frame : replaceAt(frame, paths.progressToken, text))
  }

  #onResponse(frame: Frame): void {
    this.#closeInner()
    this.#clearQuestions()
    if (this.#needsUrls(frame) && this.#askUrls(frame)) return
    const response = toModernResponse(frame, this.#method, this.#connection.serverInfo)
    if (this.#client === undefined) {
      this.#response = response
      return
    }
    this.#finish(response)
  }

  #needsUrls({ errorCode }: Frame): boolean {
    return this.#options.isAsker && errorCode === errorCodes.urlElicitationRequired
  }

  /** Asks the client to open the URLs that an error of the server lists, if it lists any. */
  #askUrls(frame: Frame): boolean {
    const requests = urlRequests(frame)
    if (requests === undefined) return false
    if (!this.#connection.mayAsk(urlElicitation)) {
      this.#finish(missingCapability(methods.elicit, urlElicitation))
      return true
    }
    this.#repeats = true
    for (const text of requests) this.#add(undefined, text)
    return true
  }

  #finish(response: Frame): void {
    this.#client?.respond(response)
    this.#end()
  }

  #end(): void {
    clearTimeout(this.#expiry)
    this.#clearQuestions()
    if (this.#state !== undefined) this.#options.held.delete(this.#state)
    this.heldSince = undefined
    this.#client?.end()
    this.#connection.answerers.delete(this)
    this.#options.onEnd(this.#isClean)
  }

  /** Closes the port to the server. A request that has no response yet is cancelled. */
  #closeInner(): void {
    this.#inner?.destroy()
    this.#inner = undefined
  }

  #fits(text: string): boolean {
    return this.#questions.size === 0 || this.#questionsSize + text.length <= this.#options.maxQueue
  }

  #add(request: Frame | undefined, text: string): void {
    this.#questions.set(`q${++this.#lastKey}`, { request, text })
    this.#questionsSize += text.length
    if (this.#client !== undefined) this.#gather()
  }

  #forget(key: string): Question {
    const question = this.#questions.get(key) as Question
    this.#questionsSize -= question.text.length
    this.#questions.delete(key)
    return question
  }

  #clearQuestions(): void {
    clearTimeout(this.#gathering)
    this.#questions.clear()
    this.#questionsSize = 0
  }

  #gather(): void {
    clearTimeout(this.#gathering)
    this.#gathering = setTimeout(() => this.#guard(() => this.#hold()), gatherTime)
  }

  /** Sends the questions to the client, and waits until the client calls again. */
  #hold(): void {
    const { held, inputTimeout } = this.#options
    const requests = [...this.#questions].map(([key, { text }]) => `"${key}":${text}`)
    this.#state = held.add(this)
    this.heldSince = performance.now()
    const client = this.#client
    this.#client = undefined
    if (inputTimeout > 0) this.#expiry = setTimeout(() => this.cancel(), inputTimeout)
    client?.respond(inputRequired(requests, this.#state, this.#connection.serverInfo))
  }

  /** Reads the answers to the open questions. The keys are those of the questions. */
  #answersIn({ bytes }: Frame): Map<string, string> {
    const answers = new Map<string, string>()
    const responses = findValue(bytes, ['params', 'inputResponses'])
    if (responses === undefined) return answers
    if (bytes[responses.start] !== OPEN_BRACE) {
      throw new ProxyError('ERR_PARAMS', 'inputResponses must be an object')
    }
    for (const [key, span] of findMembers(bytes, responses.start, [...this.#questions.keys()])) {
      if (bytes[span.start] !== OPEN_BRACE) {
        throw new ProxyError('ERR_PARAMS', `inputResponses.${key} must be an object`)
      }
      answers.set(key, textAt(bytes, span))
    }
    return answers
  }
}

const cancelled = new ProxyError('ERR_CLOSED', 'the client has cancelled the call')

const declined = (): ProxyError =>
  new ProxyError('ERR_CLOSED', 'the client did not open the URL that the server asked for')
