// The default of every limit. Sizes are in bytes, times are in ms, and 0 turns a limit off. Each
// limit is an option of the functions that use it, and also a flag of the command line.

import { constants } from 'node:buffer'

export const limits = {
  /** The largest message, in either direction, in bytes. */
  maxMessage: 64 * 1024 * 1024,
  /** The memory for the bodies of HTTP requests on all connections together, in bytes. */
  maxBodyMemory: 128 * 1024 * 1024,
  /** How long an open event stream may be silent before the proxy sends a comment, in ms. */
  keepAlive: 15_000,
  /** After this time without a request or a connection of its client, a session ends, in ms. */
  sessionTimeout: 30 * 60_000,
  /**
   * If a client has left, its session ends after this time, in ms. A client has left if it closed its
   * event stream, or if it disconnected before it received a response.
   */
  detachedTimeout: 5 * 60_000,
  /** How many sessions may be open at the same time, of all clients together. */
  maxSessions: 1000,
  /**
   * How many requests a second a caller may send over HTTP (0: no limit). A caller is a principal, or an
   * address without one.
   */
  maxCallerRate: 0,
  /** How many requests a caller may send at once before `maxCallerRate` counts. */
  maxCallerBurst: 20,
  /** How many requests of a caller may be in flight. */
  maxCallerCalls: 20_000,
  /** How many connections of a caller may be open. An address counts here, and not a principal. */
  maxCallerConnections: 4000,
  /** The memory for the bodies of HTTP requests of a caller, in bytes. */
  maxCallerBodies: 64 * 1024 * 1024,
  /** How many callers the proxy keeps apart. More callers share the limits of one. */
  maxCallers: 10_000,
  /**
   * How long the proxy waits for the next bytes of a client on an HTTP connection, in ms. It waits
   * between two requests or in a body, and then closes the connection. A client that sends a
   * request at that moment loses the request.
   */
  idleTimeout: 2 * 60_000,
  /**
   * How long a server may take to exit after the end of its input, in ms. It gets SIGTERM after
   * half.
   */
  closeTimeout: 3000,
  /** How long pending requests may still get a response after a signal to stop, in ms. */
  drainTimeout: 6000,
  /** How many times a minute the proxy may restart a server that exited. */
  restarts: 5,
  /**
   * How long a connection may take to open, in ms. Also the longest silence of a server before its
   * first response is complete.
   */
  connectTimeout: 30_000,
  /** How long a person may take to sign in at a server that asks for OAuth, in ms. */
  loginTimeout: 5 * 60_000,
  /**
   * How many bytes of events a session keeps for a client that lost its connection or has none yet.
   */
  maxReplay: 1024 * 1024,
  /**
   * How many bytes of frames may wait for a client of a shared server. If more wait, the proxy
   * disconnects the client.
   */
  maxQueue: 16 * 1024 * 1024,
  /**
   * How long a process that reads its input may take to answer the request that finds out its era,
   * in ms. A process that does not answer in this time counts as legacy.
   */
  probeTimeout: 5000,
  /**
   * How long a POST waits for its response before it gets an event stream instead of JSON, in ms.
   */
  streamAfter: 3000,
  /** How often a modern server may ask a legacy client for input during one request. */
  maxRounds: 64,
  /**
   * How long the proxy waits for a client of revision 2026-07-28 that must answer questions of an
   * older server, in ms.
   */
  inputTimeout: 5 * 60_000,
  /**
   * How many connections to an older server the clients of revision 2026-07-28 may use at a time, if
   * they have the same name and capabilities.
   */
  maxGroupConnections: 8,
  /** The same for all clients of revision 2026-07-28 together. */
  maxConnections: 32,
  /** How many tokens that were checked the proxy remembers, so that it need not check them again. */
  maxTokens: 10_000,
  /** By how much the clock of the issuer of a token may differ from that of the proxy, in ms. */
  clockSkew: 30_000,
  /**
   * After this time, the proxy fetches the keys of an issuer again, in ms. If the issuer is away, the
   * known keys count for the same time once more.
   */
  keyAge: 10 * 60_000,
  /**
   * After this time, the proxy asks again whether an opaque token is valid, in ms. If the issuer is
   * away, the last answer counts for the same time once more.
   */
  introspectionAge: 30_000,
  /** How many requests about opaque tokens may run at a time. */
  maxIntrospections: 32,
  /** The time that clients should wait before they resume an event stream, in ms. */
  retry: 1000
}

/** The memory for the messages that the traffic page can show, in bytes (0: no limit). */
export const inspectMemory = 64 * 1024 * 1024

export type Limits = typeof limits

/** The limits that an option or a flag sets. The others have their defaults. */
export type LimitOptions = { [Name in keyof Limits]?: Limits[Name] | undefined }

/** Returns the largest message size, in bytes: `maxMessage`, or less if a string cannot hold it. */
export function largestMessage(maxMessage: number = limits.maxMessage): number {
  return Math.min(maxMessage || Infinity, constants.MAX_STRING_LENGTH - 1)
}

/**
 * Returns the default of `maxCallerSessions`: how many sessions a caller may have open, if there is more
 * than one caller.
 *
 * @param maxSessions how many sessions all callers may have open (0: no limit)
 */
export const shareOf = (maxSessions: number): number =>
  maxSessions === 0 ? Infinity : Math.max(4, Math.floor(maxSessions / 10))
