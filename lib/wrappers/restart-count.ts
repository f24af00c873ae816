// Counts the restarts of the last minute, on the monotonic clock.

const minute = 60_000

export class RestartCount {
  #times: number[] = []

  /** Counts a restart now. Returns how many there were in the last minute, with this one. */
  add(): number {
    const now = performance.now()
    this.#times = this.#times.filter((time) => time > now - minute)
    return this.#times.push(now)
  }
}
