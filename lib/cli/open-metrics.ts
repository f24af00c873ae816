// Opens the metrics of --metrics. Without this flag, their code is not loaded.

import type { MetricsConfig } from '../config/config.ts'
import { describe, ProxyError } from '../errors.ts'
import type { Listener } from '../http-server/listener.ts'
import type { MetricsPage } from '../http-server/status-endpoint.ts'
import type { Log } from '../log.ts'
import type { MetricsOptions } from '../watchers/metrics.ts'

export interface OpenMetrics {
  /** What the listener of the clients serves. `undefined` if the metrics have a listener of their own. */
  page: MetricsPage | undefined
  /**
   * Serves the metrics if they have a listener of their own.
   *
   * @throws ProxyError `ERR_LISTEN` if the address cannot be used
   */
  serve(): Promise<void>
  close(): Promise<void>
}

/** The path of the metrics on a listener of their own. */
const ownPath = '/metrics'

/** Begins to count. Returns undefined without a place for the metrics. */
export async function openMetrics(
  place: MetricsConfig | undefined,
  options: MetricsOptions & { log: Log }
): Promise<OpenMetrics | undefined> {
  if (place === undefined) return undefined
  const { metrics: start } = await import('../watchers/metrics.ts')
  const metrics = await start(options)
  const { contentType } = metrics
  const pageAt = (path: string): MetricsPage => ({ path, contentType, text: () => metrics.text() })
  let listener: Listener | undefined
  return {
    page: 'path' in place ? pageAt(place.path) : undefined,
    async serve() {
      if (!('path' in place)) listener = await listenAt(place, pageAt(ownPath), options.log)
    },
    async close() {
      metrics.close()
      await listener?.close(0)
    }
  }
}

async function listenAt(
  address: { host: string; port: number },
  page: MetricsPage,
  log: Log
): Promise<Listener> {
  const { listen } = await import('../http-server/listener.ts')
  try {
    // It has no servers, so it serves the metrics and the state of the process only.
    const listener = await listen({ ...address, servers: [], metrics: page, log }, () => {})
    log.info(`metrics: ${new URL(ownPath, listener.url).href}`)
    return listener
  } catch (error) {
    const reason = describe(error).replace('; choose another with --port', '')
    throw new ProxyError('ERR_LISTEN', `--metrics: ${reason}`)
  }
}

/** Returns how many bytes wait in each file that is open. */
export function waitingIn(
  files: Record<string, { readonly waiting: number } | undefined>
): Record<string, number> {
  const open = Object.entries(files).flatMap(([name, file]): [string, number][] =>
    file === undefined ? [] : [[name, file.waiting]]
  )
  return Object.fromEntries(open)
}
