// What the modern revision asks of an HTTP request (2026-07-28): each says all there is to know about
// it, in its `_meta` and again in its headers, and each kind of refusal has a status of its own.

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
 * Whether a POST is of the modern revision: by what it says of itself, never by its method, since both
 * eras have many methods in common.
 */
export function isModern(headers: IncomingHttpHeaders, { frames, batch }: Body): boolean {
  const [frame] = frames
  if (batch || frame === undefined || frame.kind === 'response') return false
  if (frame.protocolVersion !== undefined) return isModernVersion(frame.protocolVersion)
  return namesModern(headers)
}

/**
 * Checks a request's `_meta`, and its headers against its body.
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
  // Behind us this method would open a legacy conversation, for all who share the server.
  if (frame.method === methods.initialize) {
    throw new ProxyError('ERR_METHOD_NOT_FOUND', 'this revision has no initialize')
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

/** The status that goes with an answer: results have 200, and so have errors that tell of no fault. */
export function modernStatus({ errorCode }: Frame): number {
  return (errorCode !== undefined && statuses.get(errorCode)) || 200
}
