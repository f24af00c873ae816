// Lets a limited number of tasks run at a time. The others wait for their turn, in the order in which
// they came, for a limited time.

import { ProxyError } from '../../errors.ts'

/** How many tasks may wait. */
const maxWaiting = 1000

export class Turns {
  readonly #timeout: number
  #free: number
  readonly #waiting = new Set<() => void>()

  /**
   * @param max how many tasks may run at a time (0: no limit)
   * @param timeout how long a task may wait for its turn, in ms (0: no limit)
   */
  constructor(max: number, timeout: number) {
    this.#free = max || Infinity
    this.#timeout = timeout
  }

  /**
   * Runs a task when it is its turn.
   *
   * @throws ProxyError `ERR_ISSUER` if too many tasks wait, or if this one has waited too long
   */
  async run<Result>(task: () => Promise<Result>): Promise<Result> {
    if (this.#free > 0) this.#free--
    else await this.#wait()
    try {
      return await task()
    } finally {
      const [next] = this.#waiting
      if (next === undefined) this.#free++
      else next()
    }
  }

  #wait(): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#waiting.size === maxWaiting) return reject(tooMany())
      const end = (settle: () => void): void => {
        this.#waiting.delete(begin)
        clearTimeout(timer)
        settle()
      }
      const begin = (): void => end(resolve)
      const timer =
        this.#timeout === 0
          ? undefined
          : setTimeout(() => end(() => reject(tooMany())), this.#timeout)
      this.#waiting.add(begin)
    })
  }
}

function tooMany(): ProxyError {
  const message = 'too many tokens wait for their check'
  return new ProxyError('ERR_ISSUER', message, { publicMessage: message })
}
