// What the page holds: the entries, the sessions, and which entries the filter shows. The filter looks at
// a part of the entries at a time, so neither a new filter nor a flood of messages stops the page.

import type { AnyEntry, MessageEntry, Session, Sessions } from '../../entries.ts'
import type { Matches, Names } from './filter.ts'

/** What the page knows about a session. */
export interface KnownSession extends Session {
  /** The name and the version of the client, from its first message. */
  client?: string | undefined
  open: boolean
  messages: number
  errors: number
}

/** The page holds as many entries as the proxy. */
const maxEntries = 100_000
/** How much text the page holds, in characters. */
const maxCharacters = 128 * 1024 * 1024
/** The largest message in which a client's name is looked for, in characters. */
const maxHello = 100_000

export class Store implements Names {
  /** In the order of their numbers. */
  entries: AnyEntry[] = []
  /** The entries that the filter shows. */
  shown: AnyEntry[] = []
  readonly sessions = new Map<number, KnownSession>()
  /** How many entries the page did not get. */
  dropped = 0
  /** How many of the shown entries went since the page looked last. */
  removed = 0
  readonly #max: number
  #matches: Matches = () => true
  /** The number of the next entry to look at. */
  #next = 0
  /** The responses, by the number of the request. */
  readonly #responses = new Map<number, MessageEntry>()
  #characters = 0

  constructor(max = maxEntries) {
    this.#max = max
  }

  add(entries: AnyEntry[]): void {
    for (const entry of entries) {
      this.entries.push(entry)
      if (entry.type === 'message') this.#onMessage(entry)
      else if (entry.type === 'open' || entry.type === 'end')
        this.#onSession(entry, entry.type === 'open')
    }
    if (this.entries.length > this.#max || this.#characters > maxCharacters) this.#trim()
  }

  onSessions({ sessions, dropped }: Sessions): void {
    this.dropped += dropped
    for (const session of sessions) {
      if (!this.sessions.has(session.session)) this.#onSession(session, true)
    }
  }

  /** Forgets all entries. */
  clear(): void {
    this.#next = (this.entries.at(-1)?.seq ?? -1) + 1
    this.entries = []
    this.shown = []
    this.#responses.clear()
    this.#characters = 0
  }

  setFilter(matches: Matches): void {
    this.#matches = matches
    this.shown = []
    this.removed = 0
    this.#next = 0
  }

  /**
   * Looks at entries until the time is over.
   *
   * @param isLate is called now and then
   * @param end the number of the first entry that is not looked at
   * @returns whether all entries are looked at
   */
  look(isLate: () => boolean, end = Infinity): boolean {
    let index = this.indexOf(this.#next)
    for (let looked = 1; index < this.entries.length; index++, looked++) {
      const entry = this.entries[index] as AnyEntry
      if (entry.seq >= end) break
      if (this.#matches(entry)) this.shown.push(entry)
      this.#next = entry.seq + 1
      if (looked % 200 === 0 && isLate()) return false
    }
    return true
  }

  /** Returns the entry with a number. */
  find(seq: number): AnyEntry | undefined {
    const entry = this.entries[this.indexOf(seq)]
    return entry?.seq === seq ? entry : undefined
  }

  /** Returns the index of the first entry whose number is not less than `seq`. */
  indexOf(seq: number, entries = this.entries): number {
    let low = 0
    let high = entries.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((entries[middle] as AnyEntry).seq < seq) low = middle + 1
      else high = middle
    }
    return low
  }

  responseTo(request: number): MessageEntry | undefined {
    return this.#responses.get(request)
  }

  /** Returns the messages of the call that an entry belongs to: the request, others, the response. */
  callOf(entry: MessageEntry): MessageEntry[] {
    const first = entry.call ?? entry.seq
    const end = this.#responses.get(first)
    const messages: MessageEntry[] = []
    for (let index = this.indexOf(first); index < this.entries.length; index++) {
      const other = this.entries[index] as AnyEntry
      if (other.type === 'message' && (other.seq === first || other.call === first)) {
        messages.push(other)
      }
      if (other === end) break
    }
    return messages
  }

  sessionOf(entry: AnyEntry): KnownSession | undefined {
    return 'session' in entry ? this.sessions.get(entry.session) : undefined
  }

  #onSession(session: Session, open: boolean): void {
    const known = this.sessions.get(session.session)
    if (known !== undefined) known.open = open
    else {
      const { kind, id, server, principal, address } = session
      const members = { session: session.session, kind, id, server, principal, address }
      this.sessions.set(session.session, { ...members, open, messages: 0, errors: 0 })
    }
  }

  #onMessage(entry: MessageEntry): void {
    this.#characters += entry.text.length
    if (entry.kind === 'response' && entry.call !== undefined)
      this.#responses.set(entry.call, entry)
    const session = this.sessions.get(entry.session)
    if (session === undefined) return
    session.messages++
    if (entry.error !== undefined) session.errors++
    if (session.client === undefined && entry.kind === 'request' && entry.from === 'client') {
      session.client = clientIn(entry)
    }
  }

  /** The tenth that is the oldest goes at once, because a shorter array costs a copy. */
  #trim(): void {
    const count = Math.ceil(this.entries.length / 10)
    for (const entry of this.entries.splice(0, count)) {
      if (entry.type !== 'message') continue
      this.#characters -= entry.text.length
      this.#responses.delete(entry.seq)
    }
    const first = this.entries[0]?.seq ?? 0
    const gone = this.indexOf(first, this.shown)
    this.shown.splice(0, gone)
    this.removed += gone
    if (this.#characters > maxCharacters && this.entries.length > 0) this.#trim()
  }
}

/** Reads the name and the version of a client. */
function clientIn({ text, method }: MessageEntry): string | undefined {
  if (text.length > maxHello || (method !== 'initialize' && !text.includes('/clientInfo"'))) return
  try {
    const { params } = JSON.parse(text) as Hello
    const info = params?.clientInfo ?? params?._meta?.['io.modelcontextprotocol/clientInfo']
    if (typeof info?.name !== 'string') return
    return typeof info.version === 'string' ? `${info.name} ${info.version}` : info.name
  } catch {
    return undefined
  }
}

interface Info {
  name?: unknown
  version?: unknown
}

interface Hello {
  params?: { clientInfo?: Info; _meta?: { 'io.modelcontextprotocol/clientInfo'?: Info } }
}
