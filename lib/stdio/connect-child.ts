// The transport to a server that is a child process. It writes frames to the child's stdin and
// reads frames from the child's stdout. The child's stderr goes to the log. If the child exits too
// early, the error contains the last lines of stderr.

import { spawn } from 'node:child_process'
import { addAbortSignal } from 'node:stream'
import { describe, ProxyError } from '../errors.ts'
import { NewlineParser } from '../framing/newline.ts'
import { limits } from '../limits.ts'
import type { Log } from '../log.ts'
import type { Envelope } from '../message/envelope.ts'
import type { Frame } from '../message/frame.ts'
import { jsonOf } from '../message/id.ts'
import { PendingRequests } from '../message/pending-requests.ts'
import { fromServer, refuse } from '../message/refusal.ts'
import type { Callback, DestroyCallback } from '../streams/callbacks.ts'
import { processChannel, publishProcess } from '../streams/facts.ts'
import type { ProcessFact } from '../streams/facts.ts'
import { failAfterReading } from '../streams/fail-after-reading.ts'
import { ServerGoneError } from '../streams/server-gone-error.ts'
import { Transport } from '../streams/transport.ts'
import { serverEnvironment } from './environment.ts'
import { findCommand } from './find-command.ts'
import { SpacedWriter } from './spaced-writer.ts'
import { ProcessGroup } from './process-group.ts'
import type { PipedChild } from './process-group.ts'
import { StderrTail } from './stderr-tail.ts'
import { whenRead } from './when-read.ts'

export interface ChildOptions {
  /** The name of the server in facts about its process (default `''`: the default server). */
  server?: string | undefined
  /** The path of the program, or a name that is searched in PATH. */
  command: string
  /** The arguments of the program. Default: none. */
  args?: string[] | undefined
  /**
   * The whole environment of the child. Default: a few of the proxy's variables, those that a
   * program needs and that contain no secrets.
   */
  env?: NodeJS.ProcessEnv | undefined
  /** The working directory of the child (default: the proxy's). */
  cwd?: string | undefined
  /** The largest message that the child may send, in bytes (default 64 MiB; 0: no limit). */
  maxMessage?: number | undefined
  /**
   * How long the child may take to exit after the end of its input, in ms (default 3000; 0: no
   * limit). It gets SIGTERM after half of the time, and SIGKILL before its end.
   */
  closeTimeout?: number | undefined
  /** An abort of this signal destroys the transport and ends the child. */
  signal?: AbortSignal | undefined
  /** Gets the child's stderr and a warning for each invalid line. Default: nothing is logged. */
  log?: Log | undefined
}

/**
 * Starts a server and returns the transport to it (stdio, in all revisions of the specification).
 *
 * `end()` waits for the responses to all requests, then ends the child's input. `destroy()` ends
 * the input without waiting. If the child then does not exit within half of `closeTimeout`, it and
 * its descendants get SIGTERM. Before the end of `closeTimeout` they get SIGKILL. The transport
 * emits `close` when all have exited.
 *
 * The transport fails with `ERR_COMMAND_NOT_FOUND` or `ERR_SERVER_START` if the child cannot start.
 * It fails with `ERR_SERVER_EXITED` if the child exits before its input has ended.
 */
export function connectChild(options: ChildOptions): ChildTransport {
  return new ChildTransport(options)
}

/** How long the proxy waits for the descendants of a crashed child, before the error, in ms. */
const crashTimeout = 500

/**
 * The proxy reads at most this many bytes of output after the child has exited. It reads them even
 * if the reader of the transport is slow, because the pipes must close.
 */
const maxRest = 1024 * 1024

export class ChildTransport extends Transport {
  readonly #options: ChildOptions
  /** The requests to the child that have no response yet. */
  readonly #pending = new PendingRequests()
  readonly #stderr: StderrTail
  readonly #parser: NewlineParser
  #child: PipedChild | undefined
  #lines: SpacedWriter | undefined
  #group: ProcessGroup | undefined
  /** Whether the proxy has ended the child's input. After that, an exit is not an error. */
  #inputEnded = false
  #exited = false
  /** How many bytes came after the child had exited. */
  #restSize = 0
  /** Whether the child and its descendants have exited and the pipes are closed. */
  #groupGone = false
  #whenGroupGone: (() => void) | undefined
  /** This error is set if the child exited before its input ended. */
  #exitError: ServerGoneError | undefined

  constructor(options: ChildOptions) {
    super({ log: options.log })
    this.#options = options
    this.#stderr = new StderrTail((line) => this.#onStderr(line))
    this.#parser = new NewlineParser({
      maxMessage: options.maxMessage,
      onFrame: (frame) => this.handle(frame, this.#onFrame),
      onInvalid: (error, envelope) => this.#onInvalid(error, envelope)
    })
    // This comes last, because an already aborted signal destroys the transport immediately.
    if (options.signal !== undefined) addAbortSignal(options.signal, this)
  }

  /** The process id of the child. It is undefined before the child runs. */
  get pid(): number | undefined {
    return this.#child?.pid
  }

  /**
   * Resolves when the child reads its input, or when it is gone. Call this before the first frame is
   * written.
   */
  whenReading(): Promise<void> {
    return new Promise((resolve) => {
      this.once('close', resolve)
      if (this.#child !== undefined) whenRead(this.#child.stdin, resolve)
      else this.once('spawn', (child: PipedChild) => whenRead(child.stdin, resolve))
    })
  }

  override _construct(callback: Callback): void {
    if (this.destroyed) return callback() // no child was started, so there is nothing to free
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

  protected override send(frame: Frame, callback: Callback): void {
    if (this.#exitError !== undefined) {
      this.#exitError.undelivered.push(frame)
      callback()
      return
    }
    this.#pending.sent(frame)
    // A client with one open request usually waits for the response, so no other frame is expected.
    this.#lines?.write(frame, callback, this.#pending.size === 1)
  }

  override _final(callback: Callback): void {
    const end = (): void => {
      this.#endInput()
      callback()
    }
    this.#pending.whenSettled(() => this.#lines?.whenEmpty(end))
  }

  override _destroy(error: Error | null, callback: DestroyCallback): void {
    this.#lines?.destroy(error ?? new ProxyError('ERR_CLOSED', 'the transport was destroyed'))
    if (this.#child === undefined || this.#groupGone) return callback(error)
    this.#whenGroupGone = () => callback(error)
    // This reads and drops what the child still writes, because a full pipe can block its exit.
    this.#child.stdout.removeAllListeners('data').resume()
    this.#endInput()
    this.#child.stdin.destroy()
  }

  #endInput(): void {
    this.#inputEnded = true
    this.#group?.stop()
  }

  protected override failToReader(response: Frame): void {
    this.#pending.answered(response)
    this.push(response)
  }

  protected override failToOtherSide(response: Frame): void {
    this.#lines?.write(response)
  }

  readonly #onFrame = (received: Frame): void => {
    const frame = this.#pending.match(received)
    if (this.#pending.isStray(frame)) {
      this.log.debug(`dropped a response to no pending request (id ${jsonOf(frame.id)})`)
      return
    }
    this.#pending.answered(frame)
    this.#lines?.received(frame)
    const mayPause = !this.#exited || this.#restSize > maxRest
    if (!this.push(frame) && mayPause) this.#child?.stdout.pause()
  }

  #onInvalid(error: ProxyError, envelope?: Envelope): void {
    this.log.warn(`${this.#options.command} printed an invalid message: ${describe(error)}`)
    const { back, onward } = refuse(error, fromServer(envelope))
    if (back !== undefined) this.#answer(back)
    if (onward !== undefined) this.#onFrame(onward)
  }

  // A child that prints invalid messages and does not read must not fill the memory.
  #answer(response: Frame): void {
    this.#lines?.write(response)
    this.#child?.stdout.pause()
    this.#lines?.whenRoom(() => this.#child?.stdout.resume())
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
      // On POSIX, `detached` makes the child the leader of a new process group. A signal to this
      // group also ends the descendants. On Windows, `detached` would open a console window.
      detached: process.platform !== 'win32',
      windowsHide: true
    })
  }

  #childOnSpawn(child: PipedChild): void {
    this.log.debug(`started ${this.#options.command} as process ${child.pid}`)
    const group = new ProcessGroup(child, this.#options.closeTimeout ?? limits.closeTimeout)
    this.#child = child
    this.#lines = new SpacedWriter(child.stdin)
    this.#group = group
    // A child that closed its stdin or stdout is of no use. Usually it exits soon.
    child.stdin.on('error', () => group.stop())
    child.stdout
      .on('end', () => group.stop())
      .on('data', (chunk: Buffer) => {
        if (this.#exited) this.#restSize += chunk.length
        this.guard(() => this.#parser.feed(chunk))
      })
    child.stderr.on('data', (chunk: Buffer) => this.#stderr.feed(chunk))
    child.once('exit', () => this.#childOnExit(child, group))
    publishProcess({ type: 'start', ...this.#about(child) })
    this.emit('spawn', child)
  }

  #onStderr(line: string): void {
    this.log.info(line)
    if (!processChannel.hasSubscribers) return
    publishProcess({ type: 'stderr', ...this.#about(this.#child as PipedChild), line })
  }

  #about({ pid }: PipedChild): Pick<ProcessFact, 'server' | 'pid' | 'command'> {
    const { server = '', command } = this.#options
    return { server, pid: pid as number, command }
  }

  #childOnExit(child: PipedChild, group: ProcessGroup): void {
    this.#exited = true
    // This reads the rest of the pipe even if the transport's reader is slow. The rest is small,
    // unless a descendant still writes.
    child.stdout.resume()
    group.endRest(() => this.#groupOnGone(child), this.#inputEnded ? undefined : crashTimeout)
  }

  #groupOnGone(child: PipedChild): void {
    this.#groupGone = true
    this.#stderr.end()
    const { exitCode, signalCode: signal } = child
    publishProcess({ type: 'exit', ...this.#about(child), exitCode, signal })
    if (this.#whenGroupGone !== undefined) return this.#whenGroupGone()
    this.#parser.end()
    if (this.#inputEnded) this.push(null)
    else {
      this.#exitError = this.#makeExitError(child)
      // `error.undelivered` lists the frames that are still queued. Their writes must complete
      // without an error, because `reconnect` would otherwise send these frames twice.
      this.#lines?.destroy()
      failAfterReading(this, this.#exitError)
    }
    this.#pending.take()
  }

  #startError(cause: unknown): ProxyError {
    const message = `cannot start "${this.#options.command}"`
    return new ProxyError('ERR_SERVER_START', message, { cause })
  }

  #makeExitError({ exitCode, signalCode }: PipedChild): ServerGoneError {
    const how = signalCode === null ? `exited with code ${exitCode}` : `was ended by ${signalCode}`
    const lastLines = this.#stderr.lines.join(' | ')
    const said = lastLines && `; it said: ${lastLines}`
    const message = `the server (${this.#options.command}) ${how}${said}`
    const unflushed = this.#lines?.unflushed
    return new ServerGoneError('ERR_SERVER_EXITED', message, unflushed, `the server ${how}`)
  }
}
