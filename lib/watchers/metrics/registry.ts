// A registry of prom-client, which writes Prometheus' text format. prom-client is loaded only for
// metrics.

export type MetricValue = [labels: Record<string, string>, value: number]

/** A metric whose values are read when the metrics are. */
export interface Metric {
  type: 'counter' | 'gauge'
  name: string
  help: string
  values: () => MetricValue[]
}

export interface Histogram {
  observe(labels: object, value: number): void
}

export interface Registry {
  readonly contentType: string
  add(metric: Metric): void
  addHistogram(name: string, help: string, labels: readonly string[], buckets: number[]): Histogram
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
    addHistogram: (name, help, labels, buckets) =>
      new prom.Histogram({ name, help, registers, labelNames: [...labels], buckets }),
    text: () => registry.metrics()
  }
}

/** The labels of the metrics that are no histograms. */
const labelNames = ['server', 'direction', 'exit', 'code', 'queue']
