// Ends event streams whose tokens do not count any more. A token is checked when its request comes.
// But an event stream may stay open for hours, and its token may expire or be removed meanwhile.
//
// A response carries the grant of its request, and is watched from the moment when it becomes an event
// stream. Most responses never do, so they cost nothing here. One timer looks at all streams.

import type { ServerResponse } from 'node:http'
import type { Grant } from './auth.ts'

/** The time between two looks at the streams, in ms. */
const lookInterval = 1000

/** A response whose request has a token that may end. */
interface GuardedResponse extends ServerResponse {
  tokenStreams?: TokenStreams
  grant?: Grant
}

export class TokenStreams {
  readonly #open = new Map<ServerResponse, Grant>()
  #timer: NodeJS.Timeout | undefined

  /** Must be called before the response can become an event stream. */
  guard(response: ServerResponse, grant: Grant): void {
    if (grant.isValid === undefined) return
    const guarded: GuardedResponse = response
    guarded.tokenStreams = this
    guarded.grant = grant
  }

  /** Watches an event stream until it closes. */
  watch(response: ServerResponse, grant: Grant): void {
    this.#open.set(response, grant)
    response.once('close', () => this.#open.delete(response))
    this.#timer ??= setInterval(this.#look, lookInterval).unref()
  }

  readonly #look = (): void => {
    for (const [response, grant] of this.#open) {
      if (grant.isValid?.() !== false) continue
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

/** Must be called when a response becomes an event stream. */
export function onStreamOpen(response: GuardedResponse): void {
  const { tokenStreams, grant } = response
  if (grant !== undefined) tokenStreams?.watch(response, grant)
}
