// A histogram whose series are found by a key. The histogram of prom-client makes the key of a series of
// all its labels at each entry, which takes as long as the rest of a call.

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

export class Histogram {
  readonly #bounds: readonly number[]
  readonly #series = new Map<string, Series>()

  /** @param bounds the upper bounds of the buckets, from the lowest */
  constructor(bounds: readonly number[]) {
    this.#bounds = bounds
  }

  get size(): number {
    return this.#series.size
  }

  get series(): Iterable<Series> {
    return this.#series.values()
  }

  find(key: string): Series | undefined {
    return this.#series.get(key)
  }

  add(key: string, labels: Record<string, string>): Series {
    const series = new Series(labels, this.#bounds)
    this.#series.set(key, series)
    return series
  }
}
