// The transport to a server that is a child process: what is written goes to its stdin, what is read
// is what it prints. Its stderr is for people: it goes to the log, and its last lines into the error
// that tells of an exit.

import { spawn } from 'node:child_process'
import { addAbortSignal, Duplex } from 'node:stream'
import { describe, ProxyError } from '../errors.ts'
import { NewlineParser } from '../framing/newline.ts'
import { limits } from '../limits.ts'
import { silent } from '../log.ts'
import type { Log } from '../log.ts'
import { refuse } from '../message/frame.ts'
import type { Envelope, Frame } from '../message/frame.ts'
import { PendingRequests } from '../message/pending-requests.ts'
import type { Callback, DestroyCallback } from '../streams/callbacks.ts'
import { failAfterReading, ServerGoneError } from '../streams/fail-after-reading.ts'
import { serverEnvironment } from './environment.ts'
import { findCommand } from './find-command.ts'
import { LineWriter } from './line-writer.ts'
import { ProcessGroup } from './process-group.ts'
import type { PipedChild } from './process-group.ts'
import { StderrTail } from './stderr-tail.ts'

export interface ChildOptions {
  command: string
  args?: string[] | undefined
  /** The whole environment of the child. Default: the few variables of ours that are safe. */
  env?: NodeJS.ProcessEnv | undefined
  cwd?: string | undefined
  /** The largest message taken from the child, in bytes (64 MiB; 0: any). */
  maxMessage?: number | undefined
  /** Milliseconds to leave in after the end of input, and again after SIGTERM (5000; 0: any). */
  closeTimeout?: number | undefined
  /** Destroys the transport, and ends the child. */
  signal?: AbortSignal | undefined
  log?: Log | undefined
}

/**
 * Starts a server and gives the transport to it (stdio, in all revisions of the specification).
 *
 * `end()` waits for the answers still owed, then ends the child's input. `destroy()` ends it at once.
 * Either way the child and its descendants are given time, then SIGTERM, then SIGKILL, and `close`
 * is emitted when they have gone.
 *
 * Errors: `ERR_COMMAND_NOT_FOUND`, `ERR_SERVER_START`, `ERR_SERVER_EXITED` (it left unasked).
 */
export function connectChild(options: ChildOptions): ChildTransport {
  return new ChildTransport(options)
}

/** How long what a crashed server leaves behind may keep others from being told, in milliseconds. */
const crashTimeout = 500

export class ChildTransport extends Duplex {
  readonly #options: ChildOptions
  readonly #log: Log
  readonly #owed = new PendingRequests()
  readonly #stderr: StderrTail
  readonly #parser: NewlineParser
  #child: PipedChild | undefined
  #lines: LineWriter | undefined
  #group: ProcessGroup | undefined
  /** Its input has been ended by us: it is expected to leave. */
  #ended = false
  #exited = false
  #gone = false
  #whenGone: (() => void) | undefined
  /** Why it left, when it was not told to. */
  #failure: ServerGoneError | undefined

  constructor(options: ChildOptions) {
    super({ objectMode: true })
    this.#options = options
    this.#log = options.log ?? silent
    this.#stderr = new StderrTail((line) => this.#log.info(line))
    this.#parser = new NewlineParser({
      maxMessage: options.maxMessage,
      onFrame: (frame) => this.#onFrame(frame),
      onInvalid: (error, envelope) => this.#onInvalid(error, envelope)
    })
    // Only now: a signal that has been given already destroys at once.
    if (options.signal !== undefined) addAbortSignal(options.signal, this)
  }

  /** The process id, once the child runs. */
  get pid(): number | undefined {
    return this.#child?.pid
  }

  override _construct(callback: Callback): void {
    if (this.destroyed) return callback() // before there was anything to free
    let child: PipedChild
    try {
      child = this.#start()
    } catch (cause) {
      return callback(cause instanceof ProxyError ? cause : this.#startError(cause))
    }
    child
      .once('error', (cause) => callback(this.#startError(cause)))
      .once('spawn', () => {
        this.#childOnSpawn(child)
        callback()
      })
  }

  override _read(): void {
    this.#child?.stdout.resume()
  }

  override _write(frame: Frame, _encoding: BufferEncoding, callback: Callback): void {
    if (this.#failure !== undefined) {
      this.#failure.undelivered.push(frame)
      callback()
      return
    }
    this.#owed.sent(frame)
    // Of one client that waits for its answer nothing more will come so soon.
    this.#lines?.write(frame, callback, this.#owed.size === 1)
  }

  override _final(callback: Callback): void {
    const end = (): void => {
      this.#endInput()
      callback()
    }
    this.#owed.whenSettled(() => this.#lines?.whenEmpty(end))
  }

  override _destroy(error: Error | null, callback: DestroyCallback): void {
    this.#lines?.destroy(error ?? new ProxyError('ERR_CLOSED', 'the transport was destroyed'))
    if (this.#child === undefined || this.#gone) return callback(error)
    this.#whenGone = () => callback(error)
    // What it still says is for nobody, but it must not block on saying it.
    this.#child.stdout.removeAllListeners('data').resume()
    this.#endInput()
    this.#child.stdin.destroy()
  }

  #endInput(): void {
    this.#ended = true
    this.#group?.leave()
  }

  #onFrame(frame: Frame): void {
    this.#owed.answered(frame)
    if (!this.push(frame) && !this.#exited) this.#child?.stdout.pause()
  }

  #onInvalid(error: ProxyError, envelope?: Envelope): void {
    this.#log.warn(`${this.#options.command} printed what is not a message: ${describe(error)}`)
    const { back, onward } = refuse(error, envelope)
    if (back !== undefined) this.#lines?.write(back)
    if (onward !== undefined) this.#onFrame(onward)
  }

  #start(): PipedChild {
    const { cwd, env = serverEnvironment() } = this.#options
    const { file, args, windowsVerbatimArguments } = findCommand(
      this.#options.command,
      this.#options.args ?? [],
      { cwd, env }
    )
    return spawn(file, args, {
      cwd,
      env,
      windowsVerbatimArguments,
      stdio: ['pipe', 'pipe', 'pipe'],
      // A group of its own, so that all of it can be ended. On Windows it would get a console.
      detached: process.platform !== 'win32',
      windowsHide: true
    })
  }

  #childOnSpawn(child: PipedChild): void {
    this.#log.debug(`started ${this.#options.command} as process ${child.pid}`)
    const group = new ProcessGroup(child, this.#options.closeTimeout ?? limits.closeTimeout)
    this.#child = child
    this.#lines = new LineWriter(child.stdin)
    this.#group = group
    // A child that stopped reading, or can say no more, is of no use, and mostly about to exit.
    child.stdin.on('error', () => group.leave())
    child.stdout
      .on('end', () => group.leave())
      .on('data', (chunk: Buffer) => {
        this.#parser.feed(chunk)
      })
    child.stderr.on('data', (chunk: Buffer) => this.#stderr.feed(chunk))
    child.once('exit', () => this.#childOnExit(child, group))
  }

  #childOnExit(child: PipedChild, group: ProcessGroup): void {
    this.#exited = true
    // Not much can be left in the pipe, and it must not stay there until somebody reads.
    child.stdout.resume()
    group.sweep(() => this.#groupOnGone(child), this.#ended ? undefined : crashTimeout)
  }

  #groupOnGone(child: PipedChild): void {
    this.#gone = true
    this.#stderr.end()
    if (this.#whenGone !== undefined) return this.#whenGone()
    this.#parser.end()
    if (this.#ended) this.push(null)
    else {
      this.#failure = this.#exitError(child)
      // What waits for room is told of as never seen: its writer must not also keep it as never sent.
      this.#lines?.destroy()
      failAfterReading(this, this.#failure)
    }
    this.#owed.take()
  }

  #startError(cause: unknown): ProxyError {
    const message = `cannot start "${this.#options.command}"`
    return new ProxyError('ERR_SERVER_START', message, { cause })
  }

  #exitError({ exitCode, signalCode }: PipedChild): ServerGoneError {
    const how = signalCode === null ? `exited with code ${exitCode}` : `was ended by ${signalCode}`
    const said = this.#stderr.lines.join(' | ')
    const message = `the server (${this.#options.command}) ${how}${said && `; it said: ${said}`}`
    return new ServerGoneError('ERR_SERVER_EXITED', message, this.#lines?.unflushed)
  }
}
