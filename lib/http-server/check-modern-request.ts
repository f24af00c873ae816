// The rules for an HTTP request of the modern revision (2026-07-28). Each request names its
// revision and the client's capabilities in its `_meta`. The HTTP headers repeat a part of the
// body. Each kind of error has an HTTP status.

import type { IncomingHttpHeaders } from 'node:http'
import { ProxyError } from '../errors.ts'
import type { Body } from '../framing/body.ts'
import { OPEN_BRACE } from '../json/bytes.ts'
import { findValue, stringAt } from '../json/find-value.ts'
import { nameIn } from '../message/frame.ts'
import type { Frame } from '../message/frame.ts'
import { errorCodes } from '../protocol/error-codes.ts'
import { headerNames } from '../protocol/headers.ts'
import { metaKeys } from '../protocol/meta-keys.ts'
import { methods } from '../protocol/methods.ts'
import {
  findHeadMismatch,
  findMismatch,
  mirroredMembers,
  subjectOf
} from '../protocol/mirrored-headers.ts'
import type { MirroredHead, MirroredParam } from '../protocol/mirrored-headers.ts'
import { paths } from '../protocol/paths.ts'
import { isModernVersion } from '../protocol/revisions.ts'

/** Whether the header `MCP-Protocol-Version` names a modern revision, which has no sessions. */
export function namesModern(headers: IncomingHttpHeaders): boolean {
  const version = headers[headerNames.protocolVersion]
  return typeof version === 'string' && isModernVersion(version)
}

/**
 * Whether a POST belongs to the modern revision. The version in the body decides. If the body has
 * no version, the version in the headers decides. The method cannot decide, because modern and
 * legacy revisions share many methods.
 */
export function isModern(headers: IncomingHttpHeaders, { frames, batch }: Body): boolean {
  const [frame] = frames
  if (batch || frame === undefined || frame.kind === 'response') return false
  if (frame.protocolVersion !== undefined) return isModernVersion(frame.protocolVersion)
  return namesModern(headers)
}

/**
 * Checks a request's `_meta`, and compares its headers with its body. Returns a promise if it has to wait
 * for the mirrored parameters.
 *
 * @param mirroredParams finds the parameters of a tool that the client repeats in headers
 * @throws ProxyError `ERR_PARAMS`, `ERR_HEADER_MISMATCH`, `ERR_METHOD_NOT_FOUND`
 */
export function checkModern(
  headers: IncomingHttpHeaders,
  frame: Frame,
  mirroredParams: (tool: string, call: Frame) => MirroredParam[] | Promise<MirroredParam[]>
): Promise<void> | undefined {
  checkMeta(frame)
  const tool = frame.method === methods.callTool ? nameIn(frame) : undefined
  const params = tool === undefined ? [] : mirroredParams(tool, frame)
  if (params instanceof Promise) return params.then((params) => checkHead(headers, frame, params))
  checkHead(headers, frame, params)
  return undefined
}

function checkHead(headers: IncomingHttpHeaders, frame: Frame, params: MirroredParam[]): void {
  const mismatch =
    params.length === 0 && frame.bytes.length < maxHead
      ? findHeadMismatch(headers, headOf(frame))
      : findMismatch(headers, frame.members(mirroredMembers(params)), params)
  if (mismatch !== undefined) throw new ProxyError('ERR_HEADER_MISMATCH', mismatch)
  // All modern clients share one server, and an `initialize` from one client would make it legacy
  // for all.
  if (frame.method === methods.initialize) {
    throw new ProxyError('ERR_METHOD_NOT_FOUND', `this revision has no ${methods.initialize}`)
  }
}

/** A string in a message over this size, in bytes, may be longer than `stringAt` reads. */
const maxHead = 1024 * 1024

/** Reads what the headers repeat. Parsing a small message would take as long as all other checks. */
function headOf(frame: Frame): MirroredHead {
  const { method, protocolVersion: version, bytes } = frame
  const subject = subjectOf(method)
  if (subject === undefined) return { version, method, name: undefined }
  const name = subject === 'name' ? nameIn(frame) : stringAt(bytes, [...paths.params, subject])
  return { version, method, name }
}

/**
 * Checks a notification. It needs no headers, because the revision defines none for notifications.
 *
 * @throws ProxyError `ERR_REQUEST` for a cancellation, because another client may have a request with
 * the same id
 */
export function checkModernNotification({ method }: Frame): void {
  if (method !== methods.cancelled) return
  const message = 'to cancel a request, close the connection of its POST'
  throw new ProxyError('ERR_REQUEST', message)
}

/**
 * Checks that `_meta` has the keys that the modern revision requires (2026-07-28, Base Protocol).
 *
 * @throws ProxyError `ERR_PARAMS` if a key is missing
 */
function checkMeta({ protocolVersion, hasCapabilities, bytes }: Frame): void {
  if (protocolVersion === undefined) throw missing(metaKeys.protocolVersion)
  if (hasCapabilities) return
  const capabilities = findValue(bytes, paths.clientCapabilities)
  if (capabilities === undefined || bytes[capabilities.start] !== OPEN_BRACE) {
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

/**
 * Returns the HTTP status for a JSON-RPC response: 200 for a result or an error not in `statuses`.
 */
export function modernStatus({ errorCode, failure }: Frame): number {
  // The server's response was not valid. The client's request was.
  if (failure?.code.startsWith('ERR_FRAME_') === true) return 502
  if (failure?.code === 'ERR_NOT_FOUND') return failure.status // the server was removed
  return (errorCode !== undefined && statuses.get(errorCode)) || 200
}
