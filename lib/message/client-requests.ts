// Keeps the requests of one client in flight, and gives each of them an id that is unique at the
// server.
//
// A client may use an id again while a request with this id is in flight, for example if it pools
// sessions. It may also use the id of a request that it has cancelled, and the server may still
// respond to the cancelled request. In these cases the second request gets a new id on its way to
// the server, and its response gets the client's id back, as the client wrote it. The same holds
// for progress tokens. All other requests stay as they are.
//
// There may be many sessions, and most have no such request. So most tables are made when their first
// entry comes.

import { findValue, textAt } from '../json/find-value.ts'
import type { Span } from '../json/find-value.ts'
import { splice, spliceAt } from '../json/splice.ts'
import type { Change } from '../json/splice.ts'
import type { Id } from '../protocol/json-rpc.ts'
import { methods } from '../protocol/methods.ts'
import { paths } from '../protocol/paths.ts'
import { idAt } from './frame.ts'
import type { Frame } from './frame.ts'
import { IdTable } from './id-table.ts'
import { jsonOf } from './id.ts'

/** The id or progress token of a client, with its JSON text. */
interface Original {
  id: Id
  text: string
}

/** New ids are the integers above this one. Some servers take only 32 bits. */
const firstId = 1_000_000_000
/** How many abandoned requests are kept. The server of an older one sends no response any more. */
const maxAbandoned = 1000
/** A longer id or token of an abandoned request is not kept, so that hostile ids take no memory. */
const maxLength = 256

/** The requests as the client sent them, by their copies with another id or token. */
const originals = new WeakMap<Frame, Frame>()

/** Returns a request as the client sent it. */
export const originalOf = (request: Frame): Frame => originals.get(request) ?? request

/** Counts the requests in flight of several transports together. */
export interface CallCounter {
  calls: number
}

export class ClientRequests {
  readonly #counter: CallCounter
  /** The progress token of each request in flight, by its id. The server got this token and id. */
  readonly #pending = new IdTable<Id | undefined>()
  /** The progress tokens of the requests in flight, as the server got them. */
  #tokens: Set<Id> | undefined
  /** The client's ids of requests in flight that have a new id, by the new id. */
  #originalIds: Map<Id, Original> | undefined
  /** The client's tokens of requests in flight that have a new token, by the new token. */
  #originalTokens: Map<Id, Original> | undefined
  /** The new ids of the requests in flight that have the same id at the client, by that id. */
  #newIds: Map<Id, Set<Id>> | undefined
  /** The same as `#pending`, for requests to which the client wants no response any more. */
  #abandoned: Map<Id, Id | undefined> | undefined
  #abandonedTokens: Set<Id> | undefined
  #lastId = firstId

  /** @param counter counts the requests in flight (default: nothing counts them) */
  constructor(counter: CallCounter = { calls: 0 }) {
    this.#counter = counter
  }

  /**
   * Takes a frame of the client. A request is then in flight. A cancelled request is abandoned.
   * Returns the frame for the server.
   */
  toServer(frame: Frame): Frame {
    if (frame.kind === 'request') return this.#add(frame)
    return frame.method === methods.cancelled ? this.#cancel(frame) : frame
  }

  /** Whether a frame of the server belongs to an abandoned request. */
  isLate({ kind, id, progressToken }: Frame): boolean {
    if (this.#abandoned === undefined || this.#abandoned.size === 0) return false
    if (kind === 'response') return this.#abandoned.has(id as Id)
    return kind === 'notification' && this.#abandonedTokens?.has(progressToken as Id) === true
  }

  /** Returns a response or a progress notification with the id or token of the client. */
  restored(frame: Frame): Frame {
    const { kind, id, progressToken } = frame
    if (kind === 'response') {
      const original = this.#originalIds?.get(id as Id)
      return original === undefined ? frame : replace(frame, paths.id, original)
    }
    if (kind === 'request' || progressToken === undefined) return frame
    const original = this.#originalTokens?.get(progressToken)
    return original === undefined ? frame : replace(frame, paths.progressToken, original)
  }

  /** Call this for each frame of the server. A response settles its request. */
  settled({ kind, id }: Frame): void {
    if (kind === 'response' && id !== undefined) this.#settle(id)
  }

  /** Call this when the transport has closed: no request is in flight any more. */
  end(): void {
    this.#counter.calls -= this.#pending.size
    this.#pending.clear()
  }

  #settle(id: Id): void {
    const pending = this.#abandoned?.has(id) === true ? this.#abandoned : this.#pending
    const token = pending.get(id)
    if (!pending.delete(id)) return
    if (pending === this.#abandoned) {
      this.#abandonedTokens?.delete(token as Id)
      return
    }
    this.#counter.calls--
    // Most requests have neither a token nor a new id.
    if (token !== undefined) {
      this.#tokens?.delete(token)
      this.#originalTokens?.delete(token)
    }
    if (this.#originalIds !== undefined) this.#forgetOriginal(id, this.#originalIds)
  }

  /**
   * Call this when the client has cancelled a request, or can get no response any more. The server
   * knows the request by this id.
   */
  abandon(id: Id): void {
    if (!this.#pending.has(id)) return
    const token = this.#pending.get(id)
    this.#settle(id)
    if (isLong(id)) return
    this.#abandoned ??= new Map()
    this.#abandoned.set(id, token)
    if (token !== undefined && !isLong(token)) (this.#abandonedTokens ??= new Set()).add(token)
    const [oldest] = this.#abandoned.keys()
    if (this.#abandoned.size > maxAbandoned) this.#settle(oldest as Id)
  }

  #add(request: Frame): Frame {
    const { id, progressToken } = request as { id: Id; progressToken: Id | undefined }
    const hasNewId = this.#isUsed(id)
    const hasNewToken = progressToken !== undefined && this.#isToken(progressToken)
    const sent = hasNewId || hasNewToken ? this.#renew(request, hasNewId, hasNewToken) : request
    this.#pending.set(sent.id as Id, sent.progressToken)
    this.#counter.calls++
    if (sent.progressToken !== undefined) (this.#tokens ??= new Set()).add(sent.progressToken)
    return sent
  }

  #renew(request: Frame, hasNewId: boolean, hasNewToken: boolean): Frame {
    const { bytes, id, progressToken } = request
    do this.#lastId++
    while (this.#isUsed(this.#lastId) || this.#isToken(this.#lastId))
    const fresh = this.#lastId
    const changes: Change[] = []
    const change = (path: string[], own: Id): Original => {
      const span = findValue(bytes, path) as Span
      changes.push({ ...span, text: String(fresh) })
      return { id: own, text: textAt(bytes, span) }
    }
    if (hasNewId) {
      this.#originalIds ??= new Map()
      this.#originalIds.set(fresh, change(paths.id, id as Id))
      this.#newIds ??= new Map()
      const newIds = this.#newIds.get(id as Id) ?? new Set()
      this.#newIds.set(id as Id, newIds.add(fresh))
    }
    if (hasNewToken) {
      this.#originalTokens ??= new Map()
      this.#originalTokens.set(fresh, change(paths.requestToken, progressToken as Id))
    }
    const sent = request.withBytes(
      spliceAt(bytes, changes),
      hasNewId ? fresh : id,
      hasNewToken ? fresh : progressToken
    )
    originals.set(sent, request)
    return sent
  }

  /** If several requests in flight have the client's id, this cancels the oldest of them. */
  #cancel(frame: Frame): Frame {
    const own = idAt(frame, paths.cancelledId)
    if (own === undefined) return frame
    const isSame = this.#pending.has(own) && this.#originalIds?.has(own) !== true
    const [renewed] = this.#newIds?.get(own) ?? []
    const id = isSame ? own : renewed
    if (id === undefined) return frame
    this.abandon(id)
    return isSame ? frame : replace(frame, paths.cancelledId, { id, text: String(id) })
  }

  #forgetOriginal(id: Id, originalIds: Map<Id, Original>): void {
    const original = originalIds.get(id)
    if (original === undefined) return
    originalIds.delete(id)
    const newIds = this.#newIds?.get(original.id)
    newIds?.delete(id)
    if (newIds?.size === 0) this.#newIds?.delete(original.id)
  }

  #isUsed(id: Id): boolean {
    return this.#pending.has(id) || this.#abandoned?.has(id) === true
  }

  #isToken(token: Id): boolean {
    return this.#tokens?.has(token) === true || this.#abandonedTokens?.has(token) === true
  }
}

function replace(frame: Frame, path: string[], { id, text }: Original): Frame {
  const bytes = splice(frame.bytes, [{ path, text }])
  if (path === paths.id) return frame.withBytes(bytes, id)
  return path === paths.progressToken
    ? frame.withBytes(bytes, undefined, id)
    : frame.withBytes(bytes)
}

const isLong = (id: Id): boolean => typeof id === 'string' && id.length > maxLength

/** Says for the log what was dropped: a frame of the server that no client waits for. */
export const describeDropped = ({ kind, id }: Frame): string =>
  kind === 'response'
    ? `dropped a response to no pending request (id ${jsonOf(id)})`
    : 'dropped the progress of a cancelled request'
