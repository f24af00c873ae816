// A histogram whose series are found by a few texts. The histogram of prom-client makes the key of a
// series of all its labels at each entry, which takes as long as the rest of a call.

import type { MetricValue } from './metric.ts'

/** A combination of labels. */
export class Series {
  readonly labels: Record<string, string>
  /** How many entries are in each bucket, and at last how many are above all. */
  readonly #counts: number[]
  readonly #bounds: readonly number[]
  #sum = 0

  constructor(labels: Record<string, string>, bounds: readonly number[]) {
    this.labels = labels
    this.#bounds = bounds
    this.#counts = [...bounds, Infinity].map(() => 0)
  }

  observe(value: number): void {
    let index = 0
    while (value > (this.#bounds[index] as number)) index++
    ;(this.#counts[index] as number)++
    this.#sum += value
  }

  /** The values in Prometheus' form: each bucket has the entries of those before it. */
  valuesOf(name: string): [name: string, ...value: MetricValue][] {
    const { labels } = this
    let count = 0
    const buckets = this.#counts.map((own, index): [string, ...MetricValue] => {
      const bound = this.#bounds[index]
      count += own
      const le = bound === undefined ? '+Inf' : String(bound)
      return [`${name}_bucket`, { le, ...labels }, count]
    })
    return [...buckets, [`${name}_sum`, labels, this.#sum], [`${name}_count`, labels, count]]
  }
}

/** What tells a series from the others. The texts are few, and each has its place. */
export type SeriesKey = readonly string[]

/** Maps of maps: to look up five texts that are the same strings each time is faster than to join them. */
type Level = Map<string, Level | Series>

export class Histogram {
  readonly #bounds: readonly number[]
  readonly #root: Level = new Map()
  readonly #all: Series[] = []

  /** @param bounds the upper bounds of the buckets, from the lowest */
  constructor(bounds: readonly number[]) {
    this.#bounds = bounds
  }

  get size(): number {
    return this.#all.length
  }

  get series(): Iterable<Series> {
    return this.#all
  }

  find(key: SeriesKey): Series | undefined {
    let found: Level | Series | undefined = this.#root
    for (let at = 0; at < key.length && found !== undefined; at++) {
      found = (found as Level).get(key[at] as string)
    }
    return found as Series | undefined
  }

  /** @param key has as many texts as all others of this histogram */
  add(key: SeriesKey, labels: Record<string, string>): Series {
    const series = new Series(labels, this.#bounds)
    this.#all.push(series)
    let level = this.#root
    for (const text of key.slice(0, -1)) {
      const next = (level.get(text) as Level | undefined) ?? new Map<string, Level | Series>()
      level.set(text, next)
      level = next
    }
    level.set(key.at(-1) as string, series)
    return series
  }
}
