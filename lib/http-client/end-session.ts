// Ends a session at the server, with a DELETE.

import type { HttpClient } from './http-client.ts'

/**
 * Resolves when the server has answered or the request has failed, and at the latest after
 * `timeout` milliseconds (0: no limit). The status does not matter, because a server that ends its
 * sessions itself answers 405.
 */
export function endSession(
  client: HttpClient,
  headers: Record<string, string>,
  timeout: number
): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer)
      resolve()
    }
    const timer = timeout > 0 ? setTimeout(done, timeout) : undefined
    const handler = { onHeaders: done, onData() {}, onEnd: done, onError: done }
    client.send({ method: 'DELETE', headers }, handler)
  })
}
