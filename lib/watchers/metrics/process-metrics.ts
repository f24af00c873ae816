// The metrics of the process of the proxy itself, with the names of OpenTelemetry's conventions for
// Node.js and of Prometheus' clients.

import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { Metric } from './metric.ts'

const nanoseconds = 1e-9

export interface ProcessMetrics {
  metrics: Metric[]
  /** The next delays are those from now on. */
  wereRead(): void
  /** Stops the measurement of the delay of the event loop. */
  stop(): void
}

/** The delays are those since the metrics were last read. */
export function processMetrics(): ProcessMetrics {
  const delay = monitorEventLoopDelay({ resolution: 10 })
  delay.enable()
  const delayMetric = (name: string, help: string, read: () => number): Metric => ({
    type: 'gauge',
    name: `nodejs_eventloop_delay_${name}_seconds`,
    help: `${help} delay of the event loop since the last reading.`,
    // Without a measurement yet, the histogram gives NaN or a huge number.
    values: () => [[{}, delay.count === 0 ? 0 : read() * nanoseconds]]
  })
  const metrics: Metric[] = [
    delayMetric('p50', 'Median', () => delay.percentile(50)),
    delayMetric('p99', '99th percentile of the', () => delay.percentile(99)),
    delayMetric('max', 'Longest', () => delay.max),
    {
      type: 'counter',
      name: 'process_cpu_seconds_total',
      help: 'CPU time of the proxy, without its servers.',
      values: () => {
        const { user, system } = process.cpuUsage()
        return [[{}, (user + system) / 1e6]]
      }
    },
    {
      type: 'gauge',
      name: 'process_resident_memory_bytes',
      help: 'Memory of the proxy, without its servers.',
      values: () => [[{}, process.memoryUsage.rss()]]
    },
    {
      type: 'gauge',
      name: 'process_start_time_seconds',
      help: 'When the proxy started, as a Unix time.',
      values: () => [[{}, performance.timeOrigin / 1000]]
    }
  ]
  return { metrics, wereRead: () => delay.reset(), stop: () => void delay.disable() }
}
