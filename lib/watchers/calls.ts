// Makes calls of the messages that the library publishes: joins each request of a client with its
// response. A call ends with its response, with its cancellation, or with its client.

import { scalarAt, stringAt } from '../json/find-value.ts'
import { searchFor } from '../json/search.ts'
import { idAt, nameIn } from '../message/frame.ts'
import type { Frame } from '../message/frame.ts'
import type { Id } from '../protocol/json-rpc.ts'
import { methods } from '../protocol/methods.ts'
import { paths } from '../protocol/paths.ts'
import { ProxyError } from '../errors.ts'
import type { FactClient, MessageFact, SessionFact } from '../streams/facts.ts'
import { copyOf } from '../text.ts'

/**
 * How a call or a session has ended.
 *
 * - `ok`: with a result; a session: without an error
 * - `tool_error`: with a result that says that the tool failed
 * - `error`: with an error, from the server or from the proxy
 * - `cancelled`: the client has cancelled it
 * - `undelivered`: with a response, but the client had disconnected
 * - `closed`: without a response, because the client or the server has ended
 */
export type Outcome = 'ok' | 'tool_error' | 'error' | 'cancelled' | 'undelivered' | 'closed'

/** What a client has called: the method, and the name of the tool, the prompt or the resource. */
export interface Target {
  method: string
  name?: string | undefined
}

export interface EndedCall extends Target {
  client: FactClient
  /** How long it took, in ms. */
  duration: number
  outcome: Outcome
  /** The code of the JSON-RPC error, or that of a `ProxyError`. */
  error?: number | string | undefined
  /** The code of the JSON-RPC error in the response. */
  errorCode?: number | undefined
  /** The revision in the request. Only those of the modern revision have one. */
  protocolVersion?: string | undefined
  /** What `onStart` has returned for the request. */
  data?: unknown
  /** The size of the request, in bytes. */
  bytesIn: number
  /** The size of the response, in bytes. */
  bytesOut: number
}

export interface EndedSession {
  client: FactClient
  duration: number
  outcome: Outcome
  error?: string | undefined
  /** The size of all messages of the client, in bytes. */
  bytesIn: number
  /** The size of all messages to the client, in bytes. */
  bytesOut: number
}

/**
 * A call that has not ended. Its end completes it, so that a call is one object. When its end is known, the
 * object is used for another call: new objects would live as long as the calls, and the garbage collector
 * would copy each of them.
 */
interface Call extends EndedCall {
  since: number
}

/** How many objects wait for another call. */
const maxFree = 1000

/** The client of an object that belongs to no call. */
const noClient: FactClient = { server: '', session: '', kind: 'session' }

const newCall = (): Call => ({
  client: noClient,
  method: '',
  name: undefined,
  protocolVersion: undefined,
  data: undefined,
  since: 0,
  duration: 0,
  outcome: 'ok',
  error: undefined,
  errorCode: undefined,
  bytesIn: 0,
  bytesOut: 0
})

interface Open {
  since: number
  bytesIn: number
  bytesOut: number
  calls: Map<Id, Call>
}

/**
 * Gets each call that has ended, and its response if there was one. The call must not be kept: another call
 * uses the object.
 */
export type OnCall = (call: EndedCall, response?: Frame) => void

/** Gets each request. What it returns is kept until the call ends. */
export type OnStart = (client: FactClient, request: Frame) => unknown

/** How many calls of a client are kept. The oldest counts as closed: its server may never respond. */
const maxCalls = 10_000

export class Calls {
  readonly #open = new WeakMap<FactClient, Open>()
  readonly #onCall: OnCall
  readonly #onStart: OnStart | undefined
  readonly #free: Call[] = []
  #inFlight = 0

  constructor(onCall: OnCall, onStart?: OnStart) {
    this.#onCall = onCall
    this.#onStart = onStart
  }

  /** How many calls have not ended. */
  get inFlight(): number {
    return this.#inFlight
  }

  /** Takes each fact about a message. */
  onMessage({ client, from, frame, delivered }: MessageFact): void {
    const open = this.#of(client)
    const { length } = frame.bytes
    if (from === 'client') {
      open.bytesIn += length
      this.#fromClient(client, open, frame)
      return
    }
    if (delivered) open.bytesOut += length
    if (frame.kind !== 'response') return
    const call = open.calls.get(frame.id as Id)
    if (call === undefined) return
    settle(call, frame)
    if (!delivered) call.outcome = 'undelivered'
    this.#end(open, frame.id as Id, call, frame)
  }

  /** Takes the fact that a client has ended. Its calls end first. */
  onEnd({ client, error }: SessionFact): EndedSession {
    const open = this.#of(client)
    const code = error instanceof ProxyError ? error.code : undefined
    const outcome = code === undefined ? 'closed' : 'error'
    for (const [id, call] of open.calls) {
      call.outcome = outcome
      call.error = code
      this.#end(open, id, call)
    }
    const { since, bytesIn, bytesOut } = open
    const duration = performance.now() - since
    return {
      client,
      duration,
      outcome: code === undefined ? 'ok' : 'error',
      error: code,
      bytesIn,
      bytesOut
    }
  }

  #fromClient(client: FactClient, open: Open, frame: Frame): void {
    const { calls } = open
    if (frame.method === methods.cancelled) {
      const id = idAt(frame, paths.cancelledId) as Id
      const call = calls.get(id)
      if (call !== undefined) this.#end(open, id, call, undefined, 'cancelled')
      return
    }
    if (frame.kind !== 'request') return
    const { method, name } = targetOf(frame)
    const id = frame.id as Id
    const same = calls.get(id)
    // The ids of our transports are unique among the requests in flight. Others may publish too.
    if (same !== undefined) this.#end(open, id, same, undefined, 'closed')
    const call = this.#free.pop() ?? newCall()
    call.client = client
    call.method = method
    call.name = name
    call.protocolVersion = frame.protocolVersion
    call.data = this.#onStart?.(client, frame)
    call.since = performance.now()
    call.outcome = 'ok'
    call.error = call.errorCode = undefined
    call.bytesIn = frame.bytes.length
    call.bytesOut = 0
    calls.set(id, call)
    this.#inFlight++
    if (calls.size <= maxCalls) return
    const [[oldestId, oldest]] = calls as unknown as [[Id, Call]]
    this.#end(open, oldestId, oldest, undefined, 'closed')
  }

  #end(open: Open, id: Id, call: Call, response?: Frame, outcome = call.outcome): void {
    open.calls.delete(id)
    this.#inFlight--
    call.outcome = outcome
    call.duration = performance.now() - call.since
    this.#onCall(call, response)
    call.client = noClient
    call.data = call.name = undefined
    if (this.#free.length < maxFree) this.#free.push(call)
  }

  #of(client: FactClient): Open {
    let open = this.#open.get(client)
    if (open === undefined) {
      open = { since: performance.now(), bytesIn: 0, bytesOut: 0, calls: new Map() }
      this.#open.set(client, open)
    }
    return open
  }

  /** Takes the fact that a client has come. */
  onOpen({ client }: SessionFact): void {
    this.#of(client)
  }
}

/** Completes a call with its response. */
function settle(call: Call, { errorCode, failure, bytes }: Frame): void {
  call.bytesOut = bytes.length
  if (errorCode === undefined) {
    if (call.method === methods.callTool && hasFailed(bytes)) call.outcome = 'tool_error'
    return
  }
  call.errorCode = errorCode
  const isClosed = failure?.code === 'ERR_CLOSED'
  call.outcome = isClosed ? 'closed' : 'error'
  if (!isClosed) call.error = failure?.code ?? errorCode
}

const hasFailedName = searchFor('"isError"')

/**
 * Whether the result of a tool says that the tool failed. Few results have the member, and a search of
 * bytes is fast. So a name that is written with escapes does not count.
 */
export const hasFailed = (bytes: Buffer): boolean =>
  hasFailedName(bytes) && scalarAt(bytes, paths.toolFailed) === true

/** Reads what a request calls. */
export function targetOf(frame: Frame): Target {
  const { method = '', bytes } = frame
  switch (method) {
    case methods.callTool:
    case methods.getPrompt:
      return { method, name: shortened(nameIn(frame)) }
    case methods.readResource:
    case methods.subscribe:
    case methods.unsubscribe: {
      const uri = stringAt(bytes, paths.uri)
      return { method, name: uri && shortened(withoutSecrets(uri)) }
    }
    default:
      return { method, name: undefined }
  }
}

/** A call in flight keeps the start of a longer name only. No name that a person gives is so long. */
const maxName = 1024

const shortened = (name: string | undefined): string | undefined =>
  name === undefined || name.length <= maxName ? name : copyOf(name, maxName)

/** Removes what may be an argument or a secret: the query, the fragment, the user and the password. */
const withoutSecrets = (uri: string): string =>
  uri.replace(/[?#][^]*$/, '').replace(/\/\/[^/@]*@/, '//')
