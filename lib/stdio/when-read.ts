// Finds out when a process reads its input. A process that only starts (npx that downloads a
// package) does not read yet, and the operating system does not say so.
//
// A pipe takes a limited number of writes before its reader has read them. So this writes single
// spaces until the pipe is full. The last space is written only when the process reads. On Linux
// these are about 280 spaces. JSON allows spaces before a message, so the first message follows on
// the same line.
//
// On Windows the first write may wait for a moment in any case. There the process counts as reading
// as soon as the system has taken the space.

import type { Writable } from 'node:stream'

/** The largest number of spaces, for pipes that never fill. */
const maxSpaces = 20_000

/**
 * Calls back when the reader of `pipe` has read what was written, or cannot read any more. Call
 * this between two lines.
 */
export function whenRead(pipe: Writable, callback: () => void): void {
  for (let count = 0; count < maxSpaces && pipe.writableLength === 0; count++) pipe.write(' ')
  pipe.write(' ', () => callback())
}
