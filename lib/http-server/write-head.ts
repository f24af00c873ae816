// Writes the head of an HTTP response. All code of this folder that responds calls this function
// instead of Node's `writeHead`, so no response lacks the header against sniffing.

import type { OutgoingHttpHeaders, ServerResponse } from 'node:http'

/** This header forbids browsers to run or show a response as something that it is not. */
export const noSniff = ['x-content-type-options', 'nosniff'] as const

/**
 * Writes the status and the headers. It adds its own header to `headers`.
 *
 * The header could also be set once, by `setHeader`, when the request comes. But then Node sets all
 * other headers one by one, which costs a tenth of a small request.
 */
export function writeHead(
  response: ServerResponse,
  status: number,
  headers: OutgoingHttpHeaders = {}
): ServerResponse {
  headers[noSniff[0]] = noSniff[1]
  return response.writeHead(status, headers)
}
