// HTTP statuses to which MCP gives a meaning.

/**
 * A legacy server refuses with one of these what only a newer transport or revision knows (2025-11-25,
 * Transports, Backwards Compatibility).
 */
export const legacyRefusals: ReadonlySet<number> = new Set([400, 404, 405])
