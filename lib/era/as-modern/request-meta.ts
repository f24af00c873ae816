// Reads what a modern request says about itself in `_meta`, and makes the request that a legacy
// server gets. The legacy request has no members of the modern revision, because a server of both
// eras would take the request for a modern one.

import { ProxyError } from '../../errors.ts'
import { OPEN_BRACE } from '../../json/bytes.ts'
import { editObject } from '../../json/edit-object.ts'
import { findMembers, findValue, textAt } from '../../json/find-value.ts'
import type { Span } from '../../json/find-value.ts'
import { spliceAt } from '../../json/splice.ts'
import { Frame } from '../../message/frame.ts'
import { logLevels } from '../../protocol/log-levels.ts'
import { metaKeys } from '../../protocol/meta-keys.ts'
import { methods } from '../../protocol/methods.ts'

const modernKeys = [
  metaKeys.protocolVersion,
  metaKeys.clientInfo,
  metaKeys.clientCapabilities,
  metaKeys.logLevel
]

/** The longest capabilities or client info that the proxy reads, in bytes. */
const maxMember = 64 * 1024

export interface RequestMeta {
  version: string
  /** The client's capabilities, as JSON text. */
  capabilities: string
  /** The client's name and version, as JSON text. Undefined if the client does not tell them. */
  clientInfo: string | undefined
  /** The lowest level of the log messages that the client wants, as an index of `logLevels`. */
  logLevel: number | undefined
}

/**
 * Reads and checks `_meta` (2026-07-28, Base Protocol).
 *
 * @throws ProxyError `ERR_PARAMS` if a required member is missing, or a member is invalid
 */
export function readMeta({ bytes, protocolVersion }: Frame): RequestMeta {
  const meta = metaOf(bytes)
  if (protocolVersion === undefined || meta === undefined) throw missing(metaKeys.protocolVersion)
  const members = findMembers(bytes, meta.start, modernKeys)
  const capabilities = objectText(bytes, members, metaKeys.clientCapabilities)
  if (capabilities === undefined) throw missing(metaKeys.clientCapabilities)
  return {
    version: protocolVersion,
    capabilities,
    clientInfo: objectText(bytes, members, metaKeys.clientInfo),
    logLevel: levelIn(bytes, members.get(metaKeys.logLevel))
  }
}

function metaOf(bytes: Buffer): Span | undefined {
  const meta = findValue(bytes, ['params', '_meta'])
  return meta !== undefined && bytes[meta.start] === OPEN_BRACE ? meta : undefined
}

function objectText(bytes: Buffer, members: Map<string, Span>, key: string): string | undefined {
  const span = members.get(key)
  if (span === undefined) return undefined
  const { start, end } = span
  if (bytes[start] !== OPEN_BRACE || end - start > maxMember) {
    const message = `"${key}" in params._meta must be an object of at most ${maxMember} bytes`
    throw new ProxyError('ERR_PARAMS', message)
  }
  return textAt(bytes, span)
}

function levelIn(bytes: Buffer, span: Span | undefined): number | undefined {
  if (span === undefined) return undefined
  const level = logLevels.findIndex((name) => `"${name}"` === textAt(bytes, span))
  if (level !== -1) return level
  const message = `"${metaKeys.logLevel}" in params._meta must be one of ${logLevels.join(', ')}`
  throw new ProxyError('ERR_PARAMS', message)
}

const missing = (key: string): ProxyError =>
  new ProxyError('ERR_PARAMS', `params._meta must have "${key}"`)

/**
 * The members of params that only the modern revision has, and `task`. In 2025-11-25 `task` asks
 * for a task, whose result a modern client would not understand.
 */
export const roundMembers = ['inputResponses', 'requestState']
const modernParams = [...roundMembers, 'task']

/** Returns a modern request as a legacy server gets it. `_meta` has been checked. */
export function toLegacyRequest(frame: Frame): Frame {
  const { bytes, method } = frame
  const meta = metaOf(bytes) as Span
  const own = bytes.subarray(meta.start, meta.end)
  const rest = editObject(own, { start: 0, end: own.length }, { remove: modernKeys }).toString()
  if (mayAsk.has(method)) {
    const params = findValue(bytes, ['params']) as Span
    if (findMembers(bytes, params.start, modernParams).size > 0) {
      const edit = { remove: [...modernParams, '_meta'], add: [`"_meta":${rest}`] }
      return legacy(frame, editObject(bytes, params, edit))
    }
  }
  return legacy(frame, spliceAt(bytes, [{ ...meta, text: rest }]))
}

const legacy = (frame: Frame, bytes: Buffer): Frame =>
  new Frame(bytes, { ...frame, protocolVersion: undefined })

/** The only requests whose response may ask for input (2026-07-28, Supported Requests). */
export const mayAsk: ReadonlySet<string | undefined> = new Set([
  methods.callTool,
  methods.getPrompt,
  methods.readResource
])
