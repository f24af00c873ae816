// Sends the entries to one page, as events of an event stream. It has a place in the ring and sends a
// batch from there now and then, so no message waits for a page and no memory is kept for one. If the page
// does not read, the place stays.
//
// A page gets all entries of a burst, and some a second of traffic that is faster for long: nobody reads
// thousands of messages a second, and to write them would slow the traffic. It learns how many entries it
// does not get.

import type { ServerResponse } from 'node:http'
import type { Hello, Sessions } from './entries.ts'
import { toJson } from './ring.ts'
import type { Traffic } from './traffic.ts'

/** The time between two batches, in ms. */
const interval = 100
/** The time between two batches of what happened before the page opened, in ms. */
const shortInterval = 20
/** The most entries of a batch. */
const maxBatch = 2000
/** How many entries a second a page gets for long. */
export const maxRate = 1000
/** How many more entries it gets in a burst. */
export const maxBurst = 20_000
/** The size of an event, in characters. Its last message may make it larger. */
const maxEvent = 32 * 1024
/** How many bytes may wait for a page before the next batch. */
const maxWaiting = 1024 * 1024
/** How far a page may be behind the traffic, in ms. Then it continues at the newest entries. */
const maxLag = 2000

export class PageStream {
  readonly #response: ServerResponse
  readonly #traffic: Traffic
  /** The entries before it were there when the page opened. */
  readonly #history: number
  #timer: NodeJS.Timeout
  /** The number of the next entry to send. */
  #next: number
  /** How many entries may be sent now. It grows with the time. */
  #allowed = maxBurst

  /** @param next the number of the first entry that the page does not have yet */
  constructor(response: ServerResponse, traffic: Traffic, hello: Hello, next = 0) {
    this.#response = response
    this.#traffic = traffic
    this.#history = traffic.ring.end
    this.#next = next
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write(`retry: 1000\nevent: hello\ndata: ${JSON.stringify(hello)}\n\n`)
    this.#writeSessions(Math.max(0, traffic.ring.start - next))
    this.#timer = setTimeout(this.#send, 0)
    response.once('close', () => clearTimeout(this.#timer))
  }

  #send = (): void => {
    const { ring } = this.#traffic
    const isHistory = this.#next < this.#history
    this.#timer = setTimeout(this.#send, isHistory ? shortInterval : interval)
    if (!isHistory) this.#allowed = Math.min(maxBurst, this.#allowed + inTime(interval))
    if (this.#response.writableLength > maxWaiting) return
    const count = Math.min(maxBatch, isHistory ? maxBatch : this.#allowed)
    const isLate = !isHistory && ring.end - this.#next > this.#allowed + inTime(maxLag)
    const first = Math.max(ring.start, isLate ? ring.end - count : this.#next)
    if (first > this.#next) this.#writeSessions(first - this.#next)
    this.#next = first
    const end = Math.min(ring.end, first + count)
    while (this.#next < end && this.#response.writableLength <= maxWaiting) this.#sendEvent(end)
    if (!isHistory) this.#allowed -= this.#next - first
  }

  /** Sends an event with the next entries, at most those before `end`. */
  #sendEvent(end: number): void {
    let entries = ''
    while (this.#next < end && entries.length < maxEvent) {
      const json = toJson(this.#traffic.ring.at(this.#next++))
      entries += entries === '' ? json : `,${json}`
    }
    this.#response.write(`id: ${this.#next}\ndata: [${entries}]\n\n`)
  }

  #writeSessions(dropped: number): void {
    this.#next += dropped
    const data: Sessions = { sessions: this.#traffic.sessions, dropped }
    this.#response.write(`event: sessions\ndata: ${JSON.stringify(data)}\n\n`)
  }
}

/** Returns how many entries a page gets in so many ms. */
const inTime = (time: number): number => (maxRate * time) / 1000
