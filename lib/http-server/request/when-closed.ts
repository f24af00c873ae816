// Calls back when an HTTP response has closed. A response has only one listener for all its callbacks.
//
// With two listeners, Node makes an array for them. V8 learns that these arrays often outlive a
// collection when many requests are in flight, and allocates all of them in old memory. Each array would
// then keep its whole request until a full garbage collection.

import type { ServerResponse } from 'node:http'

interface WatchedResponse extends ServerResponse {
  whenClosed?: () => void
}

/** Calls `callback` when the response closes. The callbacks of a response come in their order. */
export function whenClosed(response: ServerResponse, callback: () => void): void {
  const watched: WatchedResponse = response
  const before = watched.whenClosed
  if (before === undefined) {
    watched.whenClosed = callback
    watched.on('close', onClose)
    return
  }
  watched.whenClosed = () => {
    before()
    callback()
  }
}

function onClose(this: WatchedResponse): void {
  this.whenClosed?.()
}
