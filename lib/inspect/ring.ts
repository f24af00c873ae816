// The last entries, for pages that open later or read slowly. The oldest go when there are too many, or
// when they take too much memory.

import type { AnyEntry } from './entries.ts'

/** How many entries are kept. */
export const maxEntries = 100_000
/** What an entry takes beside the bytes of its message, about, in bytes. */
const overhead = 256

export class Ring {
  readonly #maxEntries: number
  readonly #maxBytes: number
  /** The entry `seq` is at `seq % maxEntries`. */
  readonly #entries: (AnyEntry | undefined)[] = []
  #start = 0
  #end = 0
  #bytes = 0

  /** @param maxBytes how much memory the entries may take (0: no limit) */
  constructor(maxBytes: number, max = maxEntries) {
    this.#maxBytes = maxBytes || Infinity
    this.#maxEntries = max
  }

  /** The number of the oldest entry. */
  get start(): number {
    return this.#start
  }

  /** The number of the next entry. */
  get end(): number {
    return this.#end
  }

  push(entry: AnyEntry): void {
    if (this.#end - this.#start === this.#maxEntries) this.#drop()
    this.#entries[this.#end % this.#maxEntries] = entry
    this.#end++
    this.#bytes += costOf(entry)
    while (this.#bytes > this.#maxBytes && this.#end - this.#start > 1) this.#drop()
  }

  /** @param seq the number of an entry from `start` to `end` - 1 */
  at(seq: number): AnyEntry {
    return this.#entries[seq % this.#maxEntries] as AnyEntry
  }

  #drop(): void {
    this.#bytes -= costOf(this.at(this.#start))
    this.#entries[this.#start % this.#maxEntries] = undefined
    this.#start++
  }
}

/** Returns what an entry takes, about, in bytes. */
export function costOf(entry: AnyEntry): number {
  if (entry.type === 'message') {
    const { length } = entry.text
    // The engine needs two bytes for a character if the text is not ASCII.
    return overhead + (length === entry.size ? length : 2 * length)
  }
  return overhead + ('line' in entry ? (entry.line?.length ?? 0) : 0)
}

/**
 * Writes an entry as JSON. A message is written member by member, which takes a third of the time: a page
 * gets each one.
 */
export function toJson(entry: AnyEntry): string {
  if (entry.type !== 'message') return JSON.stringify(entry)
  const { seq, time, session, from, kind, size, method, name, call, took, error } = entry
  let json = `{"seq":${seq},"time":${time},"type":"message","session":${session},"from":"${from}","kind":"${kind}","size":${size}`
  if (method !== undefined) json += `,"method":${JSON.stringify(method)}`
  if (name !== undefined) json += `,"name":${JSON.stringify(name)}`
  if (call !== undefined) json += `,"call":${call}`
  if (took !== undefined) json += `,"took":${took}`
  if (error !== undefined) json += `,"error":${JSON.stringify(error)}`
  if (entry.undelivered) json += ',"undelivered":true'
  if (entry.cut) json += ',"cut":true'
  return `${json},"text":${JSON.stringify(entry.text)}}`
}
