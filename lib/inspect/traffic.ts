// Makes entries of the facts of this process, or of the lines of a recording. It joins each response,
// each progress notification and each cancellation with its request.
//
// A message costs an entry and a string. Its bytes are not kept: those of a frame may be a
// small part of a large chunk, which would stay in memory. JSON is made only when a page is open.

import { codeOf } from '../errors.ts'
import { idAt } from '../message/frame.ts'
import type { Frame } from '../message/frame.ts'
import type { Id } from '../protocol/json-rpc.ts'
import { methods } from '../protocol/methods.ts'
import { paths } from '../protocol/paths.ts'
import type { FactClient, ProcessFact, RefusalFact, SessionFact } from '../streams/facts.ts'
import { toLine } from '../text.ts'
import { hasFailed, targetOf } from '../watchers/calls.ts'
import type { Target } from '../watchers/calls.ts'
import type { MessageEntry, Session } from './entries.ts'
import { Ring } from './ring.ts'

/** A client in a recording has a name only. */
export type Client = Omit<FactClient, 'kind'> & { kind: Session['kind'] }

interface Call extends Target {
  seq: number
  time: number
}

/** What is known about a client. */
interface Known {
  info: Session
  /** The requests of each side without a response, by their ids. */
  pending: Record<Side, Map<Id, Call>>
  /** The requests of each side that may get progress, by their tokens. */
  tokens: Record<Side, Map<Id, Call>>
}

type Side = 'client' | 'server'

/** The longest text of a message that a page gets, in bytes. */
export const maxText = 2 * 1024 * 1024
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

  onMessage(
    client: Client,
    { from, frame, delivered }: { from: Side; frame: Frame; delivered: boolean },
    time = now()
  ): void {
    const known = this.#clients.get(client) ?? this.#open(client, time)
    const size = frame.bytes.length
    const entry: MessageEntry = {
      seq: this.ring.end,
      time,
      type: 'message',
      session: known.info.session,
      from,
      kind: frame.kind,
      size,
      undelivered: delivered ? undefined : true,
      cut: size > maxText ? true : undefined,
      method: undefined,
      name: undefined,
      call: undefined,
      took: undefined,
      error: undefined,
      text: size > maxText ? frame.bytes.toString('utf8', 0, maxText) : frame.toString()
    }
    if (frame.kind === 'response') joinResponse(known, frame, entry)
    else joinOther(known, frame, entry)
    this.ring.push(entry)
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

/** Sets the members of a response that depend on its request. */
function joinResponse(
  known: Known,
  { id, errorCode, failure, bytes }: Frame,
  entry: MessageEntry
): void {
  const pending = known.pending[entry.from === 'client' ? 'server' : 'client']
  const call = pending.get(id as Id)
  if (call !== undefined) {
    pending.delete(id as Id)
    entry.method = call.method
    entry.name = call.name
    entry.call = call.seq
    entry.took = rounded(entry.time - call.time)
  }
  if (errorCode !== undefined) entry.error = failure?.code ?? errorCode
  else if (call?.method === methods.callTool && hasFailed(bytes)) {
    entry.error = 'tool error'
  }
}

/** Sets the members of a request or a notification that depend on what it names. */
function joinOther(known: Known, frame: Frame, entry: MessageEntry): void {
  const { method, name } = targetOf(frame)
  const { from, seq, time } = entry
  const { id, progressToken: token } = frame
  entry.method = method
  entry.name = name
  if (frame.kind === 'request') {
    const call = { method, name, seq, time }
    remember(known.pending[from], id as Id, call, maxPending)
    if (token !== undefined) remember(known.tokens[from], token, call, maxPending)
    return
  }
  const call = callOf(known, frame, from)
  if (call === undefined) return
  entry.name = call.name
  entry.call = call.seq
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

/** The clock of the entries. More digits would only make the JSON longer. */
const now = (): number => rounded(performance.timeOrigin + performance.now())

const rounded = (time: number): number => Math.round(time * 1000) / 1000
