// The transport to the client that started this process, over stdin and stdout. It can also use
// another pair of byte streams. Each frame is one line.

import { addAbortSignal } from 'node:stream'
import type { Readable, Writable } from 'node:stream'
import { describe } from '../errors.ts'
import type { ProxyError } from '../errors.ts'
import { NewlineParser } from '../framing/newline.ts'
import type { Log } from '../log.ts'
import { ClientRequests, describeDropped } from '../message/client-requests.ts'
import type { Envelope } from '../message/envelope.ts'
import type { Frame } from '../message/frame.ts'
import { errorFrame, refuse } from '../message/refusal.ts'
import type { Trace } from '../message/trace-context.ts'
import type { Callback, DestroyCallback } from '../streams/callbacks.ts'
import { publishEnd, publishMessage, publishOpen, publishRefusal } from '../streams/facts.ts'
import type { FactClient } from '../streams/facts.ts'
import { Transport } from '../streams/transport.ts'
import { SpacedWriter } from './spaced-writer.ts'

export interface StdioOptions {
  /** The stream that the client writes to (default: `process.stdin`). */
  input?: Readable | undefined
  /** The stream that the client reads (default: `process.stdout`). Nothing else may write to it. */
  output?: Writable | undefined
  /** The largest message that the client may send, in bytes (default 64 MiB; 0: no limit). */
  maxMessage?: number | undefined
  /** Gets each message of the client, and returns the message to pass on. See `traces`. */
  trace?: Trace | undefined
  /** An abort of this signal destroys the transport. */
  signal?: AbortSignal | undefined
  /** Gets a warning for each invalid message. Default: nothing is logged. */
  log?: Log | undefined
}

/**
 * Returns the transport to the client on stdin and stdout (stdio, in all revisions).
 *
 * The transport ends when the input ends. If the client closes the output, the transport is
 * destroyed without an error, as is usual for pipes in a shell. An invalid message gets an error
 * response. When the transport is destroyed, it destroys both streams, except the process's own
 * stdout.
 */
export function acceptStdio(options: StdioOptions = {}): StdioTransport {
  return new StdioTransport(options)
}

/** The codes of the errors that an output emits when its reader has closed the output. */
const closedByReader = new Set<string | undefined>(['EPIPE', 'ERR_STREAM_DESTROYED'])

/** How many of these transports this process has made. */
let count = 0

export class StdioTransport extends Transport {
  /** What facts about this client say about it. */
  readonly client: FactClient = { server: '', session: `stdio-${++count}`, kind: 'session' }
  readonly #input: Readable
  readonly #output: Writable
  readonly #lines: SpacedWriter
  readonly #parser: NewlineParser
  readonly #requests = new ClientRequests()
  readonly #trace: Trace | undefined
  #inputEnded = false
  /** Whether the reader of this transport has room for a frame. */
  #isWanted = false
  /** Whether the output has room for another error response. */
  #hasRoom = true

  constructor(options: StdioOptions) {
    super({ log: options.log })
    this.#trace = options.trace
    this.#input = options.input ?? process.stdin
    this.#output = options.output ?? process.stdout
    this.#lines = new SpacedWriter(this.#output)
    this.#parser = new NewlineParser({
      maxMessage: options.maxMessage,
      onFrame: (frame) => this.handle(frame, this.#onFrame),
      onInvalid: (error, envelope) => this.#onInvalid(error, envelope)
    })
    this.#input
      .on('data', this.#inputOnData)
      .on('end', this.#inputOnEnd)
      .on('close', this.#inputOnEnd) // a destroyed stream emits `close`, but no `end`
      .on('error', this.#streamOnError)
      .pause()
    this.#output.on('error', this.#streamOnError).on('close', this.#outputOnClose)
    publishOpen(this.client)
    // This comes last, because an already aborted signal destroys the transport immediately.
    if (options.signal !== undefined) addAbortSignal(options.signal, this)
  }

  /** Stops reading from the client. The client can still get responses. */
  endInput(): void {
    this.#input.off('data', this.#inputOnData).destroy()
    this.#inputOnEnd()
  }

  override _read(): void {
    this.#isWanted = true
    this.#flow()
  }

  protected override send(frame: Frame, callback: Callback): void {
    // A notification gets no response, also if the proxy refuses it.
    const isRefusedNotification = frame.failure !== undefined && frame.id === undefined
    const isLate = this.#requests.isLate(frame)
    publishMessage(this.client, 'server', frame, !isLate && !isRefusedNotification)
    if (isLate) {
      this.log.debug(describeDropped(frame))
      callback()
    } else if (isRefusedNotification) {
      this.log.warn(`a notification was refused: ${describe(frame.failure)}`)
      callback()
    } else {
      this.#lines.write(this.#requests.restored(frame), callback)
    }
    this.#requests.settled(frame)
    // The output may have been destroyed before this transport listened for `close`.
    if (this.#output.destroyed) this.destroy()
  }

  override _final(callback: Callback): void {
    this.#lines.whenEmpty(() => {
      // Node does not allow a process to end its own stdout.
      if (this.#output === process.stdout) callback()
      else this.#output.end(this.#outputOnEnd(callback))
    })
  }

  override _destroy(error: Error | null, callback: DestroyCallback): void {
    this.#inputEnded = true
    this.#lines.flush()
    // The input is destroyed, because an open input would keep the process alive.
    this.#input.off('data', this.#inputOnData).destroy()
    // An output that has ended is not destroyed, because its reader may still be reading.
    if (this.#output !== process.stdout && !this.#output.writableFinished) this.#output.destroy()
    publishEnd(this.client, error)
    callback(error)
  }

  readonly #inputOnData = (chunk: Buffer): void => this.guard(() => this.#parser.feed(chunk))

  readonly #inputOnEnd = (): void => {
    if (this.#inputEnded) return
    this.#inputEnded = true
    this.#parser.end()
    this.push(null)
  }

  readonly #streamOnError = (error: NodeJS.ErrnoException): void => {
    this.destroy(closedByReader.has(error.code) ? undefined : error)
  }

  readonly #outputOnClose = (): void => {
    if (!this.writableFinished) this.destroy()
  }

  #outputOnEnd(callback: Callback): Callback {
    return (error) => (error ? this.#streamOnError(error) : callback())
  }

  protected override failToOtherSide(response: Frame): void {
    publishMessage(this.client, 'server', response)
    this.#lines.write(response)
  }

  readonly #onFrame = (frame: Frame): void => {
    // The reader of the last frame may have ended this client. The chunk may hold more frames.
    if (this.destroyed) return
    this.#lines.received(frame)
    const sent = this.#requests.toServer(this.#trace?.(frame, {}) ?? frame)
    publishMessage(this.client, 'client', sent)
    if (this.push(sent)) return
    this.#isWanted = false
    this.#input.pause()
  }

  #onInvalid(error: ProxyError, envelope?: Envelope): void {
    this.log.warn(`the client sent an invalid message: ${describe(error)}`)
    const { back, onward } = refuse(error, envelope)
    if (onward !== undefined) return this.#onFrame(onward)
    publishRefusal({ error, address: '', server: this.client.server })
    if (envelope?.kind === 'notification') return
    this.#lines.write(back ?? errorFrame(undefined, error))
    // A client that sends invalid messages and does not read must not fill the memory.
    this.#hasRoom = false
    this.#lines.whenRoom(this.#linesOnRoom)
    if (!this.#hasRoom) this.#input.pause()
  }

  readonly #linesOnRoom = (): void => {
    this.#hasRoom = true
    this.#flow()
  }

  #flow(): void {
    if (this.#isWanted && this.#hasRoom) this.#input.resume()
  }
}
