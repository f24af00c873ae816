// Reads a result that asks for input (2026-07-28, Multi Round-Trip Requests): the questions for the
// client, and the state that goes back to the server.

import { ProxyError } from '../../errors.ts'
import { findMembers, findValue, stringAt, valueText } from '../../json/find-value.ts'
import type { Span } from '../../json/find-value.ts'
import { isObject } from '../../json/is-object.ts'
import type { Frame } from '../../message/frame.ts'
import { methods } from '../../protocol/methods.ts'

/** The methods whose results may ask for input. */
export const askingMethods: ReadonlySet<string | undefined> = new Set([
  methods.callTool,
  methods.getPrompt,
  methods.readResource
])

/** A result may ask at most this many questions. */
const maxQuestions = 100

export interface Round {
  questions: Question[]
  /** The state of the server, as JSON text. */
  requestState: string | undefined
}

export interface Question {
  key: string
  method: string
  /** The params for the client, as JSON text. */
  params: string | undefined
}

/** Whether a response asks for input. */
export const asksForInput = ({ bytes }: Frame): boolean =>
  stringAt(bytes, ['result', 'resultType']) === 'input_required'

/**
 * Reads the questions of a response.
 *
 * @throws ProxyError `ERR_HTTP_ANSWER` if the result is not valid
 * @throws ProxyError `ERR_FRAME_TOO_LARGE` if the response is over 1 MiB
 */
export function readRound(response: Frame): Round {
  const { result } = response.message() as { result: { inputRequests?: unknown } }
  const { inputRequests = {} } = result
  const requestState = valueText(response.bytes, ['result', 'requestState'])
  if (!isObject(inputRequests)) throw invalid('its inputRequests is not an object')
  const keys = Object.keys(inputRequests)
  if (keys.length > maxQuestions) throw invalid(`it has over ${maxQuestions} questions`)
  if (keys.length === 0 && requestState === undefined) throw invalid('it has no question')
  if (requestState?.startsWith('"') === false) throw invalid('its requestState is not a string')
  const { bytes } = response
  const open = findValue(bytes, ['result', 'inputRequests'])?.start
  // All places come from one walk. One walk for each question could take seconds.
  const places = open === undefined ? none : findMembers(bytes, open, keys)
  const questions = keys.map((key) => {
    const question = inputRequests[key]
    if (!isObject(question) || typeof question.method !== 'string') {
      throw invalid('a question has no method')
    }
    const { start, end } = places.get(key) as Span
    return {
      key,
      method: question.method,
      params: valueText(bytes.subarray(start, end), ['params'])
    }
  })
  return { questions, requestState }
}

const none: ReadonlyMap<string, Span> = new Map()

const invalid = (reason: string): ProxyError =>
  new ProxyError('ERR_HTTP_ANSWER', `the server asked for input in a wrong form: ${reason}`)

/**
 * Returns what the client would have to support to get this question. Returns undefined if the
 * client supports it.
 *
 * @param capabilities what the client declared in `initialize`
 */
export function missingFor(
  { method, params = '{}' }: Question,
  capabilities: Record<string, unknown>
): string | undefined {
  const bytes = Buffer.from(params)
  const { elicitation, sampling, roots } = capabilities
  switch (method) {
    case methods.elicit:
      if (!isObject(elicitation)) return 'elicitation'
      if (stringAt(bytes, ['mode']) === 'url') {
        return isObject(elicitation.url) ? undefined : 'elicitation of the mode url'
      }
      // Before 2025-11-25 a client declared only `elicitation: {}`, which means forms.
      return isObject(elicitation.form) || !isObject(elicitation.url)
        ? undefined
        : 'elicitation of the mode form'
    case methods.createMessage:
      if (!isObject(sampling)) return 'sampling'
      if (findValue(bytes, ['tools']) === undefined) return undefined
      return isObject(sampling.tools) ? undefined : 'sampling with tools'
    case methods.listRoots:
      return isObject(roots) ? undefined : 'roots'
    default:
      return `the method ${method}`
  }
}
