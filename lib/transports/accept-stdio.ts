// The transport to the client that started this process, over stdin and stdout. Also to any other
// pair of byte streams that speaks a frame a line.

import { Duplex } from 'node:stream'
import type { Readable, Writable } from 'node:stream'
import type { ProxyError } from '../errors.ts'
import { describe } from '../errors.ts'
import { errorFrame, refuse } from '../frame.ts'
import type { Envelope, Frame } from '../frame.ts'
import { NewlineParser, encodeLine } from '../framing/newline.ts'
import { silent } from '../log.ts'
import type { Log } from '../log.ts'
import type { Callback, DestroyCallback } from './types.ts'

export interface StdioOptions {
  /** Where the client's frames come from (process.stdin). */
  input?: Readable | undefined
  /** Where frames for the client go (process.stdout). Nothing else may write to it. */
  output?: Writable | undefined
  /** The largest message taken from the client, in bytes (64 MiB; 0: any). */
  maxMessage?: number | undefined
  /** Destroys the transport. */
  signal?: AbortSignal | undefined
  log?: Log | undefined
}

/**
 * Gives the transport to the client on stdin and stdout (stdio, in all revisions).
 *
 * It ends when the input ends. A reader of the output that goes away destroys it without an error,
 * as pipes in a shell expect. What comes in and is not a message is answered with -32700 or -32600.
 */
export function acceptStdio(options: StdioOptions = {}): StdioTransport {
  return new StdioTransport(options)
}

export class StdioTransport extends Duplex {
  readonly #input: Readable
  readonly #output: Writable
  readonly #log: Log
  readonly #parser: NewlineParser
  #inputEnded = false

  constructor(options: StdioOptions) {
    super({ objectMode: true, ...(options.signal && { signal: options.signal }) })
    this.#input = options.input ?? process.stdin
    this.#output = options.output ?? process.stdout
    this.#log = options.log ?? silent
    this.#parser = new NewlineParser({
      maxMessage: options.maxMessage,
      onFrame: (frame) => this.#onFrame(frame),
      onInvalid: (error, envelope) => this.#onInvalid(error, envelope)
    })
    this.#input
      .on('data', this.#inputOnData)
      .on('end', this.#inputOnEnd)
      .on('error', this.#streamOnError)
      .pause()
    this.#output.on('error', this.#streamOnError).on('close', this.#outputOnClose)
  }

  /** Goes on as if the input had ended here: what was asked can still be answered. */
  endInput(): void {
    this.#input.off('data', this.#inputOnData).off('end', this.#inputOnEnd)
    this.#input.destroy()
    if (!this.#inputEnded) this.#inputOnEnd()
  }

  override _read(): void {
    this.#input.resume()
  }

  override _write(frame: Frame, _encoding: BufferEncoding, callback: Callback): void {
    this.#output.write(encodeLine(frame), (error) => {
      if (error) this.#streamOnError(error)
      else callback()
    })
  }

  override _final(callback: Callback): void {
    // The process's own stdout cannot be ended, and all that was written has been taken.
    if (this.#output === process.stdout) callback()
    else this.#output.end(callback)
  }

  override _destroy(error: Error | null, callback: DestroyCallback): void {
    this.#input.off('data', this.#inputOnData).off('end', this.#inputOnEnd)
    this.#output.off('close', this.#outputOnClose)
    // Not ended but destroyed: a process must not live on because its input stays open.
    this.#input.destroy()
    callback(error)
  }

  readonly #inputOnData = (chunk: Buffer): void => this.#parser.feed(chunk)

  readonly #inputOnEnd = (): void => {
    this.#inputEnded = true
    this.#parser.end()
    this.push(null)
  }

  readonly #streamOnError = (error: NodeJS.ErrnoException): void => {
    this.destroy(error.code === 'EPIPE' ? undefined : error)
  }

  readonly #outputOnClose = (): void => {
    if (!this.writableFinished) this.destroy()
  }

  #onFrame(frame: Frame): void {
    if (!this.push(frame)) this.#input.pause()
  }

  #onInvalid(error: ProxyError, envelope?: Envelope): void {
    this.#log.warn(`the client sent what is not a message: ${describe(error)}`)
    const { back, onward } = refuse(error, envelope)
    if (onward !== undefined) return this.#onFrame(onward)
    if (envelope?.kind === 'notification') return
    this.#output.write(encodeLine(back ?? errorFrame(undefined, error)))
  }
}
