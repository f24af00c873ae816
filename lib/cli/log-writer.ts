// Writes log lines to stderr without ever waiting for its reader. Lines that find too much waiting are
// dropped and counted. A reader that left (`2>&1 | head -1`) ends the log, not the proxy.
//
// On POSIX, Node writes to a pipe asynchronously and keeps in memory what the pipe has no room for, so
// the bound is on that memory.

import type { Writable } from 'node:stream'

/** What may wait for the reader of stderr, in bytes. */
const maxWaiting = 1024 * 1024

export class LogWriter {
  readonly #output: Writable
  #dropped = 0

  constructor(output: Writable = process.stderr) {
    this.#output = output
    // EPIPE, and whatever else keeps stderr from taking lines: there is no other place to report it.
    output.on('error', () => {})
  }

  /** Writes one line. The line break is added here. */
  write(line: string): void {
    const output = this.#output
    if (!output.writable) return
    if (output.writableLength > maxWaiting) {
      this.#dropped++
      return
    }
    const note =
      this.#dropped === 0 ? '' : `(${this.#dropped} lines dropped: nobody read the log)\n`
    this.#dropped = 0
    output.write(`${note}${line}\n`)
  }
}
