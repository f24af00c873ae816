// Splits a JSON array without parsing it.

import { CLOSE_BRACKET, COMMA } from './bytes.ts'
import { skipBlank, valueEnd } from './walker.ts'

/**
 * Returns the elements of a valid JSON array. Each element is a part of `bytes`, not a copy, and
 * includes the white space around it.
 */
export function splitArray(bytes: Buffer): Buffer[] {
  const elements: Buffer[] = []
  let at = skipBlank(bytes, 0)
  do {
    const from = at + 1
    const start = skipBlank(bytes, from)
    if (bytes[start] === CLOSE_BRACKET) break // an empty array
    at = skipBlank(bytes, valueEnd(bytes, start))
    elements.push(bytes.subarray(from, at))
  } while (bytes[at] === COMMA)
  return elements
}
