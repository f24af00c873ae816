// Splits a JSON array without parsing it.

import { CLOSE_BRACKET, COMMA } from './bytes.ts'
import { skipBlank, valueEnd } from './walker.ts'

/**
 * The elements of a valid JSON array, each as its part of `bytes`. White space around an element is
 * part of it.
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
