// The keys of `_meta` that the modern revision reserves (2026-07-28, Base Protocol, `_meta`).

const prefix = 'io.modelcontextprotocol/'

export const metaKeys = {
  protocolVersion: `${prefix}protocolVersion`,
  clientInfo: `${prefix}clientInfo`,
  serverInfo: `${prefix}serverInfo`,
  clientCapabilities: `${prefix}clientCapabilities`,
  logLevel: `${prefix}logLevel`,
  subscriptionId: `${prefix}subscriptionId`
} as const
