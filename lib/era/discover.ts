// Finds out the era of a server: modern (it speaks the modern revision) or legacy. A server is
// modern if its response to `server/discover` lists versions, or is an error that only modern
// servers send. A server with another response is legacy.

import type { Duplex } from 'node:stream'
import { ask, proxyInfo } from '../conversation/ask-server.ts'
import { ProxyError } from '../errors.ts'
import type { HttpStatusError } from '../errors.ts'
import { findValue } from '../json/find-value.ts'
import { makeFrame } from '../message/frame.ts'
import type { Frame } from '../message/frame.ts'
import { modernErrorCodes } from '../protocol/error-codes.ts'
import { legacyRefusals } from '../protocol/http-statuses.ts'
import { jsonRpcVersion } from '../protocol/json-rpc.ts'
import { metaKeys } from '../protocol/meta-keys.ts'
import { methods } from '../protocol/methods.ts'
import { paths } from '../protocol/paths.ts'
import { modernVersion } from '../protocol/revisions.ts'

export type Era = 'legacy' | 'modern'

/** Makes a request of the modern revision that the proxy itself sends. */
export function ownRequest(id: string, method: string, params: Record<string, unknown>): Frame {
  const _meta = {
    [metaKeys.protocolVersion]: modernVersion,
    [metaKeys.clientInfo]: proxyInfo,
    [metaKeys.clientCapabilities]: {}
  }
  return makeFrame({ jsonrpc: jsonRpcVersion, id, method, params: { ...params, _meta } })
}

/**
 * Resolves to the era of the server (2026-07-28, stdio, Backward Compatibility).
 *
 * @param timeout how long the response may take, in ms (0: no limit)
 * @throws ProxyError `ERR_TIMEOUT`, or the error that says why the server could not answer
 */
export async function discover(server: Duplex, timeout: number): Promise<Era> {
  const response = await ask(server, ownRequest('mcp-proxy', methods.discover, {}), { timeout })
  const failure = response.failure as HttpStatusError | undefined
  if (failure !== undefined && !legacyRefusals.has(failure.received)) throw failure
  return isModern(response) ? 'modern' : 'legacy'
}

const isModern = ({ bytes, errorCode }: Frame): boolean =>
  findValue(bytes, paths.supportedVersions) !== undefined || modernErrorCodes.has(errorCode)

/** The error for a modern client of a legacy server, if the proxy does not translate. */
export const legacyServerError = (): ProxyError =>
  new ProxyError('ERR_LEGACY_SERVER', 'this server knows only revisions that open with initialize')
