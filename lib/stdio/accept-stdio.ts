// The transport to the client that started this process, over stdin and stdout. Also to any other
// pair of byte streams that speaks a frame a line.

import { addAbortSignal, Duplex } from 'node:stream'
import type { Readable, Writable } from 'node:stream'
import { describe } from '../errors.ts'
import type { ProxyError } from '../errors.ts'
import { NewlineParser } from '../framing/newline.ts'
import { silent } from '../log.ts'
import type { Log } from '../log.ts'
import { errorFrame, refuse } from '../message/frame.ts'
import type { Envelope, Frame } from '../message/frame.ts'
import type { Callback, DestroyCallback } from '../streams/callbacks.ts'
import { LineWriter } from './line-writer.ts'

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
 * Both streams are the transport's: they are gone when it is, but for the process's own stdout.
 */
export function acceptStdio(options: StdioOptions = {}): StdioTransport {
  return new StdioTransport(options)
}

/** What tells of a reader that left, or was left, before all was said. */
const readerLeft = new Set<string | undefined>(['EPIPE', 'ERR_STREAM_DESTROYED'])

export class StdioTransport extends Duplex {
  readonly #input: Readable
  readonly #output: Writable
  readonly #lines: LineWriter
  readonly #log: Log
  readonly #parser: NewlineParser
  #inputEnded = false

  constructor(options: StdioOptions) {
    super({ objectMode: true })
    this.#input = options.input ?? process.stdin
    this.#output = options.output ?? process.stdout
    this.#lines = new LineWriter(this.#output)
    this.#log = options.log ?? silent
    this.#parser = new NewlineParser({
      maxMessage: options.maxMessage,
      onFrame: (frame) => this.#onFrame(frame),
      onInvalid: (error, envelope) => this.#onInvalid(error, envelope)
    })
    this.#input
      .on('data', this.#inputOnData)
      .on('end', this.#inputOnEnd)
      .on('close', this.#inputOnEnd) // some end without a word
      .on('error', this.#streamOnError)
      .pause()
    this.#output.on('error', this.#streamOnError).on('close', this.#outputOnClose)
    // Only now: a signal that has been given already destroys at once.
    if (options.signal !== undefined) addAbortSignal(options.signal, this)
  }

  /** Goes on as if the input had ended here: what was asked can still be answered. */
  endInput(): void {
    this.#input.off('data', this.#inputOnData).destroy()
    this.#inputOnEnd()
  }

  override _read(): void {
    this.#input.resume()
  }

  override _write(frame: Frame, _encoding: BufferEncoding, callback: Callback): void {
    this.#lines.write(frame, callback)
    if (this.#output.destroyed) this.destroy() // which nobody has told us
  }

  override _final(callback: Callback): void {
    this.#lines.whenEmpty(() => {
      // The process's own stdout cannot be ended.
      if (this.#output === process.stdout) callback()
      else this.#output.end(this.#unlessFailed(callback))
    })
  }

  override _destroy(error: Error | null, callback: DestroyCallback): void {
    this.#inputEnded = true
    this.#lines.flush()
    // A process must not live on because its input stays open.
    this.#input.off('data', this.#inputOnData).destroy()
    // What has been ended is for its reader to finish with.
    if (this.#output !== process.stdout && !this.#output.writableFinished) this.#output.destroy()
    callback(error)
  }

  readonly #inputOnData = (chunk: Buffer): void => this.#parser.feed(chunk)

  readonly #inputOnEnd = (): void => {
    if (this.#inputEnded) return
    this.#inputEnded = true
    this.#parser.end()
    this.push(null)
  }

  readonly #streamOnError = (error: NodeJS.ErrnoException): void => {
    this.destroy(readerLeft.has(error.code) ? undefined : error)
  }

  readonly #outputOnClose = (): void => {
    if (!this.writableFinished) this.destroy()
  }

  #unlessFailed(callback: Callback): Callback {
    return (error) => (error ? this.#streamOnError(error) : callback())
  }

  #onFrame(frame: Frame): void {
    if (!this.push(frame)) this.#input.pause()
  }

  #onInvalid(error: ProxyError, envelope?: Envelope): void {
    this.#log.warn(`the client sent what is not a message: ${describe(error)}`)
    const { back, onward } = refuse(error, envelope)
    if (onward !== undefined) return this.#onFrame(onward)
    if (envelope?.kind === 'notification') return
    this.#lines.write(back ?? errorFrame(undefined, error))
  }
}
