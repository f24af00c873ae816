// When the proxy reloads. A reload may be asked for at any time: by a signal, by a change of a file,
// while another one runs, and before the listener is ready. Only one runs at a time. Any number of
// demands during a reload cause one more after it, which sees the newest files. A pause follows each
// reload, so that a flood of signals costs little.

import { describe, ProxyError } from '../../errors.ts'
import { unlessAborted } from '../../http-client/auth/shared-token.ts'
import type { Log } from '../../log.ts'
import type { ServiceManager } from './service-manager.ts'

/** The pause after a reload, in ms. */
const pause = 100

/** How long a reload may take, in ms. A file system of another machine may not answer. */
const longest = 30_000

/** Resolves to what has changed, in words. When the signal aborts, nothing changes any more. */
export type Run = (signal: AbortSignal) => Promise<string[]>

export class Reloads {
  readonly #log: Log
  readonly #manager: ServiceManager | undefined
  readonly #timeout: number
  /** Set from the start to the stop. */
  #run: Run | undefined
  /** What asked for the next reload. `file` is quiet if nothing has changed. */
  #asked: 'signal' | 'file' | undefined
  /** Set while a reload runs, and in the pause after it. */
  #running: AbortController | undefined
  #timer: NodeJS.Timeout | undefined

  /**
   * @param manager learns when a reload begins and ends
   * @param timeout how long a reload may take, in ms
   */
  constructor(log: Log, manager?: ServiceManager, timeout = longest) {
    this.#log = log
    this.#manager = manager
    this.#timeout = timeout
  }

  /** Begins to serve demands, and those that have come before. */
  start(run: Run): void {
    this.#run = run
    this.#next()
  }

  /** Starts no more reloads, and ends the one that runs. */
  stop(): void {
    this.#run = undefined
    clearTimeout(this.#timer)
    this.#running?.abort()
  }

  /** Asks for a reload, because a signal has come. */
  reopen(): void {
    this.#asked = 'signal'
    this.#next()
  }

  /** Asks for a reload, because a file has changed. */
  filesOnChange(): void {
    this.#asked ??= 'file'
    this.#next()
  }

  #next(): void {
    const run = this.#run
    const asked = this.#asked
    if (run === undefined || asked === undefined || this.#running !== undefined) return
    this.#asked = undefined
    this.#running = new AbortController()
    void this.#reload(run, asked, this.#running).then(() => {
      if (this.#run === undefined) return
      this.#timer = setTimeout(() => {
        this.#running = undefined
        this.#next()
      }, pause)
    })
  }

  async #reload(run: Run, asked: 'signal' | 'file', running: AbortController): Promise<void> {
    this.#manager?.reloading()
    const late = new ProxyError('ERR_TIMEOUT', 'the files cannot be read in time')
    this.#timer = setTimeout(() => running.abort(late), this.#timeout)
    try {
      const changes = await unlessAborted(run(running.signal), running.signal)
      if (changes.length > 0) this.#log.info(`reloaded: ${changes.join('; ')}`)
      else if (asked === 'signal') this.#log.info('reloaded: nothing has changed')
    } catch (error) {
      if (this.#run === undefined) return
      this.#log.error(`nothing was reloaded: ${describe(error)}`)
    } finally {
      clearTimeout(this.#timer)
    }
    this.#manager?.ready()
  }
}
