// A file that lines are appended to: a recording, or an audit log. Only its owner can read it, and a
// symbolic link is not followed. A program that rotates files renames it, and then `reopen` continues in
// a new file with the old name.
//
// When the file cannot be written, for example on a full disk, an error is logged and writing stops. It
// begins again with `reopen`.

import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import type { Writable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { describe, ProxyError } from './errors.ts'
import type { Log } from './log.ts'

export interface LineFileOptions {
  /** What the file is, for error messages: `recording`. */
  what: string
  log: Log
  /** Writing stops if more bytes than this wait for the disk before a line (default: no limit). */
  maxWaiting?: number | undefined
}

export class LineFile {
  readonly #file: string
  readonly #what: string
  readonly #log: Log
  readonly #maxWaiting: number
  /** Undefined when writing has stopped. */
  #output: Writable | undefined
  #closed = false

  private constructor(
    file: string,
    { what, log, maxWaiting = Infinity }: LineFileOptions,
    output: Writable
  ) {
    this.#file = file
    this.#what = what
    this.#log = log
    this.#maxWaiting = maxWaiting
    this.#use(output)
  }

  /**
   * Opens a file. If it exists, lines are appended to it. `-` is stdout.
   *
   * @throws ProxyError `ERR_CONFIG` when the file cannot be opened
   */
  static async open(file: string, options: LineFileOptions): Promise<LineFile> {
    return new LineFile(file, options, await openFile(file, options.what))
  }

  /** Whether lines can be written. */
  get isWritable(): boolean {
    return this.#output !== undefined
  }

  /** How many bytes wait until they are written. */
  get waiting(): number {
    return this.#output?.writableLength ?? 0
  }

  /**
   * Writes a line, which does nothing if writing has stopped.
   *
   * @param callback is called when the line is written, or cannot be written
   */
  write(line: string, callback?: () => void): void {
    const { waiting } = this
    if (waiting > this.#maxWaiting) {
      this.stop(new ProxyError('ERR_TIMEOUT', `${waiting} bytes wait for the disk`))
    }
    const output = this.#output
    if (output === undefined) {
      callback?.()
      return
    }
    // The lines of one turn of the event loop are one write: a write takes longer than a call.
    if (output.writableCorked === 0 && this.#file !== standardOutput) {
      output.cork()
      setImmediate(() => output.uncork())
    }
    output.write(`${line}\n`, callback)
  }

  /** Opens the file again by its name. */
  async reopen(): Promise<void> {
    if (this.#file === standardOutput && this.isWritable) return
    try {
      const output = await openFile(this.#file, this.#what)
      if (this.#closed) return void output.destroy()
      this.#output?.end()
      this.#use(output)
    } catch (error) {
      this.#log.error(describe(error))
    }
  }

  /** Resolves when all lines are in the file. */
  async close(): Promise<void> {
    this.#closed = true
    const output = this.#output
    if (output === undefined) return
    if (this.#file === standardOutput) await new Promise((resolve) => output.write('', resolve))
    else await finished(output.end()).catch(() => {}) // `stop` reports the error
    this.#output = undefined
  }

  /** Stops writing, and logs why. The lines that wait are still written. */
  stop(cause: unknown): void {
    const output = this.#output
    if (this.#file !== standardOutput) output?.end()
    this.#fail(cause)
  }

  #fail(cause: unknown): void {
    this.#output = undefined
    this.#log.error(
      `${describe(writeError(this.#file, this.#what, cause))}; the ${this.#what} stops`
    )
  }

  /** Each write that is under way fails too. Only the first failure is reported. */
  #use(output: Writable): void {
    this.#output = output.on('error', (error) => {
      if (this.#output === output) this.#fail(error)
    })
  }
}

/** The time that `timestamp` has last written, and its text. */
let lastTime = NaN
let lastText = ''

/** Returns the time of a line, in ISO 8601 and UTC. It is written once a ms: that takes a microsecond. */
export function timestamp(): string {
  const time = Date.now()
  if (time !== lastTime) {
    lastTime = time
    lastText = new Date(time).toISOString()
  }
  return lastText
}

const standardOutput = '-'

// Windows has no O_NOFOLLOW. The constant is then undefined, which `|` treats as 0.
const flags = constants.O_APPEND | constants.O_CREAT | constants.O_WRONLY | constants.O_NOFOLLOW

async function openFile(file: string, what: string): Promise<Writable> {
  if (file === standardOutput) return process.stdout
  try {
    const handle = await open(file, flags, 0o600)
    // Other users may be able to read a file that exists. The mode of a device must not change.
    if ((await handle.stat()).isFile()) await handle.chmod(0o600)
    return handle.createWriteStream()
  } catch (cause) {
    throw writeError(file, what, cause)
  }
}

const writeError = (file: string, what: string, cause: unknown): ProxyError =>
  new ProxyError('ERR_CONFIG', `cannot write the ${what} to ${file}`, { cause })
