// Writes log lines to stderr and never waits for the program that reads stderr. If more than 1 MiB
// is still unread, the writer drops new lines and counts them. If that program exits, as in
// `2>&1 | head -1`, the log ends, but the proxy continues.
//
// On POSIX, Node writes to a pipe asynchronously. It keeps in memory what does not fit into the
// pipe. The limit of 1 MiB applies to that memory.

import type { Writable } from 'node:stream'

/** How much unread text Node may keep in memory for stderr, in bytes. */
const maxWaiting = 1024 * 1024

export class LogWriter {
  /** Undefined before the first line: few runs log anything, and to open stderr takes time. */
  #output: Writable | undefined
  readonly #open: () => Writable
  #dropped = 0

  /** @param open returns the output (default: stderr), at the first line */
  constructor(open: () => Writable = () => process.stderr) {
    this.#open = open
  }

  /** Writes or drops one line. `line` has no line break at its end: this method adds it. */
  write(line: string): void {
    const output = (this.#output ??= this.#openOutput())
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

  #openOutput(): Writable {
    // The writer ignores errors of stderr, such as EPIPE. There is no other place to report them.
    return this.#open().on('error', () => {})
  }
}
