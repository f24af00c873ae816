// The codes of JSON-RPC errors: those of JSON-RPC 2.0 itself, and those of MCP.

export const errorCodes = {
  // JSON-RPC 2.0, section 5.1.
  parseError: -32700,
  invalidRequest: -32600,
  methodNotFound: -32601,
  invalidParams: -32602,
  internalError: -32603,

  /** A failure of the server, or of the connection to it. JSON-RPC leaves its meaning open. */
  serverError: -32000,
  /** The SDKs answer with this code where the server doesn't know the session. */
  sessionUnknown: -32001,

  // 2026-07-28.
  headerMismatch: -32020,
  missingClientCapability: -32021,
  unsupportedProtocolVersion: -32022
} as const

/** Only a server of the modern revision answers with one of these (2026-07-28, Versioning). */
export const modernErrorCodes: ReadonlySet<number | undefined> = new Set([
  errorCodes.headerMismatch,
  errorCodes.missingClientCapability,
  errorCodes.unsupportedProtocolVersion
])
