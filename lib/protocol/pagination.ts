// Reading a list that a server sends in pages. Each result names the next page in `nextCursor`; the
// last one names none. A server may name pages for ever, so a list also ends after a number of pages
// and at a cursor that came before.

const maxPages = 1000
/** Bounds the memory for cursors that came before, in characters. */
const maxCursor = 64 * 1024

export class Pagination {
  readonly #seen = new Set<string>()
  /** Why the list was cut short, if it was. */
  fault: string | undefined

  /** The cursor of the page after `result`; `undefined` at the end of the list. */
  next(result: unknown): string | undefined {
    const { nextCursor } = Object(result) as { nextCursor?: unknown }
    if (typeof nextCursor !== 'string') return undefined
    this.fault = this.#check(nextCursor)
    if (this.fault !== undefined) return undefined
    this.#seen.add(nextCursor)
    return nextCursor
  }

  #check(cursor: string): string | undefined {
    if (this.#seen.has(cursor)) return 'the server sent a cursor a second time'
    if (this.#seen.size === maxPages - 1) return `it has more than ${maxPages} pages`
    return cursor.length > maxCursor ? `a cursor is over ${maxCursor} characters` : undefined
  }
}
