// The right side: the messages of the selected call, each as a tree of JSON that can be searched.

import { Component } from 'preact'
import type { ComponentChild, VNode } from 'preact'
import { withoutCurl } from '../model/curl.ts'
import { clock, duration, size } from '../model/format.ts'
import { patternOf } from '../model/filter.ts'
import type { JsonRow } from '../model/json-tree.ts'
import { maxFinds } from '../model/json-tree.ts'
import { visible } from '../model/visible.ts'
import { html } from './html.ts'
import type { Page, Part } from './page.ts'
import { nameOf } from './sidebar.ts'
import { VirtualList } from './virtual-list.ts'

const rowHeight = 20
/** Deeper levels have the same indent. */
const maxIndent = 24

interface Row {
  part: Part
  json?: JsonRow
  gap?: boolean
}

interface State {
  query: string
  /** The number of the find that is shown. */
  at: number
  /** The row to scroll to. */
  show: number | undefined
}

export class Detail extends Component<{ page: Page }, State> {
  override state: State = { query: '', at: -1, show: undefined }

  /** Each find: the part, and the place in its text. */
  #finds(query: string): { part: Part; offset: number }[] {
    const all = this.props.page.parts.flatMap((part) =>
      part.tree.find(query).map((offset) => ({ part, offset }))
    )
    return all.slice(0, maxFinds)
  }

  #go(by: number, query = this.state.query): void {
    const finds = this.#finds(query)
    if (finds.length === 0) return this.setState({ query, at: -1 })
    const at =
      (Math.max(by > 0 ? -1 : 0, this.state.query === query ? this.state.at : -1) +
        by +
        finds.length) %
      finds.length
    const { part, offset } = finds[at] as { part: Part; offset: number }
    const inner = part.tree.reveal(offset, query)
    const first = rowsOf(this.props.page.parts).findIndex((row) => row.part === part && row.json)
    this.setState({ query, at, show: first + inner })
  }

  override render({ page }: { page: Page }, { query, at, show }: State): VNode {
    const [first] = page.parts as [Part, ...Part[]]
    const { entry } = first
    const last = page.parts.at(-1)?.entry ?? entry
    const sent = page.parts.find((part) => withoutCurl(part.entry) === undefined)?.entry
    const reason = sent === undefined ? withoutCurl(entry) : undefined
    const session = page.store.sessionOf(entry)
    const rows = rowsOf(page.parts)
    const finds = query === '' ? [] : this.#finds(query)
    const pattern = query === '' ? undefined : patternOf(query)
    return html`<section class="detail" aria-label="Selected message">
      <header>
        <h2>
          ${visible(entry.method ?? 'Response', 120)}
          ${entry.name !== undefined && html`<span class="name">${visible(entry.name, 200)}</span>`}
        </h2>
        <button
          class="icon"
          aria-label="Close"
          title="Close (Esc)"
          onClick=${() => page.select(undefined)}
        >
          ✕
        </button>
        <p class="facts">
          ${status(entry, last)}
          ${last.took !== undefined && html`<span>${duration(last.took)}</span>`}
          <span>${session === undefined ? `session ${entry.session}` : nameOf(session)}</span>
          ${session?.principal !== undefined && html`<span>${visible(session.principal, 80)}</span>`}
        </p>
        <div class="tools">
          <input
            type="search"
            id="json-search"
            placeholder="Search in this call"
            aria-label="Search in this call"
            value=${query}
            onInput=${(event: InputEvent) => this.#go(1, (event.target as HTMLInputElement).value)}
            onKeyDown=${(event: KeyboardEvent) => {
              if (event.key === 'Enter') this.#go(event.shiftKey ? -1 : 1)
            }}
          />
          <span class="finds" role="status">
            ${query !== '' && (finds.length === 0 ? 'none' : `${at + 1} of ${finds.length}${finds.length === maxFinds ? '+' : ''}`)}
          </span>
          <button
            disabled=${sent === undefined}
            title=${reason ?? 'Copy the call as a curl command line'}
            onClick=${() => sent !== undefined && void page.copyCurl(sent)}
          >
            Copy as curl
          </button>
        </div>
      </header>
      <${VirtualList}
        count=${rows.length}
        rowHeight=${rowHeight}
        show=${show}
        row=${(index: number) => this.#row(page, rows[index] as Row, index, index === show, pattern)}
        attributes=${{ class: 'tree', tabIndex: 0, role: 'tree', 'aria-label': 'JSON' }}
      />
    </section>`
  }

  #row(
    page: Page,
    row: Row,
    index: number,
    isCurrent: boolean,
    pattern: RegExp | undefined
  ): VNode {
    const { part, json } = row
    if (row.gap) return html`<div key=${index} class="json-row"></div>`
    if (json === undefined) return partHead(page, part, index)
    const { depth, fold } = json
    const indent = Math.min(depth, maxIndent) * 14 + 10
    const toggle = (): void => {
      part.tree.toggle(json.node)
      this.setState({})
    }
    return html`<div
      key=${index}
      class=${isCurrent ? 'json-row current' : 'json-row'}
      role="treeitem"
      aria-level=${depth + 1}
      aria-expanded=${fold === undefined ? undefined : fold === 'open'}
      style=${{ paddingLeft: `${indent}px` }}
    >
      ${
        fold === undefined
          ? html`<span class="fold"></span>`
          : html`<button
              class="fold"
              aria-label=${fold === 'open' ? 'Fold' : 'Unfold'}
              onClick=${toggle}
            >
              ${fold === 'open' ? '▾' : '▸'}
            </button>`
      }
      ${jsonText(part, json, pattern)}
    </div>`
  }
}

function rowsOf(parts: Part[]): Row[] {
  return parts.flatMap((part, index): Row[] => [
    ...(index > 0 ? [{ part, gap: true }] : []),
    { part },
    ...part.tree.rows.map((json) => ({ part, json }))
  ])
}

function status(entry: { kind: string }, last: Part['entry']): VNode {
  if (last.error !== undefined)
    return html`<span class="badge bad">${visible(String(last.error))}</span>`
  if (last.kind === 'response') return html`<span class="badge good">ok</span>`
  return html`<span class="badge"
    >${entry.kind === 'request' ? 'no response yet' : entry.kind}</span
  >`
}

function partHead(page: Page, { title, entry }: Part, index: number): VNode {
  const way = entry.from === 'client' ? '→' : '←'
  const cut = entry.cut ? ' · only the first part is here' : ''
  const about = `${clock(entry.time)} · ${size(entry.size)}${cut}`
  return html`<div key=${index} class=${`part-head from-${entry.from}`}>
    <span class="arrow">${way}</span><b>${title}</b>
    <span class="muted">${about}</span>
    <button class="link" onClick=${() => void page.copyText(entry.text)}>Copy JSON</button>
  </div>`
}

function jsonText(
  { tree: { text } }: Part,
  row: JsonRow,
  pattern: RegExp | undefined
): ComponentChild {
  const { node, close, line, fold, size } = row
  if (line !== undefined)
    return html`<span class="string text">${marked(visible(line), pattern)}</span>`
  if (close !== undefined) return html`<span class="mark">${close}</span>`
  const isMember = node.key?.startsWith('"')
  const key =
    node.key !== undefined &&
    html`<span class=${isMember ? 'key' : 'key index'}
        >${marked(visible(isMember ? node.key.slice(1, -1) : node.key, 120), pattern)}</span
      ><span class="mark">: </span>`
  const opening = text[node.start] as string
  if (node.kind !== 'object' && node.kind !== 'array') {
    const value =
      fold === 'open'
        ? lengthOf(node)
        : marked(visible(text.slice(node.start, Math.min(node.end, node.start + 600))), pattern)
    return html`${key}<span class=${fold === 'open' ? 'mark' : node.kind}>${value}</span>`
  }
  if (fold === 'open') return html`${key}<span class="mark">${opening}</span>`
  const closing = node.kind === 'object' ? '}' : ']'
  const things = node.kind === 'object' ? 'member' : 'item'
  const inside = size === undefined ? '' : ` ${size} ${things}${size === 1 ? '' : 's'} `
  return html`${key}<span class="mark">${opening}</span><span class="muted">${inside}</span
    ><span class="mark">${closing}</span>`
}

const lengthOf = ({ start, end }: { start: number; end: number }): string =>
  `text, ${(end - start - 2).toLocaleString('en-US')} characters`

/** Marks the first find in a text. */
function marked(text: string, pattern: RegExp | undefined): ComponentChild {
  const found = pattern?.exec(text)
  if (!found) return text
  const { index, 0: part } = found
  return [text.slice(0, index), html`<mark>${part}</mark>`, text.slice(index + part.length)]
}
