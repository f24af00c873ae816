// A registry of prom-client, which writes Prometheus' text format. prom-client is loaded only for
// metrics.

import type { Histogram } from './histogram.ts'
import type { Metric } from './metric.ts'

export interface Registry {
  readonly contentType: string
  add(metric: Metric): void
  addHistogram(name: string, help: string, histogram: Histogram): void
  text(): Promise<string>
}

export async function createRegistry(): Promise<Registry> {
  // The package is CommonJS, and the bundled file has only a default export.
  const { default: prom } = await import('prom-client')
  const registry = new prom.Registry()
  const registers = [registry]
  return {
    contentType: registry.contentType,
    add({ type, name, help, values }) {
      const Class = type === 'counter' ? prom.Counter : prom.Gauge
      new Class({
        name,
        help,
        registers,
        labelNames,
        collect() {
          this.reset()
          for (const [labels, value] of values()) this.inc(labels, value)
        }
      })
    },
    addHistogram(name, help, histogram) {
      const get = (): Promise<unknown> => {
        const values = [...histogram.series].flatMap((series) => series.valuesOf(name))
        const shown = values.map(([metricName, labels, value]) => ({ metricName, labels, value }))
        return Promise.resolve({ name, help, type: 'histogram', values: shown })
      }
      // For the registry, a metric is what has a name and `get`.
      registry.registerMetric({ name, get } as never)
    },
    text: () => registry.metrics()
  }
}

/** The labels of the metrics that are no histograms. */
const labelNames = ['server', 'direction', 'exit', 'code', 'queue']
