// The names of the HTTP headers that MCP uses. They are lower-case because Node's header objects
// are, too.

export const headerNames = {
  sessionId: 'mcp-session-id',
  protocolVersion: 'mcp-protocol-version',
  lastEventId: 'last-event-id',

  // The following headers are new in MCP revision 2026-07-28.
  method: 'mcp-method',
  name: 'mcp-name',
  /** A header name is this prefix and the name that a tool's schema gives in `x-mcp-header`. */
  paramPrefix: 'mcp-param-'
} as const

/** The name of the session header with capital letters, for error messages and CORS headers. */
export const sessionIdHeader = 'Mcp-Session-Id'

/** The name of the version header with capital letters, for error messages. */
export const protocolVersionHeader = 'MCP-Protocol-Version'
