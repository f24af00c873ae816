// The rows of a JSON tree: what is open, and where a text is found.

import { patternOf } from './filter.ts'
import { childrenOf, isLong, linesOf, rootOf } from './json-nodes.ts'
import type { JsonNode } from './json-nodes.ts'

/** A row: a node, the end of a node, or a line of a long string. */
export interface JsonRow {
  depth: number
  node: JsonNode
  /** Whether the node can open, and whether it is open. */
  fold?: 'open' | 'closed' | undefined
  /** How many children a closed node has. */
  size?: number | undefined
  /** `}` or `]`. */
  close?: string | undefined
  /** The line of a long string. */
  line?: string | undefined
}

/** Nodes open by themselves until there are this many rows. */
const maxOpenRows = 200
/** How deep a find opens nodes. Each level takes the time to read what is inside. */
const maxDepth = 200
/** How many finds are counted. */
export const maxFinds = 1000

export class JsonTree {
  readonly text: string
  readonly #root: JsonNode | undefined
  readonly #children = new Map<number, JsonNode[]>()
  readonly #lines = new Map<number, string[]>()
  /** The starts of the open nodes. */
  readonly #open = new Set<number>()
  #rows: JsonRow[] | undefined

  constructor(text: string) {
    this.text = text
    this.#root = rootOf(text)
    this.#openFirst()
  }

  /** The rows that are not inside of a closed node. */
  get rows(): JsonRow[] {
    this.#rows ??= this.#makeRows()
    return this.#rows
  }

  toggle(node: JsonNode): void {
    if (!this.#open.delete(node.start)) this.#open.add(node.start)
    this.#rows = undefined
  }

  /** Returns where a text is in the message, in upper and lower case. */
  find(text: string): number[] {
    if (text === '') return []
    const finds: number[] = []
    for (const { index } of this.text.matchAll(patternOf(text, 'gi'))) {
      finds.push(index)
      if (finds.length === maxFinds) break
    }
    return finds
  }

  /** Opens the nodes around a place in the text. Returns the index of its row. */
  reveal(offset: number, text: string): number {
    let node = this.#root
    for (let depth = 0; node !== undefined && depth < maxDepth; depth++) {
      if (!isOpenable(this.text, node)) break
      this.#open.add(node.start)
      const inner: JsonNode | undefined = this.#childrenOf(node).find(({ end }) => offset < end)
      if (inner === undefined) break
      node = inner
    }
    this.#rows = undefined
    const start = node?.start
    const pattern = patternOf(text)
    const index = this.rows.findIndex((row) => row.node.start === start)
    const line = this.rows.findIndex(
      (row) => row.node.start === start && row.line !== undefined && pattern.test(row.line)
    )
    return line === -1 ? index : line
  }

  #openFirst(): void {
    let level = this.#root === undefined ? [] : [this.#root]
    for (let rows = 1; level.length > 0;) {
      const next: JsonNode[] = []
      for (const node of level) {
        if (!isOpenable(this.text, node)) continue
        const inner = node.kind === 'string' ? this.#linesOf(node) : this.#childrenOf(node)
        rows += inner.length + 1
        if (rows > maxOpenRows && node !== this.#root) return
        this.#open.add(node.start)
        next.push(...this.#childrenOf(node))
      }
      level = next
    }
  }

  /** A stack of the nodes whose rows are not made yet: a deep message must not fill that of the engine. */
  #makeRows(): JsonRow[] {
    const rows: JsonRow[] = []
    const waiting: JsonRow[] = this.#root === undefined ? [] : [{ depth: 0, node: this.#root }]
    for (let row; (row = waiting.pop()) !== undefined;) {
      rows.push(row)
      const { node, depth, close } = row
      if (close !== undefined || !isOpenable(this.text, node)) continue
      if (!this.#open.has(node.start)) {
        row.fold = 'closed'
        row.size = node.kind === 'string' ? undefined : this.#childrenOf(node).length
        continue
      }
      row.fold = 'open'
      if (node.kind === 'string') {
        for (const line of this.#linesOf(node)) rows.push({ depth: depth + 1, node, line })
        continue
      }
      waiting.push({ depth, node, close: node.kind === 'object' ? '}' : ']' })
      const children = this.#childrenOf(node)
      for (let at = children.length - 1; at >= 0; at--) {
        waiting.push({ depth: depth + 1, node: children[at] as JsonNode })
      }
    }
    return rows
  }

  #childrenOf(node: JsonNode): JsonNode[] {
    let children = this.#children.get(node.start)
    if (children === undefined)
      this.#children.set(node.start, (children = childrenOf(this.text, node)))
    return children
  }

  #linesOf(node: JsonNode): string[] {
    let lines = this.#lines.get(node.start)
    if (lines === undefined) this.#lines.set(node.start, (lines = linesOf(this.text, node)))
    return lines
  }
}

/** Whether a node has something inside. */
const isOpenable = (text: string, node: JsonNode): boolean =>
  node.kind === 'object' || node.kind === 'array'
    ? text.slice(node.start + 1, node.start + 20).search(/[^\s]/) !== -1 &&
      !/^.\s*[}\]]/.test(text.slice(node.start, node.start + 20))
    : isLong(text, node)
