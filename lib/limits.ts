// The default of every limit, in one place. Sizes are bytes, times are milliseconds; 0 turns a
// limit off. Each is an option of whatever it limits, and a flag of the command line.

import { constants } from 'node:buffer'

export const limits = {
  /** One message, in either direction. */
  maxMessage: 64 * 1024 * 1024,
  /** Silence on an open event stream before a comment is sent on it. */
  keepAlive: 15_000,
  /** A session without traffic, open stream or call. */
  sessionTimeout: 30 * 60_000,
  maxSessions: 1000,
  /** A client's connection without a request. Closed too early, it is lost to who sends just then. */
  idleTimeout: 2 * 60_000,
  /** How long a server may take to leave: after its input ended, and again after SIGTERM. */
  closeTimeout: 5000,
  /** How long calls in flight may still be answered when the proxy is told to stop. */
  drainTimeout: 10_000,
  /** Restarts of a dying server within a minute. */
  restarts: 5,
  /** A connection being made, and a server's first answer to `initialize` over HTTP. */
  connectTimeout: 30_000,
  /** Events of one session kept for a client that comes back, and messages for one still to come. */
  maxReplay: 1024 * 1024,
  /** What waits for a client of a shared server that does not read, before it is cut off. */
  maxQueue: 16 * 1024 * 1024,
  /** How long the answer to a POST may stay undecided between JSON and an event stream. */
  streamAfter: 3000,
  /** What clients are told to wait before they come back to an event stream. */
  retry: 1000
}

export type Limits = typeof limits

/** Limits of the caller's choice. */
export type LimitOptions = { [Name in keyof Limits]?: Limits[Name] | undefined }

/** The largest message that `maxMessage` allows, in bytes. None can be larger than a string. */
export function largestMessage(maxMessage: number = limits.maxMessage): number {
  return Math.min(maxMessage || Infinity, constants.MAX_STRING_LENGTH - 1)
}

/** The limits that `options` names, over the defaults. */
export function withDefaults(options: LimitOptions): Limits {
  const chosen = { ...limits }
  for (const name of Object.keys(limits) as (keyof Limits)[]) {
    chosen[name] = options[name] ?? limits[name]
  }
  return chosen
}
