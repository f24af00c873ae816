// A server's process and all that it started: on POSIX a process group of its own, on Windows the
// tree under it. A server started through a shell or npx is never the only process.

import { spawn } from 'node:child_process'
import type { ChildProcessByStdio } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'

export type PipedChild = ChildProcessByStdio<Writable, Readable, Readable>

/** How often to look whether the rest of a group has left, in milliseconds. */
const pollInterval = 20
/** How long a process may take to end that was killed, in milliseconds. */
const killTime = 500
/** How long pipes are read that somebody outside of the group keeps open, in milliseconds. */
const pipeTimeout = 100

export class ProcessGroup {
  readonly #child: PipedChild
  readonly #pid: number
  readonly #closeTimeout: number
  readonly #windows: boolean
  readonly #timers = new Set<NodeJS.Timeout>()
  #leaving = false

  /**
   * @param child that runs, started with `detached` on POSIX, so that it leads a group
   * @param closeTimeout milliseconds from each step of `leave` to the next (0: any)
   */
  constructor(child: PipedChild, closeTimeout: number, platform = process.platform) {
    this.#child = child
    this.#pid = child.pid as number
    this.#closeTimeout = closeTimeout || Infinity
    this.#windows = platform === 'win32'
  }

  /** Asks the child to leave by ending its input; insists after a time, forces after as much again. */
  leave(): void {
    if (this.#leaving) return
    this.#leaving = true
    this.#child.stdin.end()
    this.#after(this.#closeTimeout, () => {
      this.signal('SIGTERM')
      this.#after(this.#closeTimeout, () => this.signal('SIGKILL'))
    })
  }

  /**
   * The child has left: sees that the others do, and calls back when none is there and the pipes are
   * closed. They are to be read meanwhile.
   *
   * @param timeout milliseconds for the others, if they are not to have all of `closeTimeout`
   */
  sweep(callback: () => void, timeout = this.#closeTimeout): void {
    this.#leaving = true
    this.#clear()
    let deadline = Date.now() + Math.min(timeout, this.#closeTimeout)
    let forced = false
    const look = (): void => {
      const late = Date.now() >= deadline
      if (!this.#alive() || (late && forced)) return this.#closePipes(callback)
      if (late) {
        // Which takes a moment, or for ever where nobody reaps those that have ended.
        this.signal('SIGKILL')
        forced = true
        deadline = Date.now() + killTime
      }
      this.#after(pollInterval, look)
    }
    if (this.#alive()) this.signal('SIGTERM')
    look()
  }

  signal(signal: 'SIGTERM' | 'SIGKILL'): void {
    if (!this.#windows) return kill(-this.#pid, signal)
    // There is no asking on Windows: a console program without a window hears nothing.
    spawn('taskkill', ['/pid', String(this.#pid), '/T', '/F'], {
      stdio: 'ignore',
      windowsHide: true
    }).on('error', () => kill(this.#pid, signal))
  }

  #alive(): boolean {
    if (this.#windows) return false
    try {
      return process.kill(-this.#pid, 0)
    } catch (error) {
      // A member that changed its user is alive and not ours to signal.
      return (error as NodeJS.ErrnoException).code === 'EPERM'
    }
  }

  // Whoever left the group may keep them open for ever. What the child said is read by then.
  #closePipes(callback: () => void): void {
    const open = [this.#child.stdout, this.#child.stderr].filter((pipe) => !pipe.closed)
    if (open.length === 0) return callback()
    this.#child.once('close', () => {
      this.#clear()
      callback()
    })
    this.#after(pipeTimeout, () => {
      // Not before they had their turn, however late this comes.
      setImmediate(() => open.forEach((pipe) => pipe.destroy()))
    })
  }

  #after(time: number, action: () => void): void {
    if (time === Infinity) return
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      action()
    }, time)
    this.#timers.add(timer)
  }

  #clear(): void {
    for (const timer of this.#timers) clearTimeout(timer)
    this.#timers.clear()
  }
}

function kill(target: number, signal: NodeJS.Signals): void {
  try {
    process.kill(target, signal)
  } catch {
    // Nobody is left.
  }
}
