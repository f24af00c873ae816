// A server's stderr as lines: each is told as it ends, and the last few are kept for the error that
// tells of its exit.

import { StringDecoder } from 'node:string_decoder'

/** How many lines are kept. */
const maxLines = 10
/** How many characters of a line are kept. */
const maxLine = 1000

export class StderrTail {
  readonly lines: string[] = []
  readonly #onLine: (line: string) => void
  readonly #decoder = new StringDecoder('utf8')
  #rest = ''

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine
  }

  feed(chunk: Buffer): void {
    const lines = (this.#rest + this.#decoder.write(chunk)).split(/\r?\n/)
    // A progress bar without newlines must not grow without end.
    this.#rest = (lines.pop() as string).slice(-maxLine)
    for (const line of lines) this.#keep(line)
  }

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
