// Keeps the requests in flight at a shared server, and replaces their ids and progress tokens.
//
// Each client chooses its ids and tokens, so two clients may choose equal ones. In each request,
// the proxy replaces the id and the token with a number that no other request has. When the server
// sends this number back, the proxy puts in the client's id or token, exactly as the client wrote
// it.

import { findValue, scalarAt, textAt, valueText } from '../json/find-value.ts'
import type { Span } from '../json/find-value.ts'
import { splice, spliceAt } from '../json/splice.ts'
import type { Replacement } from '../json/splice.ts'
import type { Frame } from '../message/frame.ts'
import { byValue, idOf, jsonOf } from '../message/id.ts'
import type { Id } from '../protocol/json-rpc.ts'
import { methods } from '../protocol/methods.ts'
import { paths } from '../protocol/paths.ts'
import { Slots } from '../streams/slots.ts'
import type { SharedPort } from './shared-port.ts'

/** A request that has no response yet. */
export interface SharedCall {
  port: SharedPort
  /** The id that the client gave the request, as JSON text. */
  id: string
  /** The progress token that the client gave the request, as JSON text. */
  token: string | undefined
  method: string
  /**
   * The key of the request in `port.calls`: its id, or more if a pending request has the same id.
   */
  key: string
}

export class SharedCalls {
  /** The requests in flight. The key of a request is the id that the server got. */
  readonly #calls = new Slots<SharedCall>()

  get(id: number): SharedCall | undefined {
    return this.#calls.get(id)
  }

  /** The requests in flight that ask for log messages. */
  readonly withLogs = new Set<SharedCall>()

  /** Returns an id for a request of the proxy itself. No other request gets this id. */
  unusedId(): number {
    return this.#calls.skip()
  }

  /** Adds a request from a port. Returns the request with the new id and token, for the server. */
  add(port: SharedPort, frame: Frame): Frame {
    const { bytes, method = '', progressToken, protocolVersion } = frame
    const own = findValue(bytes, paths.id) as Span
    const token = progressToken === undefined ? undefined : findValue(bytes, paths.requestToken)
    // Only modern requests name a version. A legacy client sets the log level for all its requests.
    const wantsLogs =
      protocolVersion !== undefined && findValue(bytes, paths.requestLogLevel) !== undefined
    const key = textAt(bytes, own)
    const call = { port, id: key, token: token && textAt(bytes, token), method, key }
    const id = this.#calls.add(call)
    // A client should not use an id twice. If it does, both requests get their responses.
    if (port.calls.has(key)) call.key = `${key} ${id}`
    port.calls.set(call.key, id)
    if (wantsLogs) this.withLogs.add(call)
    const text = String(id)
    if (token === undefined) return frame.withBytes(spliceAt(bytes, [{ ...own, text }]), id)
    const changes = [
      { ...own, text },
      { ...token, text }
    ]
    return frame.withBytes(spliceAt(bytes, changes), id, id)
  }

  /**
   * Removes the request that a port cancels. Returns the cancellation with the id that the server
   * knows, or undefined if the port has no such request.
   */
  cancel(port: SharedPort, frame: Frame): Frame | undefined {
    const id = port.calls.get(valueText(frame.bytes, paths.cancelledId) ?? '')
    if (id === undefined) return undefined
    this.end(id)
    return replaceAt(frame, paths.cancelledId, String(id))
  }

  /** Removes a request and returns it. Returns undefined if no request has this id. */
  end(id: number): SharedCall | undefined {
    const call = this.#calls.delete(id)
    if (call === undefined) return undefined
    call.port.calls.delete(call.key)
    this.withLogs.delete(call)
    return call
  }
}

/** Returns the server's response with the id that the client chose. */
export function restoreResponse(frame: Frame, { id: text, method }: SharedCall): Frame {
  const replacements: Replacement[] = [{ path: paths.id, text }]
  if (method === methods.listen) {
    replacements.push({ path: paths.endedSubscription, text })
  }
  return frame.withBytes(splice(frame.bytes, replacements), idOf(text))
}

/** Returns the notification with `text` as the value at `path`. */
export function replaceAt(frame: Frame, path: string[], text: string): Frame {
  const token = path === paths.progressToken ? byValue(idOf(text)) : frame.progressToken
  return frame.withBytes(splice(frame.bytes, [{ path, text }]), undefined, token)
}

/**
 * The number that the proxy gave a request, from the id of the response. NaN if it is not a number.
 * Some servers turn the number into a string.
 */
export const numberOf = (id: Id | undefined): number =>
  Number(typeof id === 'bigint' ? jsonOf(id) : id)

/** The same for the request id at `path` in a server's frame. */
export function numberAt(frame: Frame, path: string[]): number {
  const id = scalarAt(frame.bytes, path)
  return typeof id === 'string' || typeof id === 'number' ? Number(id) : NaN
}
