// Makes the responses that a modern client gets: from the responses of a legacy server, and from
// what the proxy has to say itself.

import { internalError } from '../../errors.ts'
import { OPEN_BRACE } from '../../json/bytes.ts'
import { editObject } from '../../json/edit-object.ts'
import { findMembers, findValue, scalarAt, textAt } from '../../json/find-value.ts'
import type { Span } from '../../json/find-value.ts'
import { splice } from '../../json/splice.ts'
import { Frame, makeFrame } from '../../message/frame.ts'
import { errorFrame } from '../../message/refusal.ts'
import { errorCodes } from '../../protocol/error-codes.ts'
import { completeResult, jsonRpcVersion } from '../../protocol/json-rpc.ts'
import { metaKeys } from '../../protocol/meta-keys.ts'
import { methods } from '../../protocol/methods.ts'
import { modernVersion } from '../../protocol/revisions.ts'

/** The requests whose results say how long a client may keep them (2026-07-28, Caching). */
const cacheable: ReadonlySet<string> = new Set([
  methods.listTools,
  methods.listPrompts,
  methods.listResources,
  methods.listTemplates,
  methods.readResource
])

const ttlMember = '"ttlMs":0'
const scopeMember = '"cacheScope":"private"'
const completeMember = `"resultType":"${completeResult}"`
const written = ['resultType', '_meta', 'ttlMs', 'cacheScope']

/**
 * Returns a response of a legacy server in the form of the modern revision.
 *
 * @param method the method of the request
 * @param serverInfo the name and version of the server, as JSON text
 */
export function toModernResponse(
  frame: Frame,
  method: string,
  serverInfo: string | undefined
): Frame {
  if (frame.errorCode !== undefined) return withModernCode(frame)
  const { bytes } = frame
  const result = findValue(bytes, ['result']) as Span
  if (bytes[result.start] !== OPEN_BRACE) return errorFrame(frame.id, internalError())
  const members = findMembers(bytes, result.start, written)
  const remove = ['resultType']
  const add = [completeMember]
  if (cacheable.has(method)) {
    const ttl = scalarIn(bytes, members.get('ttlMs'))
    const scope = scalarIn(bytes, members.get('cacheScope'))
    if (!Number.isSafeInteger(ttl) || (ttl as number) < 0) {
      remove.push('ttlMs')
      add.push(ttlMember)
    }
    if (scope !== 'public' && scope !== 'private') {
      remove.push('cacheScope')
      add.push(scopeMember)
    }
  }
  const meta = members.get('_meta')
  if (serverInfo !== undefined || meta !== undefined) {
    remove.push('_meta')
    add.push(`"_meta":${metaText(meta && textAt(bytes, meta), serverInfo)}`)
  }
  return frame.withBytes(editObject(bytes, result, { remove, add }))
}

const scalarIn = (bytes: Buffer, span: Span | undefined): unknown =>
  span && scalarAt(bytes.subarray(span.start, span.end), [])

/** Returns the `_meta` of a result with the server info, as JSON text. */
function metaText(meta = '{}', serverInfo: string | undefined): string {
  const bytes = Buffer.from(meta.startsWith('{') ? meta : '{}')
  const add = serverInfo === undefined ? [] : [`"${metaKeys.serverInfo}":${serverInfo}`]
  const span = { start: 0, end: bytes.length }
  return editObject(bytes, span, { remove: [metaKeys.serverInfo], add }).toString()
}

// The modern revision forbids the codes of earlier revisions, and gives the codes from -32020 to
// -32099 other meanings than a legacy server can have in mind.
function withModernCode(frame: Frame): Frame {
  const { errorCode, failure } = frame
  if (failure !== undefined) return frame
  let code: number | undefined
  if (errorCode === errorCodes.resourceNotFound) code = errorCodes.invalidParams
  else if (errorCode === errorCodes.urlElicitationRequired || isReserved(errorCode as number)) {
    code = errorCodes.internalError
  }
  if (code === undefined) return frame
  const bytes = splice(frame.bytes, [{ path: ['error', 'code'], text: String(code) }])
  return new Frame(bytes, { ...frame, errorCode: code })
}

const isReserved = (code: number): boolean => code <= -32020 && code >= -32099

/**
 * Returns the response to `server/discover`, from the response to `initialize`. Members that the
 * proxy does not know are kept.
 */
export function discoverResponse(initialize: Frame, serverInfo: string | undefined): Frame {
  const { bytes } = initialize
  const result = findValue(bytes, ['result']) as Span
  const own = bytes.subarray(result.start, result.end)
  const members = findMembers(own, 0, ['capabilities', '_meta'])
  const meta = members.get('_meta')
  const add = [
    completeMember,
    `"supportedVersions":["${modernVersion}"]`,
    `"capabilities":${capabilitiesText(own, members.get('capabilities'))}`,
    ttlMember,
    scopeMember,
    `"_meta":${metaText(meta && textAt(own, meta), serverInfo)}`
  ]
  const edited = editObject(own, { start: 0, end: own.length }, { remove: ownMembers, add })
  return resultFrame(edited.toString())
}

const ownMembers = [
  ...written,
  'supportedVersions',
  'capabilities',
  'protocolVersion',
  'serverInfo'
]

// Tasks are an extension in the modern revision, with other methods than in 2025-11-25. So the
// client must not see the legacy capability.
function capabilitiesText(bytes: Buffer, span: Span | undefined): string {
  if (span === undefined || bytes[span.start] !== OPEN_BRACE) return '{}'
  const own = bytes.subarray(span.start, span.end)
  return editObject(own, { start: 0, end: own.length }, { remove: ['tasks'] }).toString()
}

/** Makes a response with the id 0 from the text of a result. */
export function resultFrame(result: string): Frame {
  const bytes = Buffer.from(`{"jsonrpc":"${jsonRpcVersion}","id":0,"result":${result}}`)
  return new Frame(bytes, { kind: 'response', id: 0 })
}

/** Makes the response that asks the client for input. `requests` are members, as JSON text. */
export function inputRequired(
  requests: string[],
  requestState: string,
  serverInfo: string | undefined
): Frame {
  const state = JSON.stringify(requestState)
  const meta = metaText(undefined, serverInfo)
  return resultFrame(
    `{"resultType":"input_required","inputRequests":{${requests.join(',')}},"requestState":${state},"_meta":${meta}}`
  )
}

/** Makes the error for a request of a revision that the proxy does not serve. */
export function unsupportedVersion(requested: string): Frame {
  const { unsupportedProtocolVersion: code } = errorCodes
  const data = { supported: [modernVersion], requested }
  return errorWith(code, `this server does not support the revision ${requested}`, data)
}

/** Makes the error for a request that needs capabilities that the client did not declare. */
export function missingCapability(method: string, requiredCapabilities: object): Frame {
  const message = `the server needs ${method}, which the client does not support`
  return errorWith(errorCodes.missingClientCapability, message, { requiredCapabilities })
}

function errorWith(code: number, message: string, data: object): Frame {
  return makeFrame({ jsonrpc: jsonRpcVersion, id: 0, error: { code, message, data } })
}
