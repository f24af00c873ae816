// Splits a JSON array without parsing it, or reads its elements one by one.

import { CLOSE_BRACKET, COMMA } from './bytes.ts'
import type { Span } from './find-value.ts'
import { skipBlank, valueEnd } from './walker.ts'

/**
 * Steps through the elements of a valid JSON array. An element includes the white space around it.
 * The result is the same object at each step.
 *
 * @param open the index of the array's opening bracket
 */
export function* elementsOf(bytes: Buffer, open: number): Generator<Span> {
  const span = { start: 0, end: open }
  do {
    span.start = span.end + 1
    const start = skipBlank(bytes, span.start)
    if (bytes[start] === CLOSE_BRACKET) return // the array is empty
    span.end = skipBlank(bytes, valueEnd(bytes, start))
    yield span
  } while (bytes[span.end] === COMMA)
}

/** Returns whether a JSON array has more than `limit` elements. It reads no further than that. */
export function hasMoreThan(limit: number, bytes: Buffer): boolean {
  let count = 0
  const elements = elementsOf(bytes, skipBlank(bytes, 0))
  while (elements.next().done !== true) if (++count > limit) return true
  return false
}

/**
 * Returns the elements of a valid JSON array. Each element is a part of `bytes`, not a copy, and
 * includes the white space around it.
 */
export function splitArray(bytes: Buffer): Buffer[] {
  const elements: Buffer[] = []
  for (const { start, end } of elementsOf(bytes, skipBlank(bytes, 0))) {
    elements.push(bytes.subarray(start, end))
  }
  return elements
}
