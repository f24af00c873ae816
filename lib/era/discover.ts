// Finds out the era of a server: modern (it speaks the modern revision) or legacy. A server is
// modern if its response to `server/discover` lists versions, or is an error that only modern
// servers send. A server with another response is legacy.

import type { Duplex } from 'node:stream'
import { ask, firstId, proxyInfo } from '../conversation/ask-server.ts'
import { HttpStatusError, ProxyError } from '../errors.ts'
import { findValue, valueText } from '../json/find-value.ts'
import { splice } from '../json/splice.ts'
import type { Replacement } from '../json/splice.ts'
import { makeFrame } from '../message/frame.ts'
import type { Frame } from '../message/frame.ts'
import { modernErrorCodes } from '../protocol/error-codes.ts'
import { showsLegacy } from '../protocol/http-statuses.ts'
import { jsonRpcVersion } from '../protocol/json-rpc.ts'
import { metaKeys } from '../protocol/meta-keys.ts'
import { methods } from '../protocol/methods.ts'
import { paths } from '../protocol/paths.ts'
import { modernVersion } from '../protocol/revisions.ts'

export type Era = 'legacy' | 'modern'

/**
 * Makes a request of the modern revision that the proxy itself sends.
 *
 * @param like a request of a client. Then the proxy speaks in the name of this client
 */
export function ownRequest(
  id: number,
  method: string,
  params: Record<string, unknown>,
  like?: Frame
): Frame {
  const own = { [metaKeys.clientInfo]: proxyInfo, [metaKeys.clientCapabilities]: {} }
  const identity = like === undefined ? [] : identityIn(like)
  const places = Object.fromEntries(identity.map(({ path }): [string, 0] => [path[2] as string, 0]))
  const _meta = {
    [metaKeys.protocolVersion]: modernVersion,
    ...(like === undefined ? own : places)
  }
  const frame = makeFrame({ jsonrpc: jsonRpcVersion, id, method, params: { ...params, _meta } })
  return frame.withBytes(splice(frame.bytes, identity))
}

/** Returns what a client says about itself in a request, as JSON text. */
function identityIn({ bytes }: Frame): Replacement[] {
  const keys = [metaKeys.clientInfo, metaKeys.clientCapabilities]
  return keys.flatMap((key) => {
    const path = ['params', '_meta', key]
    const text = valueText(bytes, path)
    return text === undefined ? [] : [{ path, text }]
  })
}

/**
 * Resolves to the era of the server (2026-07-28, stdio, Backward Compatibility).
 *
 * @param timeout how long the response may take, in ms (0: no limit)
 * @throws ProxyError `ERR_TIMEOUT`, or the error that says why the server could not answer
 */
export async function discover(server: Duplex, timeout: number): Promise<Era> {
  const response = await ask(server, ownRequest(firstId, methods.discover, {}), { timeout })
  const era = eraOf(response)
  if (era === undefined) throw response.failure as ProxyError
  return era
}

/**
 * Returns the era that a response to `server/discover` shows. Undefined if it is an error that says
 * nothing about the server, because the proxy has not reached it.
 */
export function eraOf({ bytes, errorCode, failure }: Frame): Era | undefined {
  if (failure !== undefined && !isEraRefusal(failure)) return undefined
  if (modernErrorCodes.has(errorCode)) return 'modern'
  return findValue(bytes, paths.supportedVersions) === undefined ? 'legacy' : 'modern'
}

/** Whether an HTTP response without a JSON-RPC error shows that the server is legacy. */
export const isEraRefusal = (failure: ProxyError): boolean =>
  failure instanceof HttpStatusError && showsLegacy(failure.received)

/** The error for a modern client of a legacy server, if the proxy does not translate. */
export const legacyServerError = (): ProxyError =>
  new ProxyError('ERR_LEGACY_SERVER', 'this server knows only revisions that open with initialize')
