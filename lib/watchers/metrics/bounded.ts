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

  get isFull(): boolean {
    return this.#texts.size >= this.#max
  }

  has(text: string): boolean {
    return this.#texts.has(text)
  }

  /** Returns the text if it is in the set, or could be added. Otherwise `other`. */
  labelOf(text: string): string {
    if (this.#texts.has(text)) return text
    if (this.isFull) return other
    this.#texts.add(text)
    return text
  }
}

/** How many names of all servers together are kept apart. */
const maxNames = 500
/** How many elements of a list are read, and how long a name may be. */
const maxElements = 10_000
const maxName = 128

/** The lists whose names are learned, by the method of the request: the path, and the kind of name. */
const lists: Record<string, { path: readonly string[]; kind: string }> = {
  [methods.listTools]: { path: paths.tools, kind: methods.callTool },
  [methods.listPrompts]: { path: paths.prompts, kind: methods.getPrompt }
}

/** The names of tools and prompts that servers have listed. */
export class ListedNames {
  readonly #names = new BoundedSet(maxNames)

  /** Learns the names in the response to a request for a list. */
  learn(server: string, method: string, { bytes }: Frame): void {
    const list = Object.hasOwn(lists, method) ? lists[method] : undefined
    if (list === undefined || this.#names.isFull) return
    const span = findValue(bytes, list.path)
    if (span === undefined || bytes[span.start] !== OPEN_BRACKET) return
    let count = 0
    for (const { start, end } of elementsOf(bytes, span.start)) {
      if (this.#names.isFull || ++count > maxElements) return
      const open = skipBlank(bytes, start)
      if (bytes[open] !== OPEN_BRACE) continue
      const name = stringAt(bytes.subarray(open, end), ['name'])
      if (name !== undefined && name.length <= maxName) {
        this.#names.labelOf(keyOf(server, list.kind, name))
      }
    }
  }

  /** Returns a name that the server has listed, or `other`. */
  labelOf(server: string, method: string, name: string): string {
    return this.#names.has(keyOf(server, method, name)) ? name : other
  }
}

const keyOf = (server: string, kind: string, name: string): string => `${server}\n${kind}\n${name}`
