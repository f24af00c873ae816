// When the proxy reloads. A reload may be asked for at any time: by a signal, by a change of a file,
// while another one runs, and before the listener is ready. Only one runs at a time. Any number of
// demands during a reload cause one more after it, which sees the newest files. A pause follows each
// reload, so that a flood of signals costs little.

import { describe } from '../../errors.ts'
import type { Log } from '../../log.ts'
import type { ServiceManager } from './service-manager.ts'

/** The pause after a reload, in ms. */
const pause = 100

export class Reloads {
  readonly #log: Log
  readonly #manager: ServiceManager | undefined
  /** Set from the start to the stop. */
  #run: (() => Promise<string[]>) | undefined
  /** What asked for the next reload. `file` is quiet if nothing has changed. */
  #asked: 'signal' | 'file' | undefined
  #isRunning = false
  #timer: NodeJS.Timeout | undefined

  /** @param manager learns when a reload begins and ends */
  constructor(log: Log, manager?: ServiceManager) {
    this.#log = log
    this.#manager = manager
  }

  /** Begins to serve demands, and those that have come before. */
  start(run: () => Promise<string[]>): void {
    this.#run = run
    this.#next()
  }

  /** Starts no more reloads. One that runs finds out by itself. */
  stop(): void {
    this.#run = undefined
    clearTimeout(this.#timer)
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
    if (this.#run === undefined || this.#asked === undefined || this.#isRunning) return
    const asked = this.#asked
    this.#asked = undefined
    this.#isRunning = true
    void this.#reload(this.#run, asked).then(() => {
      if (this.#run === undefined) return
      this.#timer = setTimeout(() => {
        this.#isRunning = false
        this.#next()
      }, pause)
    })
  }

  async #reload(run: () => Promise<string[]>, asked: 'signal' | 'file'): Promise<void> {
    this.#manager?.reloading()
    try {
      const changes = await run()
      if (this.#run === undefined) return
      if (changes.length > 0) this.#log.info(`reloaded: ${changes.join('; ')}`)
      else if (asked === 'signal') this.#log.info('reloaded: nothing has changed')
    } catch (error) {
      this.#log.error(`nothing was reloaded: ${describe(error)}`)
    }
    this.#manager?.ready()
  }
}
