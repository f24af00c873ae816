// The requests of a legacy server to its client. The modern client gets them as input requests, in
// a response (2026-07-28, Multi Round-Trip Requests).

import { OPEN_BRACE } from '../../json/bytes.ts'
import { editObject } from '../../json/edit-object.ts'
import { findValue, stringAt, textAt } from '../../json/find-value.ts'
import type { Frame } from '../../message/frame.ts'
import { methods } from '../../protocol/methods.ts'

type Json = Record<string, unknown>

/**
 * Returns the client capabilities that a request of a server needs. Returns undefined if no client
 * answers this method.
 */
export function neededBy({ method, bytes }: Frame): Json | undefined {
  switch (method) {
    case methods.elicit:
      return stringAt(bytes, ['params', 'mode']) === 'url' ? urlElicitation : formElicitation
    case methods.createMessage:
      return findValue(bytes, ['params', 'tools']) === undefined ? sampling : toolSampling
    case methods.listRoots:
      return { roots: {} }
    default:
      return undefined
  }
}

export const urlElicitation = { elicitation: { url: {} } }
const formElicitation = { elicitation: { form: {} } }
const sampling = { sampling: {} }
const toolSampling = { sampling: { tools: {} } }

/** The client capabilities with which a server may send requests. */
export class ClientCapabilities {
  readonly #declared: Json

  /** @param text the capabilities as a JSON object */
  constructor(text: string) {
    this.#declared = JSON.parse(text) as Json
  }

  /** Whether the server may ask the client anything. */
  get allowQuestions(): boolean {
    return ['elicitation', 'sampling', 'roots'].some((name) => isObject(this.#declared[name]))
  }

  has(needed: Json): boolean {
    const { elicitation } = this.#declared
    if (needed === formElicitation && isObject(elicitation)) {
      // An elicitation capability that names no mode means forms.
      return isObject(elicitation.form) || !isObject(elicitation.url)
    }
    return covers(this.#declared, needed)
  }
}

const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null

const covers = (declared: unknown, needed: Json): boolean =>
  isObject(declared) &&
  Object.entries(needed).every(([name, value]) => covers(declared[name], value as Json))

/**
 * Returns a request of the server as the value of an input request, in JSON text. The modern
 * revision has no elicitation ids and no tasks of clients.
 */
export function inputRequestText({ method, bytes }: Frame): string {
  const params = findValue(bytes, ['params'])
  if (params === undefined || bytes[params.start] !== OPEN_BRACE) {
    return `{"method":${JSON.stringify(method)}}`
  }
  const own = bytes.subarray(params.start, params.end)
  const remove = ['task', ...(method === methods.elicit ? ['elicitationId'] : [])]
  const text = editObject(own, { start: 0, end: own.length }, { remove })
  return `{"method":${JSON.stringify(method)},"params":${text.toString()}}`
}

/**
 * Returns the input requests for an error of revision 2025-11-25 that says which URLs the client
 * must open first. Returns undefined if the error lists none.
 */
export function urlRequests(response: Frame): string[] | undefined {
  const list = findValue(response.bytes, ['error', 'data', 'elicitations'])
  if (list === undefined || list.end - list.start > maxList) return undefined
  const elicitations: unknown = JSON.parse(textAt(response.bytes, list))
  if (!Array.isArray(elicitations)) return undefined
  if (elicitations.length === 0 || elicitations.length > maxQuestions) return undefined
  return elicitations.map((elicitation: unknown) => {
    const { elicitationId: _, ...params } = Object(elicitation) as Json
    return JSON.stringify({ method: methods.elicit, params: { ...params, mode: 'url' } })
  })
}

/** The largest list of elicitations in an error that the proxy reads, in bytes. */
const maxList = 256 * 1024

/** How many questions of one call may wait for their answers. */
export const maxQuestions = 64
