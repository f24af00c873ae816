// Counts the restarts of the last minute, and sets the pauses between them.

const minute = 60_000
/** The pause before the second restart in a row, in ms. It doubles with each further restart. */
const firstPause = 100
/** The longest pause, in ms. */
const maxPause = 30_000

/**
 * Returns the pause before a restart, in ms.
 *
 * @param count 1 for the first restart in a row, which has no pause
 */
export const pauseBefore = (count: number): number =>
  count === 1 ? 0 : Math.min(firstPause * 2 ** (count - 2), maxPause)

export class RestartCount {
  #times: number[] = []

  /** Counts one more restart. Returns how many restarts the last minute has had, with this one. */
  add(): number {
    const now = performance.now()
    this.#times = this.#times.filter((time) => time > now - minute)
    return this.#times.push(now)
  }
}
