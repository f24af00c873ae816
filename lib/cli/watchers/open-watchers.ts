// Opens what watches the traffic of a mode: the recording, the audit log, the metrics, the traces and the
// traffic page. Without their flags, no code of them is loaded.

import type { CommonConfig } from '../../config/config.ts'
import type { MetricsPage } from '../../http-server/status-endpoint.ts'
import type { LiveOptions } from '../../inspect/inspect.ts'
import type { LineFile } from '../../line-file.ts'
import type { Log } from '../../log.ts'
import type { Trace } from '../../message/trace-context.ts'
import type { Audit } from '../../watchers/audit.ts'
import type { MetricsOptions } from '../../watchers/metrics.ts'
import { openAudit, openRecorder } from './open-files.ts'
import { openInspector } from './open-inspector.ts'
import { openMetrics } from './open-metrics.ts'
import { openTraces } from './open-traces.ts'

/** The part of the configuration that names the watchers. */
export type WatchersConfig = Pick<
  CommonConfig,
  'record' | 'audit' | 'metrics' | 'traces' | 'traceContext' | 'inspect' | 'inspectMemory'
>

export interface WatchersOptions extends Pick<LiveOptions, 'endpoints'>, MetricsOptions {
  log: Log
  /** The file of --log-file. */
  logFile: LineFile | undefined
}

export interface Watchers {
  readonly audit: Audit | undefined
  /** The metrics, if the listener of the clients serves them. */
  readonly metricsPage: MetricsPage | undefined
  /** Gets each message of a client. */
  readonly trace: Trace | undefined
  /** The files that are open, for `onHangup`. */
  readonly files: readonly { reopen(): Promise<void> | void }[]
  /** Resolves when all that was seen is written. */
  close(): Promise<void>
}

/**
 * Opens the watchers that the configuration names.
 *
 * @throws ProxyError `ERR_CONFIG` if a file cannot be opened, or if a package is not installed
 * @throws ProxyError `ERR_LISTEN` if an address cannot be used
 */
export async function openWatchers(
  config: WatchersConfig,
  { endpoints, queues, logFile, ...options }: WatchersOptions
): Promise<Watchers> {
  const { labelOf, log, side, url } = options
  const opened: { close(): Promise<void> }[] = []
  const keep = async <T extends { close(): Promise<void> } | undefined>(
    opening: Promise<T>
  ): Promise<T> => {
    const watcher = await opening
    if (watcher !== undefined) opened.push(watcher)
    return watcher
  }
  const close = async (): Promise<void> => {
    for (const watcher of opened) await watcher.close()
  }
  try {
    const record = await keep(openRecorder(config.record, log))
    const audit = await keep(openAudit(config.audit, { labelOf, log }))
    const files = { record, audit, log: logFile }
    const allQueues = (): Record<string, number> => ({ ...waitingIn(files), ...queues?.() })
    const metrics = await keep(openMetrics(config.metrics, { ...options, queues: allQueues }))
    const traces = await keep(openTraces(config, { side, url, log }))
    await keep(openInspector(config, endpoints, log))
    return {
      audit,
      metricsPage: metrics?.page,
      trace: traces?.trace,
      files: Object.values(files).filter((file) => file !== undefined),
      close
    }
  } catch (error) {
    await close()
    throw error
  }
}

/** Returns how many bytes wait in each file that is open. */
function waitingIn(
  files: Record<string, { readonly waiting: number } | undefined>
): Record<string, number> {
  const open = Object.entries(files).flatMap(([name, file]): [string, number][] =>
    file === undefined ? [] : [[name, file.waiting]]
  )
  return Object.fromEntries(open)
}
