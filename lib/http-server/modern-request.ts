// What the modern revision asks of an HTTP request (2026-07-28): each says all there is to know about
// it, in its `_meta` and again in its headers, and each kind of refusal has a status of its own.

import type { IncomingHttpHeaders } from 'node:http'
import { ProxyError } from '../errors.ts'
import { versionKey } from '../message/frame.ts'
import type { Frame, Message } from '../message/frame.ts'
import type { Body } from '../framing/body.ts'
import { isModernVersion } from '../protocol/revisions.ts'
import { checkHeaders } from '../protocol/mirrored-headers.ts'
import type { MirroredParam } from '../protocol/mirrored-headers.ts'

const capabilitiesKey = 'io.modelcontextprotocol/clientCapabilities'

/** Whether the headers name a revision without sessions. */
export function namesModern(headers: IncomingHttpHeaders): boolean {
  const version = headers['mcp-protocol-version']
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
  const tool = message.method === 'tools/call' ? message.params?.name : undefined
  checkHeaders(headers, message, typeof tool === 'string' ? await mirroredParams(tool) : [])
  // Behind us this method would open a legacy conversation, for all who share the server.
  if (frame.method === 'initialize') {
    throw new ProxyError('ERR_METHOD_NOT_FOUND', 'this revision has no initialize')
  }
}

/** @throws ProxyError `ERR_PARAMS` (2026-07-28, Base Protocol, `_meta`) */
function checkMeta({ params }: Message): void {
  const meta = Object(params?._meta) as Record<string, unknown>
  const capabilities = meta[capabilitiesKey]
  if (typeof meta[versionKey] !== 'string') throw missing(versionKey)
  if (Object(capabilities) !== capabilities || Array.isArray(capabilities)) {
    throw missing(capabilitiesKey)
  }
}

const missing = (key: string): ProxyError =>
  new ProxyError('ERR_PARAMS', `params._meta must have "${key}"`)

const statuses = new Map([
  [-32700, 400],
  [-32600, 400],
  [-32602, 400],
  [-32020, 400],
  [-32021, 400],
  [-32022, 400],
  [-32601, 404]
])

/** The status that goes with an answer: results have 200, and so have errors that tell of no fault. */
export function modernStatus({ errorCode }: Frame): number {
  return (errorCode !== undefined && statuses.get(errorCode)) || 200
}
