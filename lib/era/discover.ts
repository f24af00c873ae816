// What the proxy says on its own behalf to servers of the modern revision.

import type { Duplex } from 'node:stream'
import { open } from '../conversation/ask.ts'
import { ProxyError } from '../errors.ts'
import type { HttpStatusError } from '../errors.ts'
import { makeFrame } from '../message/frame.ts'
import type { Frame } from '../message/frame.ts'
import { modernErrorCodes } from '../protocol/error-codes.ts'
import { metaKeys } from '../protocol/meta-keys.ts'
import { methods } from '../protocol/methods.ts'
import { modernVersion } from '../protocol/revisions.ts'
import { version } from '../version.ts'

/** A request of the proxy's own. */
export function ownRequest(id: string, method: string, params: Record<string, unknown>): Frame {
  const _meta = {
    [metaKeys.protocolVersion]: modernVersion,
    [metaKeys.clientInfo]: { name: 'mcp-proxy', version },
    [metaKeys.clientCapabilities]: {}
  }
  return makeFrame({ jsonrpc: '2.0', id, method, params: { ...params, _meta } })
}

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
    answer = await open(server, [ownRequest('mcp-proxy', methods.discover, {})], { timeout })
  } catch (error) {
    if ((error as ProxyError).code !== 'ERR_TIMEOUT') throw error
  }
  const failure = answer?.failure as HttpStatusError | undefined
  if (failure !== undefined && !legacyStatuses.has(failure.received)) throw failure
  const { result, error } = answer?.message() ?? {}
  const isModern = 'supportedVersions' in Object(result) || modernErrorCodes.has(error?.code)
  if (isModern) return
  const message = 'this server knows only revisions that open with initialize'
  throw new ProxyError('ERR_LEGACY_SERVER', message)
}
