// Opens the traffic page: that of --inspect, and that of `inspect FILE`. Without them, its code is not
// loaded.

import type { CommonConfig } from '../../config/config.ts'
import type { Inspector, LiveOptions } from '../../inspect/inspect.ts'
import { inspectMemory } from '../../limits.ts'
import type { Log } from '../../log.ts'
import { LogWriter } from '../log-writer.ts'
import { createLog } from '../log.ts'
import { onStop } from '../signals.ts'

/**
 * Opens the page of this process. Returns undefined without an address.
 *
 * @throws ProxyError `ERR_LISTEN` if the address cannot be used
 */
export async function openInspector(
  { inspect: address, inspectMemory: memory }: Pick<CommonConfig, 'inspect' | 'inspectMemory'>,
  endpoints: LiveOptions['endpoints'],
  log: Log
): Promise<Inspector | undefined> {
  if (address === undefined) return undefined
  const { inspect } = await import('../../inspect/inspect.ts')
  return inspect({ ...address, memory, endpoints, log })
}

/**
 * Shows a recording until a signal stops the process.
 *
 * @throws ProxyError `ERR_CONFIG` if the file is not a recording
 */
export async function inspectFile(file: string): Promise<void> {
  const writer = new LogWriter()
  const log = createLog({ level: 'INFO', format: 'text' }, (line) => writer.write(line))
  const { inspectRecording } = await import('../../inspect/inspect.ts')
  const address = { host: '127.0.0.1', port: 0 }
  const inspector = await inspectRecording(file, { ...address, memory: inspectMemory, log })
  await new Promise<void>((resolve) => {
    const release = onStop(() => {
      release()
      resolve()
    })
  })
  await inspector.close()
}
