// Keeps the values of labels few. Each value of a label makes a series that stays in memory, and names
// come from clients and servers.

import { OPEN_BRACE, OPEN_BRACKET } from '../../json/bytes.ts'
import { findValue, stringAt } from '../../json/find-value.ts'
import { elementsOf } from '../../json/split-array.ts'
import { skipBlank } from '../../json/walker.ts'
import type { Frame } from '../../message/frame.ts'
import { errorCodes } from '../../protocol/error-codes.ts'
import { methods } from '../../protocol/methods.ts'
import { paths } from '../../protocol/paths.ts'

/** The label of all values that are not kept apart. */
export const other = 'other'

const knownMethods: ReadonlySet<string> = new Set(Object.values(methods))

/** Returns a method that the protocol names, or `other`. */
export const methodLabel = (method: string): string => (knownMethods.has(method) ? method : other)

const knownCodes: ReadonlySet<unknown> = new Set(Object.values(errorCodes))

/** Returns the code of an error that the protocol names, or `_OTHER`, as the conventions ask. */
export const codeLabel = (code: unknown): string => (knownCodes.has(code) ? String(code) : '_OTHER')

/** A set of texts that stops to grow. */
export class BoundedSet {
  readonly #max: number
  readonly #texts = new Set<string>()

  constructor(max: number) {
    this.#max = max
  }

  /** Returns the text if it is in the set, or could be added. Otherwise `other`. */
  labelOf(text: string): string {
    if (this.#texts.has(text)) return text
    if (this.#texts.size >= this.#max) return other
    this.#texts.add(text)
    return text
  }
}

/** How many names of all servers together are kept apart. */
const maxNames = 500
/** How many elements of a list are read, and how long a name may be. */
const maxElements = 10_000
const maxName = 128

/** Where a list is in its response, by the method of the request. */
const lists: ReadonlyMap<string, readonly string[]> = new Map([
  [methods.listTools, paths.tools],
  [methods.listPrompts, paths.prompts]
])

/** The names of tools and prompts that servers have listed. */
export class ListedNames {
  /** Those of tools, by the name of the server. */
  readonly #tools = new Map<string, Set<string>>()
  readonly #prompts = new Map<string, Set<string>>()
  #count = 0

  /** Learns the names in the response to a request for a list. */
  learn(server: string, method: string, { bytes }: Frame): void {
    const path = lists.get(method)
    if (path === undefined || this.#count >= maxNames) return
    const list = findValue(bytes, path)
    if (list === undefined || bytes[list.start] !== OPEN_BRACKET) return
    const byServer = method === methods.listTools ? this.#tools : this.#prompts
    const names = byServer.get(server) ?? new Set()
    let count = 0
    for (const { start, end } of elementsOf(bytes, list.start)) {
      if (this.#count >= maxNames || ++count > maxElements) return
      const open = skipBlank(bytes, start)
      if (bytes[open] !== OPEN_BRACE) continue
      const name = stringAt(bytes.subarray(open, end), ['name'])
      if (name === undefined || name.length > maxName || names.has(name)) continue
      byServer.set(server, names.add(name))
      this.#count++
    }
  }

  /** Returns the name of a tool or a prompt that the server has listed, or `other`. */
  labelOf(server: string, method: string, name: string | undefined): string {
    const byServer = method === methods.callTool ? this.#tools : this.#prompts
    const isListed = name !== undefined && byServer.get(server)?.has(name) === true
    return isListed ? name : other
  }
}
