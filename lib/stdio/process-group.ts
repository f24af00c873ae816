// The process of a server (the child) and its descendants. A shell or npx that starts the server
// makes more than one process. On POSIX, the processes are a process group that the child leads. On
// Windows, they are the process tree under the child.
//
// `stop` ends the child in three steps: it ends the input, sends SIGTERM, then SIGKILL. When the
// child has exited, `endRest` ends the descendants and closes the pipes. Both together take
// `closeTimeout` at most.

import { spawn } from 'node:child_process'
import type { ChildProcessByStdio } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import { runningGroups } from './running-groups.ts'
import { hasRunningMember } from './zombies.ts'

export type PipedChild = ChildProcessByStdio<Writable, Readable, Readable>

/** The time between two checks of `endRest` whether the descendants have exited, in ms. */
const pollInterval = 20
/** `endRest` looks for zombies only at every fifth check, because this takes longer. */
const checksPerZombies = 5
/**
 * The parts of `closeTimeout` after which `stop` sends SIGTERM and SIGKILL. The exit after SIGKILL
 * takes some time, too.
 */
const termAfter = 0.5
const killAfter = 0.8
/** How long a process may take to exit after SIGKILL, in ms. */
const killTime = 500
/** How long the pipes may stay open after all processes of the group have exited, in ms. */
const pipeTimeout = 100

export class ProcessGroup {
  readonly #child: PipedChild
  readonly #pid: number
  readonly #closeTimeout: number
  readonly #windows: boolean
  readonly #timers = new Set<NodeJS.Timeout>()
  #stopping = false
  /** When `stop` sends SIGKILL, in ms of `performance.now()`. */
  #killAt = Infinity

  /**
   * @param child a running process. On POSIX, it was started with `detached` and so leads a group
   * @param closeTimeout how long the group may take to exit after `stop`, in ms (0: no limit)
   */
  constructor(child: PipedChild, closeTimeout: number, platform = process.platform) {
    this.#child = child
    this.#pid = child.pid as number
    this.#closeTimeout = closeTimeout || Infinity
    this.#windows = platform === 'win32'
    runningGroups.add(this)
  }

  /** Ends the child's input. Sends SIGTERM after half of `closeTimeout`, SIGKILL before its end. */
  stop(): void {
    if (this.#stopping) return
    this.#stopping = true
    this.#child.stdin.end()
    this.#killAt = performance.now() + this.#closeTimeout * killAfter
    this.#after(this.#closeTimeout * termAfter, () => this.signal('SIGTERM'))
    this.#after(this.#closeTimeout * killAfter, () => this.signal('SIGKILL'))
  }

  /**
   * Ends the descendants of a child that has exited. Sends SIGTERM, then SIGKILL. Calls back when
   * the descendants have exited and the pipes are closed. During this time the caller must read the
   * pipes.
   *
   * @param timeout how long the descendants may take after SIGTERM, in ms. The default and the
   * maximum is `closeTimeout`
   */
  endRest(callback: () => void, timeout = this.#closeTimeout): void {
    this.#stopping = true
    this.#clear()
    let deadline = Math.min(performance.now() + Math.min(timeout, this.#closeTimeout), this.#killAt)
    let killed = false
    let looks = 0
    const look = (): void => {
      const late = performance.now() >= deadline
      const butZombies = ++looks % checksPerZombies === 0
      if (!this.#isAlive(butZombies) || (late && killed)) {
        runningGroups.delete(this)
        return this.#closePipes(callback)
      }
      if (late) {
        // The exit after SIGKILL takes some time. The wait has a limit, because a process that its
        // parent does not reap seems to run for ever.
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
    // Windows has no SIGTERM and cannot ask a program without a window to exit. So this kills it.
    spawn('taskkill', ['/pid', String(this.#pid), '/T', '/F'], {
      stdio: 'ignore',
      windowsHide: true
    }).on('error', () => kill(this.#pid, signal))
  }

  /** @param butZombies if true, a group that has only zombies left is not alive */
  #isAlive(butZombies = false): boolean {
    if (this.#windows) return false
    try {
      process.kill(-this.#pid, 0)
      return !butZombies || hasRunningMember(this.#pid)
    } catch (error) {
      // EPERM: the process is alive, but runs as another user, so the proxy may not signal it.
      return (error as NodeJS.ErrnoException).code === 'EPERM'
    }
  }

  // A process that left the group may hold the pipes open for ever. So this closes the pipes after
  // `pipeTimeout`. In that time the caller has read all that the child wrote.
  #closePipes(callback: () => void): void {
    const open = [this.#child.stdout, this.#child.stderr].filter((pipe) => !pipe.closed)
    if (open.length === 0) return callback()
    this.#child.once('close', () => {
      this.#clear()
      callback()
    })
    this.#after(pipeTimeout, () => {
      // `setImmediate` lets Node read the data in the pipes first, even if this timer is late.
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
    // The process has exited, so there is no process to signal.
  }
}
