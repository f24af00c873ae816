// A metric whose values are read when the metrics are.

export type MetricValue = [labels: Record<string, string>, value: number]

export interface Metric {
  type: 'counter' | 'gauge'
  name: string
  help: string
  values: () => MetricValue[]
}
