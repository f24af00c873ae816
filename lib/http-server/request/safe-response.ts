// The HTTP response of the listener. It sends one header that forbids browsers to guess the content
// type of a response. `writeHead` adds this header, because `setHeader` costs more time per response.

import { ServerResponse } from 'node:http'
import type { OutgoingHttpHeader, OutgoingHttpHeaders } from 'node:http'

/** This header forbids browsers to run or show a response as something that it is not. */
export const noSniff = ['X-Content-Type-Options', 'nosniff'] as const

export class SafeResponse extends ServerResponse {
  /** @param headers an object with headers. The other forms that Node allows are not used here */
  override writeHead(
    status: number,
    headers?: string | OutgoingHttpHeaders | OutgoingHttpHeader[]
  ): this {
    const all = { ...(headers as OutgoingHttpHeaders | undefined), [noSniff[0]]: noSniff[1] }
    return super.writeHead(status, all)
  }
}
