// The state of the page. Everything that changes it calls `redraw`, which draws at most once a frame.

import type { AnyEntry, Hello, MessageEntry, Session, Sessions } from '../../entries.ts'
import { curlLine } from '../model/curl.ts'
import { isError, parseFilter } from '../model/filter.ts'
import { JsonTree } from '../model/json-tree.ts'
import { toRecording } from '../model/recording.ts'
import { Store } from '../model/store.ts'
import { copy, saveFile } from './browser.ts'

/** How long the page may look at entries before it draws, in ms. */
const lookTime = 8

export type Connection = 'connecting' | 'live' | 'lost'

/** What the right side shows about the selected message. */
export interface Part {
  title: string
  entry: MessageEntry
  tree: JsonTree
}

const titles = { request: 'Request', notification: 'Notification', response: 'Response' }

export class Page {
  readonly store = new Store()
  hello: Hello | undefined
  connection: Connection = 'connecting'
  filter = ''
  errorsOnly = false
  /** The number of the session that is shown alone. */
  session: number | undefined
  /** The times that are shown, as Unix times in ms. */
  range: [from: number, to: number] | undefined
  /** Whether the list stays at its end. */
  follow = true
  selected: number | undefined
  parts: Part[] = []
  /** What a screen reader reads, and what a note at the bottom shows. */
  note = ''
  looking = false
  readonly #draw: (page: Page) => void
  /** While the page is paused, it shows the entries before this number. */
  #pausedAt = Infinity
  #frame = 0
  #noteTimer = 0

  constructor(draw: (page: Page) => void) {
    this.#draw = draw
  }

  redraw = (): void => {
    if (this.#frame === 0) this.#frame = requestAnimationFrame(this.#onFrame)
  }

  onHello(hello: Hello): void {
    this.hello = hello
    this.connection = 'live'
    // Live traffic is read from its end, and a recording from its start.
    if (hello.file !== undefined) this.follow = false
    document.title = `${hello.file === undefined ? 'Traffic' : (hello.file.split('/').at(-1) ?? '')} · mcp-proxy`
    this.redraw()
  }

  onEntries(entries: AnyEntry[]): void {
    this.store.add(entries)
    this.redraw()
  }

  onSessions(sessions: Sessions): void {
    this.store.onSessions(sessions)
    this.redraw()
  }

  get paused(): boolean {
    return this.#pausedAt !== Infinity
  }

  /** How many entries came since the page was paused. */
  get waiting(): number {
    return this.store.entries.length - this.store.indexOf(this.#pausedAt)
  }

  togglePause(): void {
    this.#pausedAt = this.paused ? Infinity : (this.store.entries.at(-1)?.seq ?? -1) + 1
    this.redraw()
  }

  /** Uses the filter box, the buttons and the plots together. */
  applyFilter(): void {
    const words = parseFilter(this.filter, this.store)
    const { errorsOnly, session, range } = this
    this.store.setFilter(
      (entry) =>
        (!errorsOnly || isError(entry)) &&
        (session === undefined || this.#isOf(entry, session)) &&
        (range === undefined || (entry.time >= range[0] && entry.time <= range[1])) &&
        words(entry)
    )
    this.redraw()
  }

  clear(): void {
    this.store.clear()
    this.select(undefined)
  }

  select(seq: number | undefined): void {
    this.selected = seq
    const entry = seq === undefined ? undefined : this.store.find(seq)
    this.parts = entry?.type === 'message' ? this.#partsOf(entry) : []
    this.redraw()
  }

  /** Selects another row of the list. */
  move(by: number): void {
    const { shown } = this.store
    if (shown.length === 0) return
    const index = this.selected === undefined ? -1 : this.store.indexOf(this.selected, shown)
    const next = index === -1 ? (by > 0 ? 0 : shown.length - 1) : index + by
    this.follow = false
    this.select(shown[Math.max(0, Math.min(shown.length - 1, next))]?.seq)
  }

  save(): void {
    const { lines, left } = toRecording(this.store.shown, (session) =>
      this.store.sessions.get(session)
    )
    const time = new Date().toISOString().replace(/[:.]/g, '-')
    saveFile(`traffic-${time}.ndjson`, lines)
    this.say(
      `${lines.length} messages saved${left > 0 ? `; ${left} are left out: the page has only a part of them` : ''}`
    )
  }

  async copyCurl(entry: MessageEntry): Promise<void> {
    const session: Session | undefined = this.store.sessionOf(entry)
    const url = this.hello?.urls[session?.server ?? '']
    const needsToken = this.hello?.needsToken === true
    const line = curlLine(entry, { url, needsToken, session })
    const variables = [...new Set(line.match(/\$MCP_[A-Z]+(?=["'])/g) ?? [])].map((name) =>
      name.slice(1)
    )
    const note = variables.length > 0 ? `; set ${variables.join(' and ')} before you run it` : ''
    this.say((await copy(line)) ? `curl line copied${note}` : 'the browser does not allow to copy')
  }

  async copyText(text: string): Promise<void> {
    this.say((await copy(text)) ? 'JSON copied' : 'the browser does not allow to copy')
  }

  say(note: string): void {
    this.note = note
    clearTimeout(this.#noteTimer)
    this.#noteTimer = setTimeout(() => {
      this.note = ''
      this.redraw()
    }, 5000)
    this.redraw()
  }

  #isOf(entry: AnyEntry, session: number): boolean {
    if ('session' in entry) return entry.session === session
    // What a server says on stderr belongs to each of its sessions.
    return entry.type !== 'refusal' && entry.server === this.store.sessions.get(session)?.server
  }

  #partsOf(entry: MessageEntry): Part[] {
    const call = this.store.callOf(entry)
    const messages = call.includes(entry) ? call : [entry, ...call]
    // A call may have had thousands of progress notifications.
    const few = messages.length > 50 ? [...messages.slice(0, 25), ...messages.slice(-25)] : messages
    return few.map((entry) => {
      const title = titles[entry.kind]
      return { title, entry, tree: new JsonTree(entry.text) }
    })
  }

  #onFrame = (): void => {
    this.#frame = 0
    const end = performance.now() + lookTime
    this.looking = !this.store.look(() => performance.now() > end, this.#pausedAt)
    if (this.looking) this.redraw()
    this.#refreshParts()
    this.#draw(this)
  }

  /** The response to the selected request may come later. */
  #refreshParts(): void {
    const [first] = this.parts
    if (first?.entry.kind !== 'request' || this.parts.at(-1)?.entry.kind === 'response') return
    const response = this.store.responseTo(first.entry.seq)
    if (response !== undefined) {
      this.parts = [
        ...this.parts,
        { title: 'Response', entry: response, tree: new JsonTree(response.text) }
      ]
    }
  }
}
