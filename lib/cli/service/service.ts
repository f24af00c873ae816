// The proxy as a service: it reloads on demand, and systemd learns its state. Without files to reload and
// without systemd, this does nothing.

import type { ServeConfig } from '../../config/config.ts'
import type { Log } from '../../log.ts'
import { Reload } from './reload.ts'
import type { ReloadOptions } from './reload.ts'
import { Reloads } from './reloads.ts'
import type { ServiceManager } from './service-manager.ts'

export interface Service {
  /** Reloads on demand. Undefined if there is nothing to reload. */
  reloads: Reloads | undefined
  /** Call this when the listener is ready. */
  start(options: Omit<ReloadOptions, 'config' | 'log'>): void
  /** Call this when the proxy is about to stop. It may be called again. */
  stop(): void
}

export async function openService(config: ServeConfig, log: Log): Promise<Service> {
  const { configFile, auth, tls, watch } = config
  const files = [configFile, auth?.file, tls?.cert, tls?.key].filter((file) => file !== undefined)
  const manager = await openManager(log)
  // With Type=notify-reload, systemd sends SIGHUP even if there is nothing to reload.
  const reloads = files.length > 0 || manager !== undefined ? new Reloads(log, manager) : undefined
  let isStopping = false
  let endWatch: (() => void) | undefined
  return {
    reloads,
    start(options) {
      if (isStopping) return
      const reload = new Reload({ ...options, config, log })
      manager?.ready()
      reloads?.start((signal) => reload.run(signal))
      if (!watch || reloads === undefined) return
      void import('./watch-files.ts').then(({ watchFiles }) => {
        if (!isStopping) endWatch = watchFiles(files, () => reloads.filesOnChange())
      })
    },
    stop() {
      if (isStopping) return
      isStopping = true
      reloads?.stop()
      endWatch?.()
      manager?.stopping()
    }
  }
}

async function openManager(log: Log): Promise<ServiceManager | undefined> {
  const { NOTIFY_SOCKET: socket } = process.env
  if (!socket) return undefined
  const { ServiceManager } = await import('./service-manager.ts')
  return new ServiceManager(socket, log)
}
