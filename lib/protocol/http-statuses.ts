// HTTP statuses to which MCP gives a meaning.

/**
 * A legacy server answers with one of these statuses if it does not know the transport or revision
 * of a request (2025-11-25, Transports, Backwards Compatibility).
 */
export const legacyRefusals: ReadonlySet<number> = new Set([400, 404, 405])

/** These statuses are about the client or the traffic, and say nothing about the era of a server. */
const neutral: ReadonlySet<number> = new Set([401, 402, 403, 407, 408, 413, 421, 425, 429])

/**
 * Whether a server that answers a modern request with this status, and without a modern error, is
 * legacy (2026-07-28, Versioning, Compatibility Matrix).
 */
export const showsLegacy = (status: number): boolean =>
  status >= 400 && status < 500 && !neutral.has(status)
