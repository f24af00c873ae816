// Splits a server's stderr into lines. Each complete line goes to a callback. The last lines are
// kept for the error that the proxy makes when the server exits.

import { StringDecoder } from 'node:string_decoder'

/** How many of the last lines are kept. */
const maxLines = 10
/** How many characters of a line are kept. */
const maxLine = 1000

export class StderrTail {
  /** The last lines, oldest first. */
  readonly lines: string[] = []
  readonly #onLine: (line: string) => void
  readonly #decoder = new StringDecoder('utf8')
  /** The line that has not ended yet. */
  #rest = ''

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine
  }

  feed(chunk: Buffer): void {
    const lines = (this.#rest + this.#decoder.write(chunk)).split(/\r?\n/)
    // This keeps only the end, because a progress bar without newlines would fill the memory.
    this.#rest = (lines.pop() as string).slice(-maxLine)
    for (const line of lines) this.#keep(line)
  }

  /** Passes the last line to the callback. This line has no newline at its end. */
  end(): void {
    this.#keep(this.#rest + this.#decoder.end())
    this.#rest = ''
  }

  #keep(line: string): void {
    if (line.trim() === '') return
    this.#onLine(line)
    this.lines.push(line.slice(0, maxLine))
    if (this.lines.length > maxLines) this.lines.shift()
  }
}
