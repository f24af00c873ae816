// The shape of a JSON-RPC 2.0 message, as MCP narrows it.

/** Of a request and its response. MCP forbids null. */
export type Id = string | number

/** A parsed message of any kind. */
export interface Message {
  jsonrpc: '2.0'
  id?: Id | null
  method?: string
  params?: Record<string, unknown>
  result?: unknown
  error?: { code: number; message: string; data?: unknown }
}
