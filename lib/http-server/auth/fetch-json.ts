// Fetches JSON from an issuer. Everything that an issuer sends is checked here for its status, its size
// and its type. A redirect is an error, because it could lead to a server that is not the issuer.

import { ProxyError } from '../../errors.ts'
import { userAgent } from '../../version.ts'

/** The largest response that is read, in bytes. */
const maxSize = 1024 * 1024

/** Sends a request, and follows no redirect. Node's `fetch` is such a function. */
export type Fetch = (
  url: URL,
  request: {
    method: string
    headers: Record<string, string>
    body?: string
    redirect: 'manual'
    signal?: AbortSignal
  }
) => Promise<{ status: number; body: AsyncIterable<Uint8Array> | null }>

export interface JsonRequest {
  fetch: Fetch
  /** The form of a POST (default: the request is a GET). */
  form?: Record<string, string>
  headers?: Record<string, string>
  /** How long the whole exchange may take, in ms (0: no limit). */
  timeout: number
}

/**
 * Resolves to the JSON object at a URL.
 *
 * @throws ProxyError `ERR_ISSUER`. The message names the URL, without its query
 */
export async function fetchJson(
  url: URL,
  { fetch, form, headers, timeout }: JsonRequest
): Promise<Record<string, unknown>> {
  const where = url.origin + url.pathname
  let text
  try {
    const response = await fetch(url, {
      method: form === undefined ? 'GET' : 'POST',
      headers: {
        accept: 'application/json',
        'user-agent': userAgent,
        ...(form !== undefined && { 'content-type': 'application/x-www-form-urlencoded' }),
        ...headers
      },
      redirect: 'manual',
      ...(form !== undefined && { body: new URLSearchParams(form).toString() }),
      ...(timeout > 0 && { signal: AbortSignal.timeout(timeout) })
    })
    const { status } = response
    const body = response.body ?? []
    if (status !== 200) {
      for await (const _chunk of body) break // this cancels the rest
      throw new StatusError(`${where} answered ${status}`, status)
    }
    text = await readText(body)
  } catch (cause) {
    if (cause instanceof StatusError) throw cause
    throw new ProxyError('ERR_ISSUER', `no answer of ${where}`, { cause })
  }
  const value = parse(text)
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>
  }
  throw new ProxyError('ERR_ISSUER', `${where} sent no JSON object`)
}

/** The issuer has answered, but not with the status 200. */
export class StatusError extends ProxyError {
  readonly received: number

  constructor(message: string, received: number) {
    super('ERR_ISSUER', message)
    this.received = received
  }
}

async function readText(body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of body) {
    size += chunk.length
    if (size > maxSize) throw new Error(`its response is over ${maxSize} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
