// Decides when a session is abandoned, so that its server can end.
//
// A session is in use while an HTTP response to its client is open. What the server sends does not
// count, because a client that has vanished does not read it. A session that is not in use ends
// after `sessionTimeout`. It ends earlier, after `detachedTimeout`, if its client has left an open
// response: the client has closed its event stream, or has not waited for the response to a POST.

export interface SessionClockOptions {
  /** A session that is not in use ends after this time, in ms (0: no limit). */
  sessionTimeout: number
  /** The same time if the client has left, in ms (0: `sessionTimeout` counts instead). */
  detachedTimeout: number
  /** Called once, when the session is abandoned. */
  onAbandoned: () => void
}

export class SessionClock {
  readonly #sessionTimeout: number
  readonly #detachedTimeout: number
  readonly #onAbandoned: () => void
  /** How many HTTP responses to the client are open. */
  #open = 0
  /** Whether the client has left an open response, and has sent nothing since. */
  #detached = false
  /**
   * When the client last sent a request or had a connection, in ms of `performance.now()`. While a
   * response is open, this is an earlier time.
   */
  #lastSign = performance.now()
  #timer: NodeJS.Timeout | undefined
  /** The time at which `#timer` fires, in ms of `performance.now()`. */
  #timerAt = Infinity
  #stopped = false

  constructor({ sessionTimeout, detachedTimeout, onAbandoned }: SessionClockOptions) {
    this.#sessionTimeout = sessionTimeout || Infinity
    this.#detachedTimeout = Math.min(detachedTimeout || Infinity, this.#sessionTimeout)
    this.#onAbandoned = onAbandoned
    this.#setTimer()
  }

  /** Call this when the client has sent an HTTP request that gets its response at once. */
  note(): void {
    this.#lastSign = performance.now()
    this.#detached = false
  }

  /** Call this when an HTTP response to the client opens. */
  open(): void {
    this.#detached = false
    this.#open++
  }

  /**
   * Call this when an HTTP response to the client has closed.
   *
   * @param left whether the client has left: it did not wait for the end of the response
   */
  close(left: boolean): void {
    this.#open--
    this.#detached ||= left
    if (this.#open > 0) return
    this.#lastSign = performance.now()
    // The timer may be set to the later time of a session that is not detached.
    if (this.#detached && this.#abandonedAt < this.#timerAt) this.#setTimer()
  }

  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
  }

  get #abandonedAt(): number {
    return this.#lastSign + (this.#detached ? this.#detachedTimeout : this.#sessionTimeout)
  }

  // Sets the timer to the earliest time at which the session can be abandoned. To set the timer
  // again at each request would cost more.
  #setTimer(): void {
    clearTimeout(this.#timer)
    if (this.#stopped) return
    this.#timerAt = this.#abandonedAt
    if (this.#timerAt === Infinity) return
    const time = Math.min(this.#timerAt - performance.now(), maxTime)
    this.#timer = setTimeout(this.#look, Math.max(time, 0))
  }

  readonly #look = (): void => {
    if (this.#open > 0) this.#lastSign = performance.now()
    if (this.#abandonedAt <= performance.now()) this.#onAbandoned()
    else this.#setTimer()
  }
}

/** The longest time that a timer can wait, in ms. */
const maxTime = 2 ** 31 - 1
