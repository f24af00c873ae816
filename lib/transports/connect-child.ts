// The transport to a server that is a child process: what is written goes to its stdin, what is read
// is what it prints. Its stderr is for people: it goes to the log, and its last lines into the error
// that tells of an exit.

import { spawn } from 'node:child_process'
import type { ChildProcessByStdio } from 'node:child_process'
import { Duplex } from 'node:stream'
import type { Readable, Writable } from 'node:stream'
import { ProxyError, describe } from '../errors.ts'
import { refuse } from '../frame.ts'
import type { Envelope, Frame } from '../frame.ts'
import { NewlineParser, encodeLine } from '../framing/newline.ts'
import { limits } from '../limits.ts'
import { silent } from '../log.ts'
import type { Log } from '../log.ts'
import { Owed } from '../owed.ts'
import { findCommand } from './command.ts'
import { serverEnvironment } from './environment.ts'
import { ProcessGroup } from './process-group.ts'
import { StderrTail } from './stderr-tail.ts'
import type { Callback, DestroyCallback } from './types.ts'

export interface ChildOptions {
  command: string
  args?: string[] | undefined
  /** The whole environment of the child. Default: the few variables of ours that are safe. */
  env?: NodeJS.ProcessEnv | undefined
  cwd?: string | undefined
  /** The largest message taken from the child, in bytes (64 MiB; 0: any). */
  maxMessage?: number | undefined
  /** Milliseconds to leave in after the end of input, and again after SIGTERM (5000). */
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

type Child = ChildProcessByStdio<Writable, Readable, Readable>

export class ChildTransport extends Duplex {
  readonly #options: ChildOptions
  readonly #log: Log
  readonly #owed = new Owed()
  readonly #stderr: StderrTail
  readonly #parser: NewlineParser
  #child: Child | undefined
  #group: ProcessGroup | undefined
  /** Its input has been ended by us: it is expected to leave. */
  #ended = false
  #gone = false
  #whenGone: (() => void) | undefined
  /** Of the write under way. An error tells the writer that the child never had the frame. */
  #writing: Callback | undefined

  constructor(options: ChildOptions) {
    super({ objectMode: true, ...(options.signal && { signal: options.signal }) })
    this.#options = options
    this.#log = options.log ?? silent
    this.#stderr = new StderrTail((line) => this.#log.info(line))
    this.#parser = new NewlineParser({
      maxMessage: options.maxMessage,
      onFrame: (frame) => this.#onFrame(frame),
      onInvalid: (error, envelope) => this.#onInvalid(error, envelope)
    })
  }

  /** The process id, once the child runs. */
  get pid(): number | undefined {
    return this.#child?.pid
  }

  override _construct(callback: Callback): void {
    const { cwd, env = serverEnvironment(), closeTimeout = limits.closeTimeout } = this.#options
    let child: Child
    try {
      const { file, args, windowsVerbatimArguments } = findCommand(
        this.#options.command,
        this.#options.args ?? [],
        { cwd, env }
      )
      child = spawn(file, args, {
        cwd,
        env,
        windowsVerbatimArguments,
        stdio: ['pipe', 'pipe', 'pipe'],
        // A group of its own, so that all of it can be ended. On Windows it would get a console.
        detached: process.platform !== 'win32',
        windowsHide: true
      })
    } catch (cause) {
      callback(cause instanceof ProxyError ? cause : this.#startError(cause))
      return
    }
    const childOnError = (cause: Error): void => callback(this.#startError(cause))
    child.once('error', childOnError)
    child.once('spawn', () => {
      child.off('error', childOnError).on('error', (error) => this.#log.warn(describe(error)))
      this.#child = child
      this.#group = new ProcessGroup(child, closeTimeout)
      this.#log.debug(`started ${this.#options.command} as process ${child.pid}`)
      callback()
    })
    // A child that stopped reading is of no use, and mostly about to exit.
    child.stdin.on('error', () => this.#group?.leave())
    child.stderr.on('data', (chunk: Buffer) => this.#stderr.feed(chunk))
    child.stdout
      .on('data', (chunk: Buffer) => this.#parser.feed(chunk))
      .on('end', () => {
        this.#parser.end()
        this.#group?.leave() // a server that can say no more is none
      })
    child.once('exit', () => this.#group?.sweep(() => this.#childOnGone()))
  }

  override _read(): void {
    this.#child?.stdout.resume()
  }

  override _write(frame: Frame, _encoding: BufferEncoding, callback: Callback): void {
    this.#owed.sent(frame)
    this.#writing = callback
    this.#child?.stdin.write(encodeLine(frame), (error) => {
      if (error || this.#writing === undefined) return // `_destroy` will tell, or has told
      this.#writing = undefined
      callback()
    })
  }

  override _final(callback: Callback): void {
    this.#owed.whenSettled(() => {
      this.#endInput()
      callback()
    })
  }

  override _destroy(error: Error | null, callback: DestroyCallback): void {
    const writing = this.#writing
    this.#writing = undefined
    writing?.(error ?? new ProxyError('ERR_CLOSED', 'the transport was destroyed'))
    if (this.#child === undefined || this.#gone) return callback(error)
    this.#whenGone = () => callback(error)
    // What it still says is for nobody, but it must not block on saying it.
    this.#child.stdout.removeAllListeners('data').resume()
    this.#endInput()
    this.#child.stdin.destroy()
  }

  #endInput(): void {
    this.#ended = true
    this.#child?.stdin.end()
    this.#group?.leave()
  }

  #onFrame(frame: Frame): void {
    this.#owed.answered(frame)
    if (!this.push(frame)) this.#child?.stdout.pause()
  }

  #onInvalid(error: ProxyError, envelope?: Envelope): void {
    this.#log.warn(`${this.#options.command} printed what is not a message: ${describe(error)}`)
    const { back, onward } = refuse(error, envelope)
    if (back !== undefined) this.#child?.stdin.write(encodeLine(back))
    if (onward !== undefined) this.#onFrame(onward)
  }

  // No process is left. What it printed before is still in the pipe.
  #childOnGone(): void {
    const { stdout } = this.#child as Child
    const leave = (): void => {
      this.#gone = true
      this.#stderr.end()
      if (this.#whenGone !== undefined) return this.#whenGone()
      if (!this.#ended) this.once('end', () => this.destroy(this.#exitError()))
      this.push(null)
      this.#owed.take()
    }
    if (stdout.readableEnded || stdout.destroyed) leave()
    else stdout.once('close', leave)
  }

  #startError(cause: unknown): ProxyError {
    const message = `cannot start "${this.#options.command}"`
    return new ProxyError('ERR_SERVER_START', message, { cause })
  }

  #exitError(): ProxyError {
    const { exitCode, signalCode } = this.#child as Child
    const how = signalCode === null ? `exited with code ${exitCode}` : `was ended by ${signalCode}`
    const said = this.#stderr.lines.join(' | ')
    const message = `the server (${this.#options.command}) ${how}${said && `; it said: ${said}`}`
    return new ProxyError('ERR_SERVER_EXITED', message)
  }
}
