// HTTP statuses to which MCP gives a meaning.

/**
 * A legacy server answers with one of these statuses if it does not know the transport or revision
 * of a request (2025-11-25, Transports, Backwards Compatibility).
 */
export const legacyRefusals: ReadonlySet<number> = new Set([400, 404, 405])
