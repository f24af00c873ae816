// Ends the process when its work is done, whatever is still open: a socket that waits for an answer, a
// timer, a pipe without a reader.

import type { Writable } from 'node:stream'

/** How long the output that is still queued may take to go out, in ms. */
const flushTimeout = 300

/** Exits when stdout and stderr have taken what was written to them, or after 300 ms. */
export async function exit(code: number): Promise<void> {
  process.exitCode = code
  const timer = setTimeout(() => process.exit(), flushTimeout)
  await Promise.all([process.stdout, process.stderr].map(flushed))
  clearTimeout(timer)
  process.exit()
}

/** Resolves when the stream has taken all that was written to it, or never will. */
function flushed(output: Writable): Promise<void> {
  return new Promise((resolve) => {
    if (!output.writable || output.writableLength === 0) resolve()
    else output.on('error', () => {}).write('', () => resolve())
  })
}
