// Keeps the requests in flight at a shared server, and replaces their ids and progress tokens.
//
// Each client chooses its ids and tokens, so two clients may choose equal ones. In each request,
// the proxy replaces the id and the token with a random number that no other request has. When the
// server sends this number back, the proxy puts in the client's id or token, exactly as the client
// wrote it.

import { findValue, scalarAt, textAt } from '../json/find-value.ts'
import type { Span } from '../json/find-value.ts'
import { replace, splice, spliceAt } from '../json/splice.ts'
import type { Change } from '../json/splice.ts'
import { placeOfId, withId } from '../message/frame.ts'
import type { Frame } from '../message/frame.ts'
import { byValue, idOf, jsonOf } from '../message/id.ts'
import type { Id } from '../protocol/json-rpc.ts'
import { methods } from '../protocol/methods.ts'
import { paths } from '../protocol/paths.ts'
import { Slots } from '../streams/slots.ts'
import type { RoutingMembers } from './routing-members.ts'
import { secretId } from './secret-ids.ts'
import type { Port } from './shared-port.ts'
import { Subscription } from './subscription.ts'

/**
 * A request that has no response yet.
 *
 * V8 allocates the objects of one literal in old memory if they often outlive a collection. Each of them
 * would keep its port until a full garbage collection. V8 does not do so with a class.
 */
export class SharedCall {
  readonly port: Port
  /** The id that the client gave the request. */
  readonly ownId: Id
  /** The same as JSON text, as the client wrote it, if it is no number. */
  readonly #idText: string | undefined
  /** The progress token that the client gave the request, as JSON text. */
  readonly token: string | undefined
  readonly method: string
  /** Whether the request is of the modern revision. */
  readonly isModern: boolean
  /** What the request subscribes to, if it is `subscriptions/listen`. */
  readonly subscription: Subscription | undefined
  /** The key of the request in `port.calls`: its id, or another if a pending request has the same id. */
  key: Id

  /** @param place of the id in the bytes of the request */
  constructor(
    port: Port,
    { bytes, id, method = '', protocolVersion }: Frame,
    place: Span,
    members: RoutingMembers
  ) {
    const { token, notifications } = members
    this.port = port
    this.ownId = id as Id
    // An id is a number only if JavaScript writes this number as the client did (see message/id.ts).
    this.#idText = typeof id === 'number' ? undefined : textAt(bytes, place)
    this.token = token && textAt(bytes, token)
    this.method = method
    // Only modern requests name a version. A legacy client sets the log level for all its requests.
    this.isModern = protocolVersion !== undefined
    this.subscription =
      method === methods.listen ? new Subscription(bytes, notifications) : undefined
    this.key = this.ownId
  }

  /** The id of the client: a number, or JSON text exactly as the client wrote it. */
  get id(): string | number {
    return this.#idText ?? (this.ownId as number)
  }
}

export class SharedCalls {
  /** The requests in flight. The key of a request is the id that the server got. */
  readonly #calls = new Slots<SharedCall>(secretId)

  get(id: number): SharedCall | undefined {
    return this.#calls.get(id)
  }

  /** The requests in flight that ask for log messages. */
  readonly withLogs = new Set<SharedCall>()

  /** The subscriptions in flight. */
  readonly listens = new Set<SharedCall>()

  /** The only request in flight that is no subscription. Undefined if there are more, or none. */
  get only(): SharedCall | undefined {
    if (this.#calls.size - this.listens.size !== 1) return undefined
    return this.#calls.all.find(({ subscription }) => subscription === undefined)
  }

  /** Adds a request from a port. Returns the request with the new id and token, for the server. */
  add(port: Port, frame: Frame, members: RoutingMembers): Frame {
    const { bytes } = frame
    const { token, logLevel } = members
    const place = placeOfId(frame)
    const call = new SharedCall(port, frame, place, members)
    const { key } = call
    const id = this.#calls.add(call)
    // A client should not use an id twice. If it does, both requests get their responses. No id of a
    // client is a negative bigint.
    if (port.calls.has(key)) call.key = BigInt(-id)
    port.calls.set(call.key, id)
    // A subscription gets no log messages (2026-07-28, Logging).
    if (call.subscription !== undefined) this.listens.add(call)
    else if (call.isModern && logLevel !== undefined) this.withLogs.add(call)
    if (token === undefined) return frame.withBytes(replace(bytes, place, id), id)
    const text = String(id)
    const changes = [changeOf(place, text), changeOf(token, text)]
    return frame.withBytes(spliceAt(bytes, changes), id, id)
  }

  /**
   * Removes the request that a port cancels. Returns the cancellation with the id that the server
   * knows, or undefined if the port has no such request.
   */
  cancel(port: Port, frame: Frame, { cancelledId: span }: RoutingMembers): Frame | undefined {
    const id = span && port.calls.get(idOf(textAt(frame.bytes, span)))
    if (id === undefined) return undefined
    this.end(id)
    return frame.withBytes(replace(frame.bytes, span as Span, id))
  }

  /** Removes a request and returns it. Returns undefined if no request has this id. */
  end(id: number): SharedCall | undefined {
    const call = this.#calls.delete(id)
    if (call === undefined) return undefined
    call.port.calls.delete(call.key)
    this.withLogs.delete(call)
    this.listens.delete(call)
    return call
  }
}

/** Returns the server's response with the id that the client chose. */
export function restoreResponse(frame: Frame, { ownId, id, method }: SharedCall): Frame {
  const { bytes } = frame
  const ended = method === methods.listen ? findValue(bytes, paths.endedSubscription) : undefined
  if (ended === undefined) return withId(frame, ownId, id)
  const text = String(id)
  const changes = [changeOf(placeOfId(frame), text), changeOf(ended, text)]
  return frame.withBytes(spliceAt(bytes, changes), ownId)
}

const changeOf = ({ start, end }: Span, text: string): Change => ({ start, end, text })

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
