// Removes members from an object in JSON bytes, and adds members. The bytes of all other members
// stay as they are. White space between members is lost.

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
  // An escaped character takes up to six bytes.
  const longest = 2 + 6 * Math.max(0, ...remove.map((name) => name.length))
  const members: Buffer[] = []
  const cursor = new MemberCursor(bytes, object.start)
  while (cursor.next()) {
    const { nameStart, nameEnd } = cursor
    const name =
      nameEnd - nameStart > longest ? undefined : bytes.toString('utf8', nameStart, nameEnd)
    if (name !== undefined && remove.includes(JSON.parse(name) as string)) continue
    members.push(bytes.subarray(nameStart, cursor.end))
  }
  for (const member of add) members.push(Buffer.from(member))
  const parts = members.flatMap((member, index) => (index === 0 ? [member] : [comma, member]))
  return Buffer.concat([
    bytes.subarray(0, object.start + 1),
    ...parts,
    closingBrace,
    bytes.subarray(object.end)
  ])
}

const comma = Buffer.from(',')
const closingBrace = Buffer.from('}')
