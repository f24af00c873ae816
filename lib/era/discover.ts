// Finds out whether a server is modern (speaks the modern revision), and makes the proxy's requests
// to modern servers. A server is modern if its response to `server/discover` lists versions, or is
// an error that only modern servers send. A server with another response or no response is legacy.

import type { Duplex } from 'node:stream'
import { ask, firstId, proxyInfo } from '../conversation/ask-server.ts'
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

/** Makes a request of the modern revision that the proxy itself sends. */
export function ownRequest(id: number, method: string, params: Record<string, unknown>): Frame {
  const _meta = {
    [metaKeys.protocolVersion]: modernVersion,
    [metaKeys.clientInfo]: proxyInfo,
    [metaKeys.clientCapabilities]: {}
  }
  return makeFrame({ jsonrpc: jsonRpcVersion, id, method, params: { ...params, _meta } })
}

/**
 * Resolves if the server speaks the modern revision (2026-07-28, stdio, Backward Compatibility).
 *
 * @param timeout how long the response may take, in ms (0: no limit). A server that does not
 * respond in this time counts as legacy, because legacy servers need not answer an unknown method
 * @throws ProxyError `ERR_LEGACY_SERVER`, or the error that says why the server could not answer
 */
export async function discover(server: Duplex, timeout: number): Promise<void> {
  let response: Frame | undefined
  try {
    response = await ask(server, ownRequest(firstId, methods.discover, {}), { timeout })
  } catch (error) {
    if ((error as ProxyError).code !== 'ERR_TIMEOUT') throw error
  }
  const failure = response?.failure as HttpStatusError | undefined
  if (failure !== undefined && !legacyRefusals.has(failure.received)) throw failure
  if (response !== undefined && isModern(response)) return
  const message = 'this server knows only revisions that open with initialize'
  throw new ProxyError('ERR_LEGACY_SERVER', message)
}

const isModern = ({ bytes, errorCode }: Frame): boolean =>
  findValue(bytes, paths.supportedVersions) !== undefined || modernErrorCodes.has(errorCode)
