// Fails a stream without losing frames: `destroy` alone throws away the frames that are not read yet.

import type { Duplex } from 'node:stream'

/** Ends the readable side of `stream`, and destroys it with `error` after all of it has been read. */
export function failAfterReading(stream: Duplex, error: Error): void {
  if (stream.destroyed || stream.readableEnded) stream.destroy(error)
  else stream.once('end', () => stream.destroy(error)).push(null)
}
