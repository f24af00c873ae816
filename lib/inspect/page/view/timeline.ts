// The list in the middle: a row for each entry, in the order of time.

import type { VNode } from 'preact'
import type {
  AnyEntry,
  MessageEntry,
  ProcessEntry,
  RefusalEntry,
  SessionEntry
} from '../../entries.ts'
import { isError } from '../model/filter.ts'
import { clock, duration, size } from '../model/format.ts'
import { visible } from '../model/visible.ts'
import { html } from './html.ts'
import type { Page } from './page.ts'
import { nameOf } from './sidebar.ts'
import { VirtualList } from './virtual-list.ts'

export const rowHeight = 26

export function Timeline({ page }: { page: Page }): VNode {
  const { shown } = page.store
  const index = page.selected === undefined ? -1 : page.store.indexOf(page.selected, shown)
  const isShown = shown[index]?.seq === page.selected
  const { removed } = page.store
  page.store.removed = 0
  return html`<section class="timeline" aria-label="Traffic">
    <div class="heads" aria-hidden="true">
      <span>Time</span><span></span><span>Message</span><span>Session</span>
      <span class="right">Took</span><span class="right">Size</span>
    </div>
    <${VirtualList}
      count=${shown.length}
      rowHeight=${rowHeight}
      removed=${removed}
      follow=${page.follow}
      show=${isShown ? index : undefined}
      onScroll=${(isAtEnd: boolean) => {
        if (page.follow === isAtEnd) return
        page.follow = isAtEnd
        page.redraw()
      }}
      row=${(index: number) => row(page, shown[index] as AnyEntry, index)}
      attributes=${{
        class: 'list',
        id: 'list',
        tabIndex: 0,
        role: 'listbox',
        'aria-label': 'Messages, newest last',
        'aria-activedescendant': isShown ? `row-${page.selected}` : undefined
      }}
    />
    ${shown.length === 0 && html`<p class="empty">${emptyText(page)}</p>`}
    ${
      !page.follow &&
      shown.length > 0 &&
      html`<button
        class="newest"
        onClick=${() => {
          page.follow = true
          page.redraw()
        }}
      >
        ↓ Newest
      </button>`
    }
  </section>`
}

function emptyText({ store, looking, connection, hello }: Page): string {
  if (looking) return 'Searching…'
  if (store.entries.length > 0) return 'Nothing matches the filter. Press Esc to remove it.'
  if (connection !== 'live') return 'Connecting…'
  return hello?.file === undefined ? 'No traffic yet. It appears here as it passes.' : 'Loading…'
}

function row(page: Page, entry: AnyEntry, index: number): VNode {
  const isSelected = entry.seq === page.selected
  const isOfCall = page.parts.some((part) => part.entry.seq === entry.seq)
  const classes = [
    'row',
    entry.type === 'message' ? `from-${entry.from}` : `is-${entry.type}`,
    isError(entry) && 'error',
    isSelected ? 'selected' : isOfCall && 'related'
  ]
  return html`<div
    key=${entry.seq}
    id=${`row-${entry.seq}`}
    class=${classes.filter(Boolean).join(' ')}
    role="option"
    aria-selected=${isSelected}
    aria-posinset=${index + 1}
    aria-setsize=${page.store.shown.length}
    aria-label=${labelOf(entry)}
    onClick=${() => {
      page.follow = false
      page.select(entry.seq)
    }}
  >
    <span class="time">${clock(entry.time)}</span>
    ${entry.type === 'message' ? messageCells(page, entry) : otherCells(page, entry)}
  </div>`
}

function messageCells(page: Page, entry: MessageEntry): VNode {
  const response = entry.kind === 'request' ? page.store.responseTo(entry.seq) : undefined
  const took = entry.took ?? response?.took
  const isWaiting = entry.kind === 'request' && response === undefined
  const session = page.store.sessionOf(entry)
  return html`<span class="arrow">${entry.from === 'client' ? '→' : '←'}</span>
    <span class="what">
      <span class=${`method ${entry.kind}`}>${visible(entry.method ?? 'response', 120)}</span>
      ${entry.name !== undefined && html`<span class="name">${visible(entry.name, 200)}</span>`}
      ${entry.error !== undefined && html`<span class="badge bad">${visible(String(entry.error))}</span>`}
      ${response?.error !== undefined && html`<span class="badge bad">${visible(String(response.error))}</span>`}
      ${entry.undelivered && html`<span class="badge warn">not delivered</span>`}
      ${entry.cut && html`<span class="badge warn">cut</span>`}
    </span>
    <span class="session">${session === undefined ? `#${entry.session}` : nameOf(session)}</span>
    <span class="right took">${took === undefined ? (isWaiting ? '…' : '') : duration(took)}</span>
    <span class="right size">${size(entry.size)}</span>`
}

function otherCells(page: Page, entry: Exclude<AnyEntry, MessageEntry>): VNode {
  switch (entry.type) {
    case 'stderr':
      return html`<span class="arrow">!</span>
        <span class="what wide"><code>${visible(entry.line ?? '', 1000)}</code></span>
        <span class="session">${visible(entry.server || 'default', 60)}</span>`
    default:
      return html`<span class="arrow">${glyphs[entry.type]}</span>
        <span class="what wide">${sentenceOf(entry)}</span>
        <span class="session">${whoOf(page, entry)}</span>`
  }
}

const glyphs = { open: '○', end: '●', refusal: '✕', start: '▲', exit: '▼', stderr: '!' }

function whoOf(page: Page, entry: SessionEntry | RefusalEntry | ProcessEntry): string {
  const session = page.store.sessionOf(entry)
  if (session !== undefined) return nameOf(session)
  const server = 'server' in entry ? entry.server || 'default' : undefined
  const { principal, address } = entry as RefusalEntry
  return visible(principal ?? address ?? server ?? '', 60)
}

function sentenceOf(entry: SessionEntry | RefusalEntry | ProcessEntry): string {
  switch (entry.type) {
    case 'open': {
      const who = [entry.principal, entry.address].filter(Boolean).join(' at ')
      const what = entry.kind === 'session' ? `Session ${entry.id} opens` : 'First message'
      return visible(`${what}${who && `, ${who}`}`)
    }
    case 'end':
      return visible(`Session ${entry.id} ends${entry.error ? `: ${entry.error}` : ''}`)
    case 'refusal':
      return visible([entry.error, entry.request, entry.message].filter(Boolean).join(' · '))
    case 'start':
      return visible(`Process ${entry.pid} starts: ${entry.command}`)
    default:
      return visible(`Process ${entry.pid} exits: ${entry.end}`)
  }
}

/** What a screen reader says about a row. */
function labelOf(entry: AnyEntry): string {
  if (entry.type === 'stderr')
    return `stderr of ${visible(entry.server || 'default')}: ${visible(entry.line ?? '')}`
  if (entry.type !== 'message') return sentenceOf(entry)
  const { from, kind, method = 'unknown method', name, error, took } = entry
  return [
    `${kind} from ${from}: ${visible(method)}`,
    name && visible(name),
    error !== undefined && `error ${visible(String(error))}`,
    took !== undefined && `after ${duration(took)}`,
    `session ${entry.session}`,
    size(entry.size)
  ]
    .filter(Boolean)
    .join(', ')
}
