// Ends a request whose body the proxy does not want. If the proxy closed the connection at once,
// the client might never read the HTTP response, because it is still busy with sending. So the
// proxy reads and drops a little more, and closes the connection a little later.

import type { IncomingMessage } from 'node:http'

/** How much of the body is still read, in bytes. */
const maxRest = 64 * 1024
/** How long the rest of the body may take, in ms. */
const maxRestTime = 1000

/**
 * Reads and drops the rest of a body, but not more than 64 KiB. If the body does not end within 1
 * s, the connection is closed.
 */
export function dropRest(request: IncomingMessage): void {
  request.resume()
  if (request.complete || request.destroyed) return
  let size = 0
  const timer = setTimeout(() => request.socket.destroy(), maxRestTime)
  request
    .on('data', (chunk: Buffer) => {
      size += chunk.length
      if (size > maxRest) request.pause()
    })
    .on('error', () => {})
    .once('close', () => clearTimeout(timer))
}

/** Whether the rest of a body may be too long to be dropped. The connection then must be closed. */
export function hasLongRest({ complete, headers }: IncomingMessage): boolean {
  if (complete) return false
  if (headers['transfer-encoding'] !== undefined) return true
  return Number(headers['content-length'] ?? 0) > maxRest
}

/** Whether a request has a body, maybe an empty one. */
export const hasBody = ({ headers }: IncomingMessage): boolean =>
  headers['transfer-encoding'] !== undefined || headers['content-length'] !== undefined
