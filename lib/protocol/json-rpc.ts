// The type of a JSON-RPC 2.0 message in MCP.

/** The value of the member `jsonrpc` in every message. */
export const jsonRpcVersion = '2.0'

/**
 * The `resultType` of a result that is not a request for more input (2026-07-28, Base Protocol).
 */
export const completeResult = 'complete'

/**
 * The id of a request. Its response has the same id. MCP forbids null. A number that JavaScript
 * would write in another way is a bigint that encodes its text (see message/id.ts).
 */
export type Id = string | number | bigint

/** A parsed message of any kind. */
export interface Message {
  jsonrpc: typeof jsonRpcVersion
  id?: Id | null
  method?: string
  params?: Record<string, unknown>
  result?: unknown
  error?: { code: number; message: string; data?: unknown }
}
