// The code that reads JSON as bytes, compared with `JSON.parse`.

import { isUtf8 } from 'node:buffer'
import { setImmediate as turn } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { checkJson } from '../../../lib/json/check.ts'
import { editObject } from '../../../lib/json/edit-object.ts'
import { findMembers, findValue, stringAt, textAt } from '../../../lib/json/find-value.ts'
import type { Span } from '../../../lib/json/find-value.ts'
import { pick as pickMembers } from '../../../lib/json/pick.ts'
import { splice } from '../../../lib/json/splice.ts'
import { hasMoreThan, splitArray } from '../../../lib/json/split-array.ts'
import { skipBlank } from '../../../lib/json/walker.ts'
import { deepObject, randomFrom, randomObject } from '../../interop/random-json.ts'
import type { Random } from '../../interop/random-json.ts'
import { chance, mutate, pick, size } from '../inputs/bytes.ts'
import { deep, randomMessage } from '../inputs/messages.ts'
import { enlarged } from '../inputs/large.ts'
import { expect, target } from '../target.ts'
import type { Target } from '../target.ts'

/** Makes the bytes of a JSON text, which may be spoiled, and now and then a very large one. */
export function randomText(random: Random): Buffer {
  const kind = random()
  if (kind < 0.0005) return enlarged(random)
  if (kind < 0.02) return Buffer.from(pick(random, [deep(random), deepObject(size(random, 2000))]))
  const text =
    kind < 0.5 ? randomObject(random, size(random, 1000)) : randomMessage(random, 'client')
  const bytes = Buffer.from(chance(random, 0.05) ? `[${text},${text}]` : text)
  return kind % 0.1 < 0.04 ? mutate(random, bytes) : bytes
}

const OPEN_BRACE = 0x7b
const OPEN_BRACKET = 0x5b

interface Output {
  isJson: boolean
  /** The top-level members, if the text is an object. */
  members?: Map<string, string>
  picked?: unknown
  spliced?: string
  edited?: string
  elements?: string[]
}

/** No message goes through all of this code, so each part may block the event loop for the whole time. */
const pause = (input: Buffer): Promise<void> | undefined =>
  input.length > 100_000 ? turn() : undefined

/** The names that the code looks for. */
const wanted = ['a', 'id', 'method', 'params', 'result', '']

export const json: Target = target<Output>({
  name: 'json',
  share: 20,
  make: randomText,
  async run(input) {
    if (!isUtf8(input)) return { isJson: false }
    try {
      checkJson(input)
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error
      return { isJson: false }
    }
    await pause(input)
    const start = skipBlank(input, 0)
    if (input[start] === OPEN_BRACKET) {
      // Only batches are split, and they are small.
      const elements = hasMoreThan(1000, input) ? [] : splitArray(input).map(String)
      return { isJson: true, elements }
    }
    if (input[start] !== OPEN_BRACE) return { isJson: true }
    const members = new Map<string, string>()
    for (const [name, span] of findMembers(input, start, wanted))
      members.set(name, textAt(input, span))
    await pause(input)
    const shape = { a: true, id: true, params: { _meta: { progressToken: true } } } as const
    const picked = pickMembers(input, shape)
    await pause(input)
    const spliced = String(splice(input, [{ path: ['id'], text: '"new"' }]))
    await pause(input)
    const whole = { ...(findValue(input, []) as Span), end: input.lastIndexOf('}') + 1 }
    const edited = String(editObject(input, whole, { remove: ['id', 'a'], add: ['"added":1'] }))
    return { isJson: true, members, picked, spliced, edited }
  },
  compare(input, output) {
    let parsed: unknown
    try {
      if (!isUtf8(input)) throw new SyntaxError('not UTF-8')
      parsed = JSON.parse(input.toString())
    } catch {
      return expect(!output.isJson, 'checkJson takes what JSON.parse refuses')
    }
    expect(output.isJson, 'checkJson refuses what JSON.parse takes')
    if (Array.isArray(parsed)) {
      if (parsed.length > 1000) return
      const elements = output.elements?.map((text): unknown => JSON.parse(text))
      return expect(isSame(elements, parsed), 'splitArray differs')
    }
    if (typeof parsed !== 'object' || parsed === null) return
    const object = parsed as Record<string, unknown>
    for (const name of wanted) {
      const found = output.members?.get(name)
      expect(
        (found !== undefined) === Object.hasOwn(object, name),
        `findMembers differs at ${name}`
      )
      if (found !== undefined)
        expect(isSame(JSON.parse(found), object[name]), `another value of ${name}`)
      if (Buffer.byteLength(found ?? '') > 1_000_000) continue // `stringAt` reads no such string
      const text = stringAt(input, [name])
      const value = Object.hasOwn(object, name) ? object[name] : undefined
      expect(
        text === (typeof value === 'string' ? value : undefined),
        `stringAt differs at ${name}`
      )
    }
    comparePicked(output.picked as Record<string, unknown>, object)
    const spliced = JSON.parse(output.spliced as string) as Record<string, unknown>
    expect(Object.hasOwn(spliced, 'id') === Object.hasOwn(object, 'id'), 'splice loses the id')
    // The last of several members with a name counts, for `splice` and for `JSON.parse`.
    expect(!Object.hasOwn(object, 'id') || spliced.id === 'new', 'splice leaves the id')
    const { id: _id, a: _a, ...rest } = object
    const { added, ...edited } = JSON.parse(output.edited as string) as Record<string, unknown>
    if (!Object.hasOwn(object, 'added')) expect(isSame(edited, rest), 'editObject differs')
    expect(added === 1, 'editObject adds nothing')
  }
})

function comparePicked(picked: Record<string, unknown>, object: Record<string, unknown>): void {
  for (const name of ['a', 'id']) {
    const value = object[name]
    const shown =
      typeof value !== 'object' || value === null ? value : Array.isArray(value) ? [] : {}
    expect(
      isSame(picked[name], Object.hasOwn(object, name) ? shown : undefined),
      `pick differs at ${name}`
    )
  }
}

/** Compares deeply. A depth that the comparison cannot take counts as equal. */
export function isSame(one: unknown, other: unknown): boolean {
  try {
    return isDeepStrictEqual(one, other)
  } catch (error) {
    if (error instanceof RangeError) return true
    throw error
  }
}

/** A generator whose numbers depend on the bytes, so a replayed input is cut at the same places. */
export function randomOf(input: Buffer): Random {
  let seed = input.length
  for (let at = 0; at < input.length && at < 4096; at++)
    seed = Math.imul(seed ^ (input[at] as number), 16777619)
  return randomFrom(seed)
}
