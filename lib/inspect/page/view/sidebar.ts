// The list on the left: the sessions, and who they are.

import type { VNode } from 'preact'
import { count } from '../model/format.ts'
import type { KnownSession } from '../model/store.ts'
import { visible } from '../model/visible.ts'
import { html } from './html.ts'
import type { Page } from './page.ts'

/** How many sessions the list shows: the newest. The filter box finds the others. */
const maxShown = 200

export const nameOf = ({ session, client, id }: KnownSession): string =>
  `#${session} ${visible(client ?? (id || 'client'), 60)}`

export function Sidebar({ page }: { page: Page }): VNode {
  const all = [...page.store.sessions.values()].reverse()
  const total = all.reduce((sum, { messages }) => sum + messages, 0)
  return html`<nav class="sidebar" aria-label="Sessions">
    <h2>Sessions</h2>
    <ul>
      <li>
        <button
          class="session-button"
          aria-pressed=${page.session === undefined}
          onClick=${() => choose(page, undefined)}
        >
          <span class="line"><b>All sessions</b><span class="count">${count(total)}</span></span>
        </button>
      </li>
      ${all.slice(0, maxShown).map((session) => item(page, session))}
    </ul>
    ${
      all.length > maxShown &&
      html`<p class="hint">
        ${count(all.length - maxShown)} older ones: filter with session:NUMBER
      </p>`
    }
  </nav>`
}

function item(page: Page, session: KnownSession): VNode {
  const { session: number, kind, id, server, principal, address, client, open } = session
  const who = [principal, address, kind === 'recorded' ? undefined : server || 'default server']
  const what = kind === 'session' ? id : kind === 'recorded' ? '' : `${kind}, no session`
  const about = [...who, what].filter(Boolean).join(' · ')
  return html`<li key=${number}>
    <button
      class="session-button"
      aria-pressed=${page.session === number}
      onClick=${() => choose(page, page.session === number ? undefined : number)}
      title=${visible(about)}
    >
      <span class="line">
        <span
          class=${open ? 'dot on' : 'dot'}
          role="img"
          aria-label=${open ? 'open' : 'ended'}
        ></span>
        <b>${visible(client ?? (id || 'client'), 60)}</b>
        <span class="number">#${number}</span>
        ${session.errors > 0 && html`<span class="badge bad" aria-label="errors">${count(session.errors)}</span>`}
        <span class="count">${count(session.messages)}</span>
      </span>
      <span class="about">${visible(about, 120)}</span>
    </button>
  </li>`
}

function choose(page: Page, session: number | undefined): void {
  page.session = session
  page.follow = true
  page.applyFilter()
}
