// Helps to read a list that a server sends in pages. Each result names the next page in
// `nextCursor`. The last result has no `nextCursor`. A faulty server may name next pages for ever.
// So a list also ends after 1000 pages, or when the server repeats a cursor.

const maxPages = 1000
/** The longest cursor, in characters. It limits the memory, because all cursors are kept. */
const maxCursor = 64 * 1024

export class Pagination {
  readonly #seen = new Set<string>()
  /** Why the list ended before its last page. Undefined if it did not. */
  fault: string | undefined

  /** Returns the cursor of the page at `nextCursor`, or `undefined` at the end of the list. */
  next(nextCursor: string | undefined): string | undefined {
    if (nextCursor === undefined) return undefined
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
