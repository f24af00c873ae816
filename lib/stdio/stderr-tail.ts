// A server's stderr as lines. Each line is handed out as it ends, and the last lines are kept: they go
// into the error when the server exits.

import { StringDecoder } from 'node:string_decoder'

/** How many lines are kept. */
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
    // Keep only the end: a progress bar may never send a newline, and would fill the memory.
    this.#rest = (lines.pop() as string).slice(-maxLine)
    for (const line of lines) this.#keep(line)
  }

  /** Hands out the last line, which may have no newline. */
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
