// What the plots show: messages and errors a second, and the times from requests to responses.

import type { AnyEntry } from '../../entries.ts'
import { isError } from './filter.ts'

export interface Series {
  /** The start of each interval, as a Unix time in seconds. */
  times: number[]
  /** Messages a second. */
  rate: number[]
  /** Errors a second. */
  errors: number[]
  /** The median of the response times in ms; null without a response. */
  median: (number | null)[]
  /** The 99th percentile. */
  high: (number | null)[]
}

/** About how many intervals there are. */
const intervals = 120
/** How many entries are looked at. */
const maxLooked = 50_000

/**
 * Makes the series of the last entries.
 *
 * @param end the end of the last interval: a Unix time in ms
 * @param span how much time is shown at most, in ms
 */
export function seriesOf(entries: AnyEntry[], end: number, span = Infinity): Series {
  const from = Math.max(0, entries.length - maxLooked)
  const oldest = entries[from]?.time ?? end
  const start = Math.min(end, Math.max(oldest, end - span))
  const width = niceWidth(Math.max(end - start, 1000) / intervals)
  const first = Math.floor(start / width)
  const length = Math.floor(end / width) - first + 1
  const counts = new Array<number>(length).fill(0)
  const errors = new Array<number>(length).fill(0)
  const took: number[][] = Array.from({ length }, () => [])
  for (let index = from; index < entries.length; index++) {
    const entry = entries[index] as AnyEntry
    const at = Math.floor(entry.time / width) - first
    if (at < 0 || at >= length) continue
    if (entry.type === 'message') (counts[at] as number)++
    if (isError(entry)) (errors[at] as number)++
    if (entry.type === 'message' && entry.took !== undefined) took[at]?.push(entry.took)
  }
  for (const list of took) list.sort((one, other) => one - other)
  const perSecond = (value: number): number => (value * 1000) / width
  return {
    times: took.map((_, index) => ((first + index) * width) / 1000),
    rate: counts.map(perSecond),
    errors: errors.map(perSecond),
    median: took.map((list) => quantile(list, 0.5)),
    high: took.map((list) => quantile(list, 0.99))
  }
}

/** Returns a width of 1, 2 or 5 and zeros, at least 100 ms. */
function niceWidth(width: number): number {
  const power = 10 ** Math.floor(Math.log10(width))
  const factor = [1, 2, 5, 10].find((factor) => factor * power >= width) as number
  return Math.max(100, factor * power)
}

/** @param sorted in ascending order */
const quantile = (sorted: number[], part: number): number | null =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? null
