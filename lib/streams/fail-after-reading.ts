// Fails a stream without losing frames. `destroy` alone would drop the frames that nobody has read.

import type { Duplex } from 'node:stream'

/** Ends the readable side of `stream`. Destroys `stream` with `error` after all frames are read. */
export function failAfterReading(stream: Duplex, error: Error): void {
  if (stream.destroyed || stream.readableEnded) stream.destroy(error)
  else stream.once('end', () => stream.destroy(error)).push(null)
}
