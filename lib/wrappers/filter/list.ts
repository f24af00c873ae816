// Removes elements from a list in a message. The bytes of all other elements stay as they are.

import { OPEN_BRACKET } from '../../json/bytes.ts'
import { findValue } from '../../json/find-value.ts'
import { elementsOf } from '../../json/split-array.ts'
import type { Frame } from '../../message/frame.ts'

/**
 * Returns the frame with only the elements that `keeps` accepts. Without an array at `path`, the
 * frame stays as it is.
 *
 * @param keeps gets the element as JSON, with white space around it
 */
export function filterList(
  frame: Frame,
  path: readonly string[],
  keeps: (element: Buffer) => boolean
): Frame {
  const { bytes } = frame
  const list = findValue(bytes, path)
  if (list === undefined || bytes[list.start] !== OPEN_BRACKET) return frame
  const kept: Buffer[] = []
  let all = 0
  for (const { start, end } of elementsOf(bytes, list.start)) {
    all++
    const element = bytes.subarray(start, end)
    if (keeps(element)) kept.push(comma, element)
  }
  if (kept.length === 2 * all) return frame
  const parts = [bytes.subarray(0, list.start + 1), ...kept.slice(1), bytes.subarray(list.end - 1)]
  return frame.withBytes(Buffer.concat(parts))
}

const comma = Buffer.from(',')
