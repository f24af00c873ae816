// What the schemas say of a message. They are compiled ahead of time, by spec/schema/compile.js.

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
 * Whether it is a JSON-RPC 2.0 message as MCP has it (JSONRPCMessage). It is asked of each frame, and
 * to find that a schema does not fit takes longer than to find that one does: so each is held to what
 * it can only be.
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
 * What is wrong with an `initialize` request, as one line, by the revision that it asks for. One
 * that asks for a revision unknown here is held to the newest that opens like this.
 */
export function checkInitialize(message: unknown): string | undefined {
  return check(requests[versionIn(memberOf(message, 'params'))], message, '')
}

/** What is wrong with the response to `initialize`, likewise by the revision that it settles on. */
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
  // The peer chose this name: quoted, it cannot break the line.
  return `[${JSON.stringify(token.replaceAll('~1', '/').replaceAll('~0', '~'))}]`
}
