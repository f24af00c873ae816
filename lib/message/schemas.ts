// Validates messages against the schemas of MCP. spec/schema/compile.js has compiled the schemas to
// JavaScript (compiled.js).

import { isLegacyVersion, latestLegacy } from '../protocol/revisions.ts'
import type { LegacyVersion } from '../protocol/revisions.ts'
import * as compiled from './compiled.js'
import type { Fault, Validator } from './compiled.js'

const requests: Record<LegacyVersion, Validator> = {
  '2024-11-05': compiled.InitializeRequest_2024_11_05,
  '2025-03-26': compiled.InitializeRequest_2025_03_26,
  '2025-06-18': compiled.InitializeRequest_2025_06_18,
  '2025-11-25': compiled.InitializeRequest_2025_11_25
}

const results: Record<LegacyVersion, Validator> = {
  '2024-11-05': compiled.InitializeResult_2024_11_05,
  '2025-03-26': compiled.InitializeResult_2025_03_26,
  '2025-06-18': compiled.InitializeResult_2025_06_18,
  '2025-11-25': compiled.InitializeResult_2025_11_25
}

/**
 * Returns whether the value is a JSON-RPC 2.0 message of MCP (JSONRPCMessage). This runs for each
 * frame. A schema that does not match is slow, so the function chooses the schema by `method` and
 * `id`.
 */
export function isEnvelope(message: unknown): boolean {
  if (memberOf(message, 'method') === undefined) {
    return compiled.JSONRPCResultResponse(message) || compiled.JSONRPCErrorResponse(message)
  }
  return memberOf(message, 'id') === undefined
    ? compiled.JSONRPCNotification(message)
    : compiled.JSONRPCRequest(message)
}

/**
 * Returns the first fault of an `initialize` request as one line, or undefined if the request is
 * valid. The schema is that of the protocol revision in the request. For an unknown revision, the
 * schema is that of the newest legacy revision.
 */
export function checkInitialize(message: unknown): string | undefined {
  return check(requests[versionIn(memberOf(message, 'params'))], message, '')
}

/**
 * Returns the first fault of the response to `initialize`, or undefined if the response is valid.
 * The schema is that of the protocol revision in the response.
 */
export function checkInitializeResult(message: unknown): string | undefined {
  const result = memberOf(message, 'result')
  return check(results[versionIn(result)], result, '/result')
}

function check(validate: Validator, data: unknown, at: string): string | undefined {
  if (validate(data)) return undefined
  const [fault] = validate.errors as [Fault]
  return `${nameOf(at + fault.instancePath)} ${fault.message}`
}

function versionIn(holder: unknown): LegacyVersion {
  const version = memberOf(holder, 'protocolVersion')
  return typeof version === 'string' && isLegacyVersion(version) ? version : latestLegacy
}

function memberOf(holder: unknown, key: string): unknown {
  if (typeof holder !== 'object' || holder === null) return undefined
  return (holder as Record<string, unknown>)[key]
}

/** Turns a JSON pointer into readable text, such as `params.clientInfo.icons[0].src`. */
function nameOf(pointer: string): string {
  if (pointer === '') return 'message'
  const [, first, ...rest] = pointer.split('/')
  return `${first}${rest.map(accessorOf).join('')}`
}

function accessorOf(token: string): string {
  if (/^\d+$/.test(token)) return `[${token}]`
  if (/^[\w$]+$/.test(token)) return `.${token}`
  // The peer chose this name. The quotes escape line breaks, so the text stays on one line.
  return `[${JSON.stringify(token.replaceAll('~1', '/').replaceAll('~0', '~'))}]`
}
