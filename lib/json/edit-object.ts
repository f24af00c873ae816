// Removes members from an object in JSON bytes, and adds members. The bytes of all other members
// stay as they are.
//
// An object may have a million members, so nothing is allocated for a single one. Members that stay
// are copied in runs, with the commas between them.

import { CLOSE_BRACE, COMMA } from './bytes.ts'
import { isString } from './find-value.ts'
import type { Span } from './find-value.ts'
import { MemberCursor } from './walker.ts'

export interface ObjectEdit {
  /** The names of the members to remove. All members with such a name are removed. */
  remove: readonly string[]
  /** The members to add at the end, as JSON text: `"name":value`. Default: none. */
  add?: readonly (string | Buffer)[]
}

/**
 * Returns a copy of `bytes` with one object edited.
 *
 * @param bytes valid JSON
 * @param object the place of the object in `bytes`
 */
export function editObject(bytes: Buffer, object: Span, { remove, add = [] }: ObjectEdit): Buffer {
  let size = bytes.length
  for (const member of add) size += Buffer.byteLength(member) + 1
  const result = Buffer.allocUnsafe(size)
  const open = object.start + 1
  let to = bytes.copy(result, 0, 0, open)
  const separate = (): void => {
    if (to > open) result[to++] = COMMA
  }
  const copyRun = (start: number, end: number): void => {
    if (start === end) return
    separate()
    to += bytes.copy(result, to, start, end)
  }
  // The run of members that stay and are not copied yet.
  let start = 0
  let end = 0
  const cursor = new MemberCursor(bytes, object.start)
  while (cursor.next()) {
    if (isAny(bytes, cursor.nameStart, cursor.nameEnd, remove)) {
      copyRun(start, end)
      start = end = 0
    } else {
      if (start === end) start = cursor.nameStart
      end = cursor.end
    }
  }
  copyRun(start, end)
  for (const member of add) {
    separate()
    to += typeof member === 'string' ? result.write(member, to) : member.copy(result, to)
  }
  result[to++] = CLOSE_BRACE
  to += bytes.copy(result, to, object.end)
  return result.subarray(0, to)
}

/** Whether the JSON string between `start` and `end` has the value of one of the texts. */
function isAny(bytes: Buffer, start: number, end: number, texts: readonly string[]): boolean {
  for (const text of texts) if (isString(bytes, start, end, text)) return true
  return false
}
