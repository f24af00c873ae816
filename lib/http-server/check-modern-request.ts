// The rules of the modern revision for an HTTP request (2026-07-28): each request describes itself in
// its `_meta` and repeats part of that in its headers, and each kind of error has an HTTP status.

import type { IncomingHttpHeaders } from 'node:http'
import { ProxyError } from '../errors.ts'
import type { Body } from '../framing/body.ts'
import type { Frame } from '../message/frame.ts'
import { errorCodes } from '../protocol/error-codes.ts'
import { headerNames } from '../protocol/headers.ts'
import type { Message } from '../protocol/json-rpc.ts'
import { metaKeys } from '../protocol/meta-keys.ts'
import { methods } from '../protocol/methods.ts'
import { findMismatch } from '../protocol/mirrored-headers.ts'
import type { MirroredParam } from '../protocol/mirrored-headers.ts'
import { isModernVersion } from '../protocol/revisions.ts'

/** Whether the headers name a revision without sessions. */
export function namesModern(headers: IncomingHttpHeaders): boolean {
  const version = headers[headerNames.protocolVersion]
  return typeof version === 'string' && isModernVersion(version)
}

/**
 * Whether a POST is of the modern revision. The version in the body decides, or else the version in
 * the headers. The method says nothing, since both eras have many methods in common.
 */
export function isModern(headers: IncomingHttpHeaders, { frames, batch }: Body): boolean {
  const [frame] = frames
  if (batch || frame === undefined || frame.kind === 'response') return false
  if (frame.protocolVersion !== undefined) return isModernVersion(frame.protocolVersion)
  return namesModern(headers)
}

/**
 * Checks a request's `_meta`, and compares its headers with its body.
 *
 * @param mirroredParams finds the parameters of a tool that are mirrored in headers
 * @throws ProxyError `ERR_PARAMS`, `ERR_HEADER_MISMATCH`, `ERR_METHOD_NOT_FOUND`
 */
export async function checkModern(
  headers: IncomingHttpHeaders,
  frame: Frame,
  mirroredParams: (tool: string) => MirroredParam[] | Promise<MirroredParam[]>
): Promise<void> {
  const message = frame.message()
  checkMeta(message)
  const tool = message.method === methods.callTool ? message.params?.name : undefined
  const params = typeof tool === 'string' ? await mirroredParams(tool) : []
  const mismatch = findMismatch(headers, message, params)
  if (mismatch !== undefined) throw new ProxyError('ERR_HEADER_MISMATCH', mismatch)
  // This would open a legacy conversation for all clients that share the server.
  if (frame.method === methods.initialize) {
    throw new ProxyError('ERR_METHOD_NOT_FOUND', `this revision has no ${methods.initialize}`)
  }
}

/** @throws ProxyError `ERR_PARAMS` (2026-07-28, Base Protocol, `_meta`) */
function checkMeta({ params }: Message): void {
  const meta = Object(params?._meta) as Record<string, unknown>
  const capabilities = meta[metaKeys.clientCapabilities]
  if (typeof meta[metaKeys.protocolVersion] !== 'string') throw missing(metaKeys.protocolVersion)
  if (Object(capabilities) !== capabilities || Array.isArray(capabilities)) {
    throw missing(metaKeys.clientCapabilities)
  }
}

const missing = (key: string): ProxyError =>
  new ProxyError('ERR_PARAMS', `params._meta must have "${key}"`)

const statuses = new Map<number, number>([
  [errorCodes.parseError, 400],
  [errorCodes.invalidRequest, 400],
  [errorCodes.invalidParams, 400],
  [errorCodes.headerMismatch, 400],
  [errorCodes.missingClientCapability, 400],
  [errorCodes.unsupportedProtocolVersion, 400],
  [errorCodes.methodNotFound, 404]
])

/** The HTTP status for a JSON-RPC response: 200 for results, and for errors that are not in the list. */
export function modernStatus({ errorCode }: Frame): number {
  return (errorCode !== undefined && statuses.get(errorCode)) || 200
}
