// Makes entries of the facts of this process, or of the lines of a recording. It joins each response,
// each progress notification and each cancellation with its request.
//
// The ring copies the bytes of a message: those of a frame may be a small part of a large chunk, which
// would stay in memory. Entries and their JSON are made only when a page is open.

import { codeOf } from '../errors.ts'
import { idAt } from '../message/frame.ts'
import type { Frame } from '../message/frame.ts'
import type { Id } from '../protocol/json-rpc.ts'
import { methods } from '../protocol/methods.ts'
import { paths } from '../protocol/paths.ts'
import type { FactClient, ProcessFact, RefusalFact, SessionFact } from '../streams/facts.ts'
import { toLine } from '../text.ts'
import { hasFailed, targetOf } from '../watchers/calls.ts'
import type { Session } from './entries.ts'
import { Ring, rounded } from './ring.ts'
import type { Passed, Subject } from './ring.ts'

/** A client in a recording has a name only. */
export type Client = Omit<FactClient, 'kind'> & { kind: Session['kind'] }

/** A request: `call` is its own entry. */
type Call = Subject & { readonly call: number }

/** What is known about a client. */
interface Known {
  info: Session
  /** The requests of each side without a response, by their ids. */
  pending: Record<Side, Map<Id, Call>>
  /** The requests of each side that may get progress, by their tokens. */
  tokens: Record<Side, Map<Id, Call>>
}

type Side = 'client' | 'server'

/** How many requests of a client wait for their responses. The oldest is forgotten: see `remember`. */
const maxPending = 10_000
/** How many sessions a page can name. */
export const maxSessions = 5000

export class Traffic {
  readonly ring: Ring
  readonly #clients = new WeakMap<Client, Known>()
  /** By their numbers. */
  readonly #sessions = new Map<number, Session>()
  /** The clients without a session, by what they have in common. */
  readonly #groups = new Map<string, Session>()
  #lastSession = 0

  /** @param maxBytes how much memory the entries may take (0: no limit) */
  constructor(maxBytes: number) {
    this.ring = new Ring(maxBytes)
  }

  /** The sessions that a page can name. */
  get sessions(): Session[] {
    return [...this.#sessions.values()]
  }

  onSession({ type, client, error }: SessionFact, time = now()): void {
    const known = this.#clients.get(client)
    if (type === 'open') {
      if (known === undefined) this.#open(client, time)
      return
    }
    if (known === undefined || client.kind !== 'session') return
    const seq = this.ring.end
    this.ring.push({ seq, time, type: 'end', ...known.info, error: codeOf(error) })
  }

  onMessage(client: Client, passed: Passed, time = now()): void {
    const known = this.#clients.get(client) ?? this.#open(client, time)
    const { from, frame } = passed
    const { session } = known.info
    if (frame.kind !== 'response') {
      const subject = this.#subjectOf(known, frame, from, time)
      return this.ring.pushMessage(time, session, passed, subject, undefined)
    }
    const call = takeCall(known.pending[from === 'client' ? 'server' : 'client'], frame.id as Id)
    this.ring.pushMessage(time, session, passed, call, errorOf(frame, call))
  }

  onRefusal(fact: RefusalFact, time = now()): void {
    const { error, httpMethod, path, server, principal, address } = fact
    // The query may have the id of a session.
    const request = httpMethod && toLine(`${httpMethod} ${path?.replace(/\?.*$/s, '')}`)
    const { code } = error
    const message = toLine(error.message)
    const who = { server, principal, address: address || undefined }
    this.ring.push({
      seq: this.ring.end,
      time,
      type: 'refusal',
      error: code,
      message,
      request,
      ...who
    })
  }

  onProcess(fact: ProcessFact, time = now()): void {
    const { type, server, pid, command, line, exitCode, signal } = fact
    const end = type === 'exit' ? String(signal ?? exitCode) : undefined
    this.ring.push({ seq: this.ring.end, time, type, server, pid, command, line, end })
  }

  /** Returns what a request or a notification is about. */
  #subjectOf(known: Known, frame: Frame, from: Side, time: number): Subject {
    const { method, name } = targetOf(frame)
    const { id, progressToken: token } = frame
    if (frame.kind === 'request') {
      const call = { method, name, call: this.ring.end, time }
      remember(known.pending[from], id as Id, call, maxPending)
      if (token !== undefined) remember(known.tokens[from], token, call, maxPending)
      return call
    }
    const call = callOf(known, frame, from)
    return { method, name: call === undefined ? name : call.name, call: call?.call, time }
  }

  #open(client: Client, time: number): Known {
    const info = this.#infoOf(client, time)
    const known = {
      info,
      pending: { client: new Map(), server: new Map() },
      tokens: { client: new Map(), server: new Map() }
    }
    this.#clients.set(client, known)
    return known
  }

  #infoOf(client: Client, time: number): Session {
    const { kind, server, principal, address } = client
    const hasOwn = kind === 'session' || kind === 'recorded'
    const key = JSON.stringify([kind, server, principal, address])
    const group = hasOwn ? undefined : this.#groups.get(key)
    if (group !== undefined) return group
    // A client that knows the id of a session can use the session, so the page gets only a part of the id.
    // The name of a session in a recording is no secret.
    const id = kind === 'session' ? client.session.slice(0, 8) : hasOwn ? client.session : ''
    const session = ++this.#lastSession
    const info: Session = { session, kind, id, server, principal, address: address || undefined }
    remember(this.#sessions, session, info, maxSessions)
    if (!hasOwn) remember(this.#groups, key, info, maxSessions)
    this.ring.push({ seq: this.ring.end, time, type: 'open', ...info })
    return info
  }
}

/** Returns the request with an id, which gets its response. */
function takeCall(pending: Map<Id, Call>, id: Id): Call | undefined {
  const call = pending.get(id)
  if (call !== undefined) pending.delete(id)
  return call
}

/** Returns what went wrong, by the response to a call. */
function errorOf(
  { errorCode, failure, bytes }: Frame,
  call: Call | undefined
): number | string | undefined {
  if (errorCode !== undefined) return failure?.code ?? errorCode
  return call?.method === methods.callTool && hasFailed(bytes) ? 'tool error' : undefined
}

/** Returns the call that a notification is about. */
function callOf(known: Known, frame: Frame, from: Side): Call | undefined {
  if (frame.progressToken !== undefined) {
    return known.tokens[from === 'client' ? 'server' : 'client'].get(frame.progressToken)
  }
  const cancelled = frame.method === methods.cancelled ? idAt(frame, paths.cancelledId) : undefined
  return cancelled === undefined ? undefined : known.pending[from].get(cancelled)
}

/** Sets an entry of a map, and deletes the oldest entry if there are too many. */
function remember<Key, Value>(map: Map<Key, Value>, key: Key, value: Value, max: number): void {
  map.set(key, value)
  if (map.size <= max) return
  const [oldest] = map.keys()
  map.delete(oldest as Key)
}

const { timeOrigin } = performance

/** The clock of the entries. More digits would only make the JSON longer. */
const now = (): number => rounded(timeOrigin + performance.now())
