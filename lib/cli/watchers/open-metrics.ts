// Opens the metrics of --metrics. Without this flag, their code is not loaded.

import type { MetricsConfig } from '../../config/config.ts'
import { describe, ProxyError } from '../../errors.ts'
import type { Listener } from '../../http-server/listener.ts'
import type { MetricsPage } from '../../http-server/status-endpoint.ts'
import type { Log } from '../../log.ts'
import type { MetricsOptions } from '../../watchers/metrics.ts'

export interface OpenMetrics {
  /** What the listener of the clients serves. `undefined` if the metrics have a listener of their own. */
  page: MetricsPage | undefined
  close(): Promise<void>
}

/** The path of the metrics on a listener of their own. */
const ownPath = '/metrics'

/**
 * Begins to count, and serves the metrics if they have a listener of their own. Returns undefined without a
 * place for the metrics.
 *
 * @throws ProxyError `ERR_LISTEN` if the address cannot be used
 */
export async function openMetrics(
  place: MetricsConfig | undefined,
  options: MetricsOptions & { log: Log }
): Promise<OpenMetrics | undefined> {
  if (place === undefined) return undefined
  const { metrics: start } = await import('../../watchers/metrics.ts')
  const metrics = await start(options)
  const { contentType } = metrics
  const pageAt = (path: string): MetricsPage => ({ path, contentType, text: () => metrics.text() })
  const close = (): Promise<void> => {
    metrics.close()
    return Promise.resolve()
  }
  if ('path' in place) return { page: pageAt(place.path), close }
  const listener = await listenAt(place, pageAt(ownPath), options.log).catch((error: unknown) => {
    metrics.close()
    throw error
  })
  return {
    page: undefined,
    async close() {
      await close()
      await listener.close(0)
    }
  }
}

async function listenAt(
  address: { host: string; port: number },
  page: MetricsPage,
  log: Log
): Promise<Listener> {
  const { listen } = await import('../../http-server/listener.ts')
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
