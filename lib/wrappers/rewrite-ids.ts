// The requests in flight at a shared server, and the rewriting of their ids and progress tokens.
//
// Each client chooses its ids and tokens, so two clients may choose the same. In a request, a number
// that no other request has takes the place of both. When the server sends that number back, the id
// or token of the client takes its place again, written exactly as the client wrote it.

import { findValue, textAt, valueText } from '../json/find-value.ts'
import type { Span } from '../json/find-value.ts'
import { splice, spliceAt } from '../json/splice.ts'
import type { Replacement } from '../json/splice.ts'
import type { Frame } from '../message/frame.ts'
import type { Id } from '../protocol/json-rpc.ts'
import { methods } from '../protocol/methods.ts'
import { paths } from '../protocol/paths.ts'
import { Slots } from '../streams/slots.ts'
import type { SharedPort } from './shared-port.ts'

/** A request in flight. */
export interface SharedCall {
  port: SharedPort
  /** The client's id for it, as JSON text. */
  id: string
  /** The client's progress token, as JSON text. */
  token: string | undefined
  method: string
  /** The request asks for log messages. */
  wantsLogs: boolean
}

export class SharedCalls {
  /** By the ids that the server has for them. */
  readonly #calls = new Slots<SharedCall>()

  get(id: number): SharedCall | undefined {
    return this.#calls.get(id)
  }

  /** The requests in flight that ask for log messages. */
  get withLogs(): SharedCall[] {
    return this.#calls.all.filter(({ wantsLogs }) => wantsLogs)
  }

  /** Adds a request of a port. Returns it as the server gets it. */
  add(port: SharedPort, frame: Frame): Frame {
    const { bytes, method = '', progressToken, protocolVersion } = frame
    const own = findValue(bytes, paths.id) as Span
    const token = progressToken === undefined ? undefined : findValue(bytes, paths.requestToken)
    // Only requests of the modern revision name a version. Legacy clients set a level for the session.
    const wantsLogs =
      protocolVersion !== undefined && findValue(bytes, paths.requestLogLevel) !== undefined
    const id = this.#calls.add({
      port,
      id: textAt(bytes, own),
      token: token && textAt(bytes, token),
      method,
      wantsLogs
    })
    port.calls.add(id)
    const text = String(id)
    if (token === undefined) return frame.withBytes(spliceAt(bytes, [{ ...own, text }]), id)
    const changes = [
      { ...own, text },
      { ...token, text }
    ]
    return frame.withBytes(spliceAt(bytes, changes), id, id)
  }

  /**
   * Ends the request that a port cancels. Returns the cancellation as the server gets it; undefined if
   * the port has no such request.
   */
  cancel(port: SharedPort, frame: Frame): Frame | undefined {
    const text = valueText(frame.bytes, paths.cancelledId)
    const id = [...port.calls].find((id) => this.#calls.get(id)?.id === text)
    if (id === undefined) return undefined
    this.end(id)
    return replaceAt(frame, paths.cancelledId, String(id))
  }

  /** Removes a request, and returns it if there was one with this id. */
  end(id: number): SharedCall | undefined {
    const call = this.#calls.delete(id)
    call?.port.calls.delete(id)
    return call
  }
}

/** A response of the server as the client gets it. */
export function restoreResponse(frame: Frame, { id: text, method }: SharedCall): Frame {
  const replacements: Replacement[] = [{ path: paths.id, text }]
  if (method === methods.listen) {
    replacements.push({ path: paths.endedSubscription, text })
  }
  return frame.withBytes(splice(frame.bytes, replacements), JSON.parse(text) as Id)
}

/** A notification with `text` as the value at `path`. */
export function replaceAt(frame: Frame, path: string[], text: string): Frame {
  const token = path === paths.progressToken ? (JSON.parse(text) as Id) : frame.progressToken
  return frame.withBytes(splice(frame.bytes, [{ path, text }]), undefined, token)
}

/** The request id that the server names at `path`. Some servers make strings of numbers. */
export function idAt(frame: Frame, path: string[]): number {
  return Number(JSON.parse(valueText(frame.bytes, path) ?? 'null'))
}
