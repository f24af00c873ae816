// One request of a legacy client to a modern server. The server may answer with questions, again and
// again. Each round, the questions go to the client as requests, all at once, and then the request
// goes to the server again with the answers.

import { describe, ProxyError, toProxyError } from '../../errors.ts'
import { editObject } from '../../json/edit-object.ts'
import { findValue, stringAt, valueText } from '../../json/find-value.ts'
import type { Span } from '../../json/find-value.ts'
import type { Log } from '../../log.ts'
import { makeFrame } from '../../message/frame.ts'
import type { Frame } from '../../message/frame.ts'
import { parseFrame } from '../../message/parse-frame.ts'
import { errorFrame } from '../../message/refusal.ts'
import { idText } from '../../message/response-to.ts'
import { jsonRpcVersion } from '../../protocol/json-rpc.ts'
import { methods } from '../../protocol/methods.ts'
import type { LegacyVersion } from '../../protocol/revisions.ts'
import { cancellation } from '../../wrappers/cancellation.ts'
import { legacyResponse } from './legacy-response.ts'
import { modernRequest } from './modern-request.ts'
import type { ClientText, RoundText } from './modern-request.ts'
import { askingMethods, asksForInput, missingFor, readRound } from './round.ts'
import type { Question } from './round.ts'

/** A request that waits for its response: from the server, or from the client. */
export interface Waiting {
  onResponse(response: Frame): void
}

/** The members of the transport that a call uses. */
export interface CallOwner {
  readonly log: Log
  readonly client: ClientText
  readonly capabilities: Record<string, unknown>
  readonly version: LegacyVersion
  readonly maxRounds: number
  /**
   * The size of the requests that the calls keep, in bytes, and the largest one. A call that keeps
   * its request counts it.
   */
  keptSize: number
  readonly maxQueue: number
  /** Whether the client has ended, so that it answers no question. */
  readonly clientEnded: boolean
  /** Sends a request to the server. Returns its id. */
  toServer(waiting: Waiting, make: (id: number) => Frame): number
  /** Cancels a request at the server. Its response is dropped. */
  cancelAtServer(id: number): void
  /** Sends a request to the client. Returns its id. */
  askClient(waiting: Waiting, make: (id: number) => Frame): number
  /** Gives up a question to the client. Its response is dropped. */
  forgetQuestion(id: number): void
  /** Sends a frame to the client. */
  pass(frame: Frame): void
  /** Called once, when the call needs no more responses. */
  callOnEnd(call: Call): void
}

/** The pause before a request whose server only asked for a repetition, in ms. It doubles. */
const firstPause = 100
const longestPause = 5000

export class Call implements Waiting {
  /** The id of the client's request, as JSON text. */
  readonly idText: string
  readonly #owner: CallOwner
  readonly #method: string
  /** The client's request. It is kept only if the server may ask for input, and if there is room. */
  #request: Frame | undefined
  #serverId = 0
  #rounds = 0
  #pauses = 0
  /** The questions that the client has not answered. The key is the id that the client got. */
  readonly #questions = new Map<number, Question>()
  /** The answers of this round, as JSON text: `"key":answer`. */
  #answers: string[] = []
  /** The ids of the elicitations by URL that the client does not know to be complete. */
  #elicitations: string[] = []
  #requestState: string | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(owner: CallOwner, request: Frame) {
    this.#owner = owner
    this.#method = request.method as string
    this.idText = idText(request)
  }

  /** Sends the request to the server. The server may respond before this returns. */
  start(request: Frame): void {
    if (askingMethods.has(request.method)) this.#keep(request)
    const { client } = this.#owner
    this.#serverId = this.#owner.toServer(this, (id) => modernRequest(request, id, client))
  }

  onResponse(response: Frame): void {
    this.#tellComplete()
    if (!asksForInput(response)) {
      const { version } = this.#owner
      return this.#end(legacyResponse(response, this.idText, this.#method, version))
    }
    try {
      this.#ask(response)
    } catch (error) {
      this.#owner.log.debug(`the server's questions are not asked: ${describe(error)}`)
      this.fail(toProxyError(error as Error, 'the call has ended'))
    }
  }

  /** Answers the client's request with an error, and takes back what is under way. */
  fail(error: ProxyError): void {
    this.#takeBack(describe(error))
    this.#end(legacyResponse(errorFrame(0, error), this.idText, this.#method, this.#owner.version))
  }

  /** The client has cancelled the request, so it gets no response. */
  cancel(): void {
    this.#takeBack('the request was cancelled')
    this.#stop()
  }

  /** Fails the call if it waits for an answer of the client. */
  clientOnEnd(): void {
    if (this.#questions.size > 0) this.fail(noAnswer())
  }

  /** Stops the timer. The call sends nothing more. */
  destroy(): void {
    clearTimeout(this.#timer)
  }

  #ask(response: Frame): void {
    const { capabilities, clientEnded, maxRounds } = this.#owner
    if (!askingMethods.has(this.#method)) {
      const message = `the server asked for input in response to ${this.#method}, which cannot have any`
      throw new ProxyError('ERR_HTTP_ANSWER', message)
    }
    if (this.#request === undefined) {
      const message =
        'the server asked for input, and the request was too large to be kept beside others (see --max-queue)'
      throw new ProxyError('ERR_REQUEST', message)
    }
    if (++this.#rounds > maxRounds) {
      const message = `the server asked for input more than ${maxRounds} times (see --max-rounds)`
      throw new ProxyError('ERR_HTTP_ANSWER', message)
    }
    const { questions, requestState } = readRound(response)
    for (const question of questions) {
      const missing = missingFor(question, capabilities)
      if (missing === undefined) continue
      const message = `the server asks for ${missing}, which the client does not support`
      throw new ProxyError('ERR_REQUEST', message)
    }
    this.#requestState = requestState
    this.#answers = []
    if (questions.length === 0) return this.#repeatLater()
    if (clientEnded) throw noAnswer()
    this.#pauses = 0
    for (const question of questions) this.#send(question)
  }

  // One request may be larger than the limit, so it is kept if no other one is.
  #keep(request: Frame): void {
    const { keptSize, maxQueue } = this.#owner
    const { length } = request.bytes
    if (keptSize > 0 && keptSize + length > maxQueue) return
    this.#owner.keptSize += length
    this.#request = request
  }

  /** Stops the timer, and drops the request. */
  #release(): void {
    clearTimeout(this.#timer)
    this.#owner.keptSize -= this.#request?.bytes.length ?? 0
    this.#request = undefined
  }

  #send(question: Question): void {
    const params = this.#paramsOf(question)
    const waiting = { onResponse: (response: Frame) => this.#onAnswer(id, question, response) }
    const id = this.#owner.askClient(waiting, (id) => {
      const method = JSON.stringify(question.method)
      const more = params === undefined ? '' : `,"params":${params}`
      return parseFrame(Buffer.from(`{"jsonrpc":"2.0","id":${id},"method":${method}${more}}`))
    })
    this.#questions.set(id, question)
  }

  /** In 2025-11-25 an elicitation by URL has an id, which the modern revision does not have. */
  #paramsOf({ method, params }: Question): string | undefined {
    if (method !== methods.elicit || params === undefined) return params
    const bytes = Buffer.from(params)
    if (stringAt(bytes, ['mode']) !== 'url') return params
    const elicitationId = crypto.randomUUID()
    this.#elicitations.push(elicitationId)
    const add = [`"elicitationId":${JSON.stringify(elicitationId)}`]
    const whole = findValue(bytes, []) as Span
    return editObject(bytes, whole, { remove: ['elicitationId'], add }).toString()
  }

  /** The server has gone on, so what the user did at each URL is complete. */
  #tellComplete(): void {
    for (const elicitationId of this.#elicitations.splice(0)) {
      const method = methods.elicitationComplete
      this.#owner.pass(makeFrame({ jsonrpc: jsonRpcVersion, method, params: { elicitationId } }))
    }
  }

  #onAnswer(id: number, { key, method }: Question, response: Frame): void {
    this.#questions.delete(id)
    const result = valueText(response.bytes, ['result'])
    if (result === undefined) {
      const reason = stringAt(response.bytes, ['error', 'message']) ?? 'no reason'
      return this.fail(new ProxyError('ERR_REQUEST', `the client refused ${method}: ${reason}`))
    }
    this.#answers.push(`${JSON.stringify(key)}:${result}`)
    if (this.#questions.size === 0) this.#repeat(`{${this.#answers.join(',')}}`)
  }

  #repeatLater(): void {
    const pause = Math.min(firstPause * 2 ** this.#pauses++, longestPause)
    this.#timer = setTimeout(() => this.#repeat(undefined), pause)
  }

  #repeat(inputResponses: string | undefined): void {
    const round: RoundText = { inputResponses, requestState: this.#requestState }
    const request = this.#request as Frame
    const { client } = this.#owner
    this.#serverId = this.#owner.toServer(this, (id) => modernRequest(request, id, client, round))
  }

  /** Cancels what is under way: the request at the server, or the questions at the client. */
  #takeBack(reason: string): void {
    clearTimeout(this.#timer)
    this.#owner.cancelAtServer(this.#serverId)
    for (const id of this.#questions.keys()) {
      this.#owner.forgetQuestion(id)
      this.#owner.pass(cancellation(id, reason))
    }
    this.#questions.clear()
  }

  #end(response: Frame): void {
    this.#owner.pass(response)
    this.#stop()
  }

  #stop(): void {
    this.#release()
    this.#owner.callOnEnd(this)
  }
}

const noAnswer = (): ProxyError =>
  new ProxyError('ERR_CLOSED', 'the server asks for input, and the client has ended')
