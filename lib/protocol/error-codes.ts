// The codes of JSON-RPC errors. JSON-RPC 2.0 defines some of them, and MCP the others.

export const errorCodes = {
  // The following codes are defined in JSON-RPC 2.0, section 5.1.
  parseError: -32700,
  invalidRequest: -32600,
  methodNotFound: -32601,
  invalidParams: -32602,
  internalError: -32603,

  /**
   * The server failed, or the connection to it failed. JSON-RPC reserves this code, but gives it no
   * meaning.
   */
  serverError: -32000,
  /** The MCP SDKs send this code when the server does not know the session. */
  sessionUnknown: -32001,
  /** The resource does not exist. The modern revision uses `invalidParams` instead. */
  resourceNotFound: -32002,
  /** The client must open a URL before it repeats the request. Only in revision 2025-11-25. */
  urlElicitationRequired: -32042,

  // The following codes are new in MCP revision 2026-07-28.
  headerMismatch: -32020,
  missingClientCapability: -32021,
  unsupportedProtocolVersion: -32022
} as const

/** Only a server of the modern revision sends one of these codes (2026-07-28, Versioning). */
export const modernErrorCodes: ReadonlySet<number | undefined> = new Set([
  errorCodes.headerMismatch,
  errorCodes.missingClientCapability,
  errorCodes.unsupportedProtocolVersion
])
