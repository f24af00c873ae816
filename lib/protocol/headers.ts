// The names of the HTTP headers that MCP defines or gives a meaning, in lower case, as Node has them.

export const headerNames = {
  sessionId: 'mcp-session-id',
  protocolVersion: 'mcp-protocol-version',
  lastEventId: 'last-event-id',

  // 2026-07-28.
  method: 'mcp-method',
  name: 'mcp-name',
  /** Followed by the name that a tool's schema gives in `x-mcp-header`. */
  paramPrefix: 'mcp-param-'
} as const

/** The session header as people write it, in messages and in CORS headers. */
export const sessionIdHeader = 'Mcp-Session-Id'
