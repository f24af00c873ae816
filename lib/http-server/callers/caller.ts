// A caller: the principal of a token, or else an address. It counts what the caller uses, and refuses
// what is over a limit of the caller. So one caller cannot take everything from all others.

import { ProxyError } from '../../errors.ts'
import type { CallCounter } from '../../message/client-requests.ts'
import type { Frame } from '../../message/frame.ts'
import { quote } from '../../text.ts'
import type { BodyBudget, WaitingBodies } from '../request/body-budget.ts'

/** The limits of each caller (see lib/limits.ts), and what all callers of a listener share. */
export interface CallerLimits {
  /** 0 means no limit, here and in the next two. */
  readonly maxCallerRate: number
  readonly maxCallerBurst: number
  readonly maxCallerCalls: number
  /** How many sessions a caller may have open. */
  readonly maxCallerSessions: number | undefined
  /** The default of `maxCallerSessions`. It counts if more than one caller has asked for a session. */
  readonly share: number
  /** How many of the callers have asked for a session. */
  wanting: number
}

/** The error of a caller that is over one of its limits. */
export class CallerLimitError extends ProxyError {
  /** The time that the caller should wait before it tries again, in s. */
  readonly retryAfter: number

  constructor(message: string, retryAfter = 10) {
    super('ERR_CALLER_LIMIT', message)
    this.retryAfter = retryAfter
  }
}

export class Caller implements CallCounter {
  /** The principal or the network of the caller, for error messages. */
  readonly name: string
  /** How many sessions are open. */
  sessions = 0
  /** How many requests are in flight: they have no response yet, and are not cancelled. */
  calls = 0
  /** How many connections are open. */
  connections = 0
  /** Whether the caller has sent something since the last look at all callers. */
  wasSeen = true
  /** Whether the caller has asked for a session. */
  wantsSessions = false
  /** The memory for large bodies, and for small ones that wait. A `BodyReader` makes both. */
  bodies: BodyBudget | undefined
  waiting: WaitingBodies | undefined
  readonly #limits: CallerLimits
  /** How many requests the caller may send now. A batch may make it negative. */
  #credit: number
  /** When `#credit` was last counted, in ms of `performance.now()`. */
  #countedAt = performance.now()

  constructor(name: string, limits: CallerLimits) {
    this.name = name
    this.#limits = limits
    this.#credit = limits.maxCallerBurst
  }

  /** Whether nothing has to be kept about the caller. */
  get isIdle(): boolean {
    if (this.sessions + this.calls + this.connections > 0) return false
    if ((this.bodies?.used ?? 0) + (this.waiting?.used ?? 0) > 0) return false
    return !this.#hasRate || this.#count() >= this.#limits.maxCallerBurst
  }

  /**
   * Counts an HTTP request.
   *
   * @throws CallerLimitError if the caller sends requests too fast
   */
  takeRequest(): void {
    this.wasSeen = true
    if (!this.#hasRate) return
    const credit = this.#count()
    if (credit >= 1) {
      this.#credit--
      return
    }
    const { maxCallerRate } = this.#limits
    const message = `${quote(this.name)} sends more than ${maxCallerRate} requests a second (see --max-caller-rate)`
    throw new CallerLimitError(message, Math.ceil((1 - credit) / maxCallerRate))
  }

  /**
   * Returns the error for the messages of a body if too many requests would be in flight. In a batch,
   * each message after the first also counts as an HTTP request. The caller then has to wait longer
   * before its next one.
   */
  faultOfCalls(frames: readonly Frame[]): CallerLimitError | undefined {
    const { maxCallerCalls } = this.#limits
    if (this.#hasRate) this.#credit -= frames.length - 1
    if (maxCallerCalls === 0) return undefined
    let count = 0
    for (const { kind } of frames) if (kind === 'request') count++
    if (count === 0 || this.calls + count <= maxCallerCalls) return undefined
    const message = `${quote(this.name)} has ${this.calls} requests in flight (see --max-caller-calls)`
    return new CallerLimitError(message)
  }

  /**
   * Refuses one more session if the caller has as many as it may have.
   *
   * @throws CallerLimitError
   */
  admitSession(): void {
    const { maxCallerSessions, share } = this.#limits
    if (!this.wantsSessions) {
      this.wantsSessions = true
      this.#limits.wanting++
    }
    const max = maxCallerSessions ?? (this.#limits.wanting > 1 ? share : Infinity)
    if (this.sessions < max) return
    const message = `${quote(this.name)} has ${this.sessions} sessions open (see --max-caller-sessions)`
    throw new CallerLimitError(message)
  }

  get #hasRate(): boolean {
    return this.#limits.maxCallerRate > 0 && this.#limits.maxCallerBurst > 0
  }

  #count(): number {
    const { maxCallerRate, maxCallerBurst } = this.#limits
    const now = performance.now()
    const earned = ((now - this.#countedAt) * maxCallerRate) / 1000
    this.#countedAt = now
    this.#credit = Math.min(maxCallerBurst, this.#credit + earned)
    return this.#credit
  }
}
