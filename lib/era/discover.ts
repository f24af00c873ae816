// What the proxy says on its own behalf to servers of the modern revision.

import type { Duplex } from 'node:stream'
import { ProxyError } from '../errors.ts'
import { makeFrame, versionKey } from '../message/frame.ts'
import type { Frame } from '../message/frame.ts'
import { modernVersion } from '../protocol/revisions.ts'
import type { HttpStatusError } from '../http-client/http-client.ts'
import { version } from '../version.ts'
import { open } from '../conversation/ask.ts'

/** A request of the proxy's own. */
export function ownRequest(id: string, method: string, params: Record<string, unknown>): Frame {
  const _meta = {
    [versionKey]: modernVersion,
    'io.modelcontextprotocol/clientInfo': { name: 'mcp-proxy', version },
    'io.modelcontextprotocol/clientCapabilities': {}
  }
  return makeFrame({ jsonrpc: '2.0', id, method, params: { ...params, _meta } })
}

/** The errors that only a server of the modern revision answers with. */
const modernErrors = new Set([-32020, -32021, -32022])

/** How a legacy server may refuse over HTTP, if not with an error. */
const legacyStatuses = new Set([400, 404, 405])

/**
 * Asks a server whether it knows the modern revision (2026-07-28, stdio, Backward Compatibility).
 *
 * @param timeout milliseconds for the answer (0: any). Silence is one too: a legacy server need not
 * answer what it does not know
 * @throws ProxyError `ERR_LEGACY_SERVER`, and whatever keeps the server from answering
 */
export async function discover(server: Duplex, timeout: number): Promise<void> {
  let answer: Frame | undefined
  try {
    answer = await open(server, [ownRequest('mcp-proxy', 'server/discover', {})], { timeout })
  } catch (error) {
    if ((error as ProxyError).code !== 'ERR_TIMEOUT') throw error
  }
  const failure = answer?.failure as HttpStatusError | undefined
  if (failure !== undefined && !legacyStatuses.has(failure.received)) throw failure
  const { result, error } = answer?.message() ?? {}
  const isModern = 'supportedVersions' in Object(result) || modernErrors.has(error?.code ?? 0)
  if (isModern) return
  const message = 'this server knows only revisions that open with initialize'
  throw new ProxyError('ERR_LEGACY_SERVER', message)
}
