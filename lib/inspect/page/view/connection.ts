// Receives the events of the proxy.

import type { AnyEntry, Hello, Sessions } from '../../entries.ts'
import type { Page } from './page.ts'

/** Connects to the proxy. The browser connects again by itself. */
export function connect(page: Page): void {
  const source = new EventSource('events')
  const dataOf = (event: Event): unknown => JSON.parse((event as MessageEvent<string>).data)
  source.addEventListener('hello', (event) => page.onHello(dataOf(event) as Hello))
  source.addEventListener('sessions', (event) => page.onSessions(dataOf(event) as Sessions))
  source.addEventListener('message', (event) => page.onEntries(dataOf(event) as AnyEntry[]))
  source.addEventListener('error', () => {
    page.connection = 'lost'
    page.redraw()
  })
}
