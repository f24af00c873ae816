// Validates messages against the schemas. spec/schema/compile.js compiles them ahead of time.

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
 * Whether the value is a JSON-RPC 2.0 message of MCP (JSONRPCMessage). This runs for each frame, and a
 * schema that fails is slower than one that passes, so `method` and `id` choose the schema.
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
 * The first fault of an `initialize` request, as one line. The revision that it names chooses the
 * schema; for an unknown revision it is the newest legacy one.
 */
export function checkInitialize(message: unknown): string | undefined {
  return check(requests[versionIn(memberOf(message, 'params'))], message, '')
}

/** The first fault of the response to `initialize`, by the revision that it names. */
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

/** A JSON pointer as a person would write it: `params.clientInfo.icons[0].src`. */
function nameOf(pointer: string): string {
  if (pointer === '') return 'message'
  const [, first, ...rest] = pointer.split('/')
  return `${first}${rest.map(accessorOf).join('')}`
}

function accessorOf(token: string): string {
  if (/^\d+$/.test(token)) return `[${token}]`
  if (/^[\w$]+$/.test(token)) return `.${token}`
  // The peer chose this name. Quotes keep it from breaking the line.
  return `[${JSON.stringify(token.replaceAll('~1', '/').replaceAll('~0', '~'))}]`
}
