// Short answers to HTTP requests.

import type { OutgoingHttpHeaders, ServerResponse } from 'node:http'
import type { ProxyError } from '../errors.ts'
import { errorFrame, RefusedError } from '../message/refusal.ts'
import type { Id } from '../protocol/json-rpc.ts'

/** Answers with JSON that is no frame, for people and programs that look after the proxy. */
export function replyJson(response: ServerResponse, status: number, value: unknown): void {
  const body = `${JSON.stringify(value)}\n`
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body)
  })
  response.end(body)
}

/** Answers with an error, as a status and as the JSON-RPC error that a client may show. */
export function replyError(
  response: ServerResponse,
  error: ProxyError,
  headers: OutgoingHttpHeaders = {},
  id: Id | undefined = idOfRequest(error)
): void {
  if (response.headersSent || response.destroyed) return
  const { bytes } = errorFrame(id, error)
  response.writeHead(error.status, {
    'content-type': 'application/json',
    'content-length': bytes.length,
    ...headers
  })
  response.end(bytes)
}

// The id of an answer is the server's, and would mean something else to the client.
function idOfRequest(error: ProxyError): Id | undefined {
  if (!(error instanceof RefusedError)) return undefined
  return error.envelope?.kind === 'request' ? error.envelope.id : undefined
}
