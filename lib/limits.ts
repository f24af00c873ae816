// The default of every limit. Sizes are in bytes, times in milliseconds, and 0 turns a limit off. Each
// limit is an option of the functions that use it, and a flag of the command line.

import { constants } from 'node:buffer'

export const limits = {
  /** The largest message, in either direction, in bytes. */
  maxMessage: 64 * 1024 * 1024,
  /** How long an open event stream may be silent before the proxy sends a comment, in ms. */
  keepAlive: 15_000,
  /** How long a session may be without traffic, open stream or pending request, in ms. */
  sessionTimeout: 30 * 60_000,
  maxSessions: 1000,
  /**
   * How long a connection may wait for its client, in ms: between two requests, or in the middle of a
   * body. A client that sends just when the proxy closes the connection loses its request.
   */
  idleTimeout: 2 * 60_000,
  /** How long a process may take to exit after EOF on its input, and again after SIGTERM, in ms. */
  closeTimeout: 5000,
  /** How long pending requests may still get a response after a signal to stop, in ms. */
  drainTimeout: 10_000,
  /** How many times a minute a dead server is started again. */
  restarts: 5,
  /** How long a connection may take to open, and a server to send its first response, in ms. */
  connectTimeout: 30_000,
  /** The events that a session keeps for a client that lost its connection or has none yet, in bytes. */
  maxReplay: 1024 * 1024,
  /** The frames that may wait for a client of a shared server, in bytes. Past it the client is cut off. */
  maxQueue: 16 * 1024 * 1024,
  /** How long a POST waits for its response before it gets an event stream instead of JSON, in ms. */
  streamAfter: 3000,
  /** The time that clients should wait before they resume an event stream, in ms. */
  retry: 1000
}

export type Limits = typeof limits

/** Some of the limits. */
export type LimitOptions = { [Name in keyof Limits]?: Limits[Name] | undefined }

/** The largest message that `maxMessage` allows, in bytes. A string cannot hold a larger one. */
export function largestMessage(maxMessage: number = limits.maxMessage): number {
  return Math.min(maxMessage || Infinity, constants.MAX_STRING_LENGTH - 1)
}

/** All limits: those in `options`, and the defaults of the others. */
export function withDefaults(options: LimitOptions): Limits {
  const chosen = { ...limits }
  for (const name of Object.keys(limits) as (keyof Limits)[]) {
    chosen[name] = options[name] ?? limits[name]
  }
  return chosen
}
