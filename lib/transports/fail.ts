// Failing without losing what was said before: `destroy` alone would throw away what is still to be
// read.

import type { Duplex } from 'node:stream'

/** Ends the readable side of `stream`, and destroys it with `error` once all of it has been read. */
export function failAfterReading(stream: Duplex, error: Error): void {
  if (stream.destroyed || stream.readableEnded) stream.destroy(error)
  else stream.once('end', () => stream.destroy(error)).push(null)
}
