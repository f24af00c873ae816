// Reads the tools in a response to `tools/list`, one by one. A server may send anything, so each
// value is checked. Parsing the whole response could take many times its size in memory.

import { OPEN_BRACKET } from '../json/bytes.ts'
import { findValue, textAt } from '../json/find-value.ts'
import type { Span } from '../json/find-value.ts'
import { elementsOf } from '../json/split-array.ts'
import { isTool } from '../protocol/mirrored-headers.ts'
import type { Tool } from '../protocol/mirrored-headers.ts'
import { paths } from '../protocol/paths.ts'
import type { Frame } from './frame.ts'

/** The proxy reads at most this many tools of one list. */
export const maxTools = 10_000
/** The proxy does not read the definition of a tool over this size, in bytes. */
const maxTool = 1024 * 1024

/** An element of a tool list. `tool` is undefined if it is not an object with a name. */
export interface ListedTool {
  tool: Tool | undefined
  span: Span
}

/** Steps through the tools of a list. Returns undefined if the response has no list. */
export function toolsIn(response: Frame): Iterable<ListedTool> | undefined {
  const list = findValue(response.bytes, paths.tools)
  if (list === undefined || response.bytes[list.start] !== OPEN_BRACKET) return undefined
  return read(response.bytes, list.start)
}

function* read(bytes: Buffer, open: number): Generator<ListedTool> {
  for (const span of elementsOf(bytes, open)) {
    const isSmall = span.end - span.start <= maxTool
    const value: unknown = isSmall ? JSON.parse(textAt(bytes, span)) : undefined
    yield { tool: isTool(value) ? value : undefined, span }
  }
}
