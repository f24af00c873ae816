// Reads the parts of a large message that the proxy needs for the envelope (kind, id, method and
// more). Parsing the whole message would take many times its size in memory.

import { OPEN_BRACE, OPEN_BRACKET } from '../json/bytes.ts'
import { findMembers, textAt } from '../json/find-value.ts'
import type { Span } from '../json/find-value.ts'
import { skipBlank } from '../json/walker.ts'
import { metaKeys } from '../protocol/meta-keys.ts'

/** The members to read. `true` means a string, a number, `true`, `false` or `null`. */
interface Shape {
  [name: string]: true | Shape
}

const shape: Shape = {
  jsonrpc: true,
  id: true,
  method: true,
  params: { progressToken: true, _meta: { progressToken: true, [metaKeys.protocolVersion]: true } },
  result: true,
  error: { code: true, message: true }
}

/**
 * Returns the message like `JSON.parse`, but without the members that the envelope does not need.
 * If the message has an object or array where a string or number belongs, the result has an empty
 * one there.
 *
 * @param bytes valid JSON
 */
export function outlineOf(bytes: Buffer): unknown {
  return read(bytes, { start: skipBlank(bytes, 0), end: bytes.length }, shape)
}

function read(bytes: Buffer, span: Span, shape: true | Shape): unknown {
  if (bytes[span.start] === OPEN_BRACKET) return []
  if (bytes[span.start] !== OPEN_BRACE) return JSON.parse(textAt(bytes, span))
  const result: Record<string, unknown> = {}
  if (shape === true) return result
  for (const [name, place] of findMembers(bytes, span.start, Object.keys(shape))) {
    result[name] = read(bytes, place, shape[name] as true | Shape)
  }
  return result
}
