// The shape of a JSON-RPC 2.0 message, as far as MCP allows it.

/** The value of each message's member `jsonrpc`. */
export const jsonRpcVersion = '2.0'

/** The id of a request and its response. MCP forbids null. */
export type Id = string | number

/** A parsed message of any kind. */
export interface Message {
  jsonrpc: typeof jsonRpcVersion
  id?: Id | null
  method?: string
  params?: Record<string, unknown>
  result?: unknown
  error?: { code: number; message: string; data?: unknown }
}
