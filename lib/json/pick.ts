// Reads single members of a JSON value, without parsing the rest. Parsing the whole value would
// take many times its size in memory.

import { OPEN_BRACE, OPEN_BRACKET } from './bytes.ts'
import { findMembers, textAt } from './find-value.ts'
import type { Span } from './find-value.ts'
import { skipBlank } from './walker.ts'

/** The members to read. `true` means a string, a number, `true`, `false` or `null`. */
export interface Shape {
  readonly [name: string]: true | Shape
}

/**
 * Returns the value like `JSON.parse`, but without the members that are not in `shape`. If there is
 * an object or array where `shape` has `true`, the result has an empty one there.
 *
 * @param bytes valid JSON
 */
export function pick(bytes: Buffer, shape: Shape): unknown {
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
