// A server's process and all that it started: on POSIX a process group of its own, on Windows the
// tree under it. A server started through a shell or npx is never the only process.

import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'

/** How often to look whether the rest of a group has left, in milliseconds. */
const pollInterval = 20

export class ProcessGroup {
  readonly #child: ChildProcess
  readonly #closeTimeout: number
  readonly #windows: boolean
  readonly #timers = new Set<NodeJS.Timeout>()
  #leaving = false

  /**
   * @param child started with `detached` on POSIX, so that it leads a group
   * @param closeTimeout milliseconds from each step of `leave` to the next (0: no waiting)
   */
  constructor(child: ChildProcess, closeTimeout: number, platform = process.platform) {
    this.#child = child
    this.#closeTimeout = closeTimeout
    this.#windows = platform === 'win32'
  }

  /** The input of the child has ended, or will: insist after a time, force after as much again. */
  leave(): void {
    if (this.#leaving) return
    this.#leaving = true
    this.#after(this.#closeTimeout, () => {
      this.signal('SIGTERM')
      this.#after(this.#closeTimeout, () => {
        this.signal('SIGKILL')
        // Whoever left the group and kept the pipes must not keep us.
        this.#child.stdout?.destroy()
        this.#child.stderr?.destroy()
      })
    })
  }

  /** The child has left: sees that the others do, and calls back when none is there. */
  sweep(callback: () => void): void {
    this.#clear()
    if (!this.#alive()) return callback()
    this.signal('SIGTERM')
    const deadline = Date.now() + this.#closeTimeout
    const look = (): void => {
      const late = Date.now() >= deadline
      if (late) this.signal('SIGKILL')
      if (late || !this.#alive()) callback()
      else this.#after(pollInterval, look)
    }
    this.#after(pollInterval, look)
  }

  signal(signal: 'SIGTERM' | 'SIGKILL'): void {
    const { pid } = this.#child
    if (pid === undefined) return
    if (this.#windows) {
      // There is no asking on Windows: a console program without a window hears nothing.
      spawn('taskkill', ['/pid', String(pid), '/T', '/F'], { stdio: 'ignore', windowsHide: true })
        .on('error', () => this.#child.kill())
      return
    }
    try {
      process.kill(-pid, signal)
    } catch {
      // Nobody is left in the group.
    }
  }

  #alive(): boolean {
    if (this.#windows || this.#child.pid === undefined) return false
    try {
      return process.kill(-this.#child.pid, 0)
    } catch (error) {
      // A member that changed its user is alive and not ours to signal.
      return (error as NodeJS.ErrnoException).code === 'EPERM'
    }
  }

  #after(time: number, action: () => void): void {
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
