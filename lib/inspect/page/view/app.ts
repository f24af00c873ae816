// The page as a whole: the bar at the top, the sessions, the plots, the list, and the selected message.

import type { VNode } from 'preact'
import { clock, count } from '../model/format.ts'
import { Detail } from './detail.ts'
import { html } from './html.ts'
import type { Page } from './page.ts'
import { Plots } from './plots.ts'
import { Sidebar } from './sidebar.ts'
import { Timeline } from './timeline.ts'

export function App({ page }: { page: Page }): VNode {
  const hasDetail = page.parts.length > 0
  return html`<div class=${hasDetail ? 'app with-detail' : 'app'}>
    ${bar(page)}
    <${Sidebar} page=${page} />
    <main>
      <${Plots} page=${page} />
      <${Timeline} page=${page} />
    </main>
    ${hasDetail && html`<${Detail} key=${page.parts[0]?.entry.seq} page=${page} />`}
    <div class=${page.note === '' ? 'note' : 'note shown'} role="status">${page.note}</div>
  </div>`
}

function bar(page: Page): VNode {
  const { store, hello } = page
  const errors = [...store.sessions.values()].reduce((sum, session) => sum + session.errors, 0)
  return html`<header class="bar">
    <h1>
      mcp-proxy <span class="muted">${hello?.file === undefined ? 'traffic' : 'recording'}</span>
    </h1>
    <div class="filter-box">
      <input
        id="filter"
        type="search"
        spellcheck="false"
        autocomplete="off"
        placeholder="Filter: text, method:tools/call, tool:name, session:1, server:name, is:error, -word"
        aria-label="Filter. Words with method:, tool:, session:, server:, error: or is: look at one member; other words at the whole message."
        value=${page.filter}
        onInput=${(event: InputEvent) => {
          page.filter = (event.target as HTMLInputElement).value
          page.applyFilter()
        }}
      />
      <kbd aria-hidden="true">/</kbd>
    </div>
    ${
      page.range !== undefined &&
      html`<button class="chip" aria-label="Show all times" onClick=${() => removeRange(page)}>
        ${clock(page.range[0]).slice(0, 8)} – ${clock(page.range[1]).slice(0, 8)} ✕
      </button>`
    }
    <button
      class="toggle"
      aria-pressed=${page.errorsOnly}
      onClick=${() => {
        page.errorsOnly = !page.errorsOnly
        page.applyFilter()
      }}
    >
      Errors only ${errors > 0 && html`<span class="badge bad">${count(errors)}</span>`}
    </button>
    <span class="shown" role="status" aria-live="off">${counts(page)}</span>
    <span class="grow"></span>
    ${hello?.file === undefined && live(page)}
    <button
      onClick=${() => page.save()}
      disabled=${store.shown.length === 0}
      title="Save what is shown as a recording"
    >
      Save
    </button>
    <button onClick=${() => page.clear()} disabled=${store.entries.length === 0}>Clear</button>
  </header>`
}

function counts({ store, looking, filter }: Page): string {
  const all = store.entries.length
  const isFiltered = store.shown.length !== all
  const text =
    isFiltered || filter !== '' ? `${count(store.shown.length)} of ${count(all)}` : count(all)
  const dropped = store.dropped > 0 ? `, ${count(store.dropped)} dropped` : ''
  return `${text}${looking ? '…' : ''}${dropped}`
}

function live(page: Page): VNode {
  const { connection, paused } = page
  const [state, text] =
    connection === 'lost'
      ? ['lost', 'Disconnected']
      : paused
        ? ['paused', `Paused${page.waiting > 0 ? `, ${count(page.waiting)} new` : ''}`]
        : ['live', connection === 'live' ? 'Live' : 'Connecting']
  return html`<span class=${`state ${state}`} role="status"><span class="dot"></span>${text}</span>
    <button onClick=${() => page.togglePause()}>${paused ? 'Resume' : 'Pause'}</button>`
}

function removeRange(page: Page): void {
  page.range = undefined
  page.applyFilter()
}
