// Tells systemd when the proxy is ready, reloads and stops (sd_notify), if the unit has Type=notify or
// Type=notify-reload. systemd then sets NOTIFY_SOCKET to a socket for datagrams, which Node cannot
// write to. So the program systemd-notify does it, which comes with systemd.
//
// The programs run one after the other, so that systemd gets the states in their order. The proxy never
// waits for them. At most three states wait: a state takes the place of an earlier one of its kind, and
// of all that follow it.

import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { describe } from '../../errors.ts'
import type { Log } from '../../log.ts'

/** How long the program may run, in ms. */
const timeout = 5000

/** Lines of the protocol of sd_notify. The first one tells the kind of the state. */
type State = [kind: string, ...more: string[]]

export class ServiceManager {
  readonly #socket: string
  readonly #log: Log
  #waiting: State[] = []
  #isRunning = false
  #hasFailed = false

  /** @param socket the value of NOTIFY_SOCKET */
  constructor(socket: string, log: Log) {
    this.#socket = socket
    this.#log = log
  }

  ready(): void {
    this.#send(['READY=1'])
  }

  reloading(): void {
    // systemd compares this with the time of its signal.
    this.#send(['RELOADING=1', `MONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`])
  }

  stopping(): void {
    this.#waiting = []
    this.#send(['STOPPING=1'])
  }

  #send(state: State): void {
    const index = this.#waiting.findIndex(([kind]) => kind === state[0])
    if (index !== -1) this.#waiting.splice(index)
    this.#waiting.push(state)
    this.#next()
  }

  #next(): void {
    const state = this.#isRunning ? undefined : this.#waiting.shift()
    if (state === undefined) return
    this.#isRunning = true
    const end = (failure?: string): void => {
      this.#isRunning = false
      if (failure !== undefined) this.#fail(failure)
      this.#next()
    }
    try {
      this.#start(state)
        .once('error', (error) => end(describe(error)))
        .once('exit', (code, signal) =>
          end(code === 0 ? undefined : `it ended with ${signal ?? code}`)
        )
    } catch (error) {
      end(describe(error)) // for example without memory for another process
    }
  }

  #start(state: State): ChildProcess {
    const { PATH } = process.env
    return spawn('systemd-notify', state, {
      env: { PATH, NOTIFY_SOCKET: this.#socket },
      stdio: 'ignore',
      timeout,
      killSignal: 'SIGKILL'
    })
  }

  /** Logs the first failure. The others have the same reason. */
  #fail(reason: string): void {
    if (!this.#hasFailed) {
      this.#log.warn(`systemd does not learn the state of the proxy: systemd-notify: ${reason}`)
    }
    this.#hasFailed = true
  }
}
