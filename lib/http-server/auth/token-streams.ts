// Ends event streams whose tokens do not count any more. A token is checked when its request comes.
// But an event stream may stay open for hours, and its token may expire or be removed meanwhile.
//
// One timer looks at all open responses. A response that is no event stream yet is left alone: its
// request came with a valid token and gets one answer.

import type { ServerResponse } from 'node:http'
import type { Grant } from './auth.ts'

/** The time between two looks at the streams, in ms. */
const lookInterval = 1000

export class TokenStreams {
  readonly #open = new Map<ServerResponse, Grant>()
  #timer: NodeJS.Timeout | undefined

  /** Watches a response. Call `delete` when the response has closed. */
  add(response: ServerResponse, grant: Grant): void {
    if (grant.isValid === undefined) return
    this.#open.set(response, grant)
    this.#timer ??= setInterval(this.#look, lookInterval).unref()
  }

  delete(response: ServerResponse): void {
    this.#open.delete(response)
  }

  readonly #look = (): void => {
    for (const [response, grant] of this.#open) {
      if (!response.headersSent || grant.isValid?.() !== false) continue
      this.#open.delete(response)
      // If the client does not read, the end of the stream would never reach it.
      if (response.writableNeedDrain) response.destroy()
      else response.end()
    }
    if (this.#open.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }
}
