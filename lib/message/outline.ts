// The parts of a message that its envelope is made of, read from the bytes of a large message. Parsing
// the whole message would take many times its size in memory.

import { OPEN_BRACE, OPEN_BRACKET } from '../json/bytes.ts'
import { findMembers, textAt } from '../json/find-value.ts'
import type { Span } from '../json/find-value.ts'
import { skipBlank } from '../json/walker.ts'
import { metaKeys } from '../protocol/meta-keys.ts'

/** The members that are kept: `true` stands for a string, number or word, as it is. */
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
 * The message as `JSON.parse` gives it, without the members that the envelope does not need. An object
 * or array in the place of a string, number or word is empty.
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
