// A server's process and its descendants: a server that is started through a shell or npx is never the
// only process. On POSIX they are a process group that the child leads; on Windows, the tree under it.
//
// `stop` ends the child in three steps: the end of its input, SIGTERM, SIGKILL. When the child has
// exited, `endRest` ends its descendants and closes its pipes.

import { spawn } from 'node:child_process'
import type { ChildProcessByStdio } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'

export type PipedChild = ChildProcessByStdio<Writable, Readable, Readable>

/** How often `endRest` looks whether the descendants have exited, in ms. */
const pollInterval = 20
/** How long a process may take to exit after SIGKILL, in ms. */
const killTime = 500
/** How long the pipes are read after the group has exited, if another process holds them open, in ms. */
const pipeTimeout = 100

export class ProcessGroup {
  readonly #child: PipedChild
  readonly #pid: number
  readonly #closeTimeout: number
  readonly #windows: boolean
  readonly #timers = new Set<NodeJS.Timeout>()
  #stopping = false

  /**
   * @param child a running process; on POSIX started with `detached`, so that it leads a group
   * @param closeTimeout the time from each step of `stop` to the next, in ms (0: no limit)
   */
  constructor(child: PipedChild, closeTimeout: number, platform = process.platform) {
    this.#child = child
    this.#pid = child.pid as number
    this.#closeTimeout = closeTimeout || Infinity
    this.#windows = platform === 'win32'
  }

  /** Ends the child's input; sends SIGTERM after `closeTimeout`, SIGKILL after as much again. */
  stop(): void {
    if (this.#stopping) return
    this.#stopping = true
    this.#child.stdin.end()
    this.#after(this.#closeTimeout, () => {
      this.signal('SIGTERM')
      this.#after(this.#closeTimeout, () => this.signal('SIGKILL'))
    })
  }

  /**
   * Ends the descendants of a child that has exited: SIGTERM, then SIGKILL. Calls back when they have
   * exited and the pipes are closed. The caller reads the pipes meanwhile.
   *
   * @param timeout how long they may take after SIGTERM, in ms (default, and at most: `closeTimeout`)
   */
  endRest(callback: () => void, timeout = this.#closeTimeout): void {
    this.#stopping = true
    this.#clear()
    let deadline = performance.now() + Math.min(timeout, this.#closeTimeout)
    let killed = false
    const look = (): void => {
      const late = performance.now() >= deadline
      if (!this.#isAlive() || (late && killed)) return this.#closePipes(callback)
      if (late) {
        // It takes a moment. Where no process reaps the dead, the group never seems to end.
        this.signal('SIGKILL')
        killed = true
        deadline = performance.now() + killTime
      }
      this.#after(pollInterval, look)
    }
    if (this.#isAlive()) this.signal('SIGTERM')
    look()
  }

  /** Sends a signal to the whole group. */
  signal(signal: 'SIGTERM' | 'SIGKILL'): void {
    if (!this.#windows) return kill(-this.#pid, signal)
    // Windows has no SIGTERM: a console program without a window cannot be asked to exit.
    spawn('taskkill', ['/pid', String(this.#pid), '/T', '/F'], {
      stdio: 'ignore',
      windowsHide: true
    }).on('error', () => kill(this.#pid, signal))
  }

  #isAlive(): boolean {
    if (this.#windows) return false
    try {
      return process.kill(-this.#pid, 0)
    } catch (error) {
      // A process that changed its user is alive, and we may not signal it.
      return (error as NodeJS.ErrnoException).code === 'EPERM'
    }
  }

  // A process that left the group may hold the pipes open for ever. By then we have read what the child
  // wrote, so close them.
  #closePipes(callback: () => void): void {
    const open = [this.#child.stdout, this.#child.stderr].filter((pipe) => !pipe.closed)
    if (open.length === 0) return callback()
    this.#child.once('close', () => {
      this.#clear()
      callback()
    })
    this.#after(pipeTimeout, () => {
      // Read what is in the pipes first, even if this timer is late.
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
    // The process has exited.
  }
}
