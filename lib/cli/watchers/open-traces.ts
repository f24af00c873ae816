// What --traces and --trace-context do with the messages of clients. Without these flags, no code for it is
// loaded.

import type { CommonConfig } from '../../config/config.ts'
import type { Trace } from '../../message/trace-context.ts'
import type { TracesOptions } from '../../watchers/traces.ts'

export interface OpenTraces {
  /** Gets each message of a client. */
  trace: Trace
  /** Resolves when the spans are exported. */
  close(): Promise<void>
}

/**
 * Resolves to what gets each message of a client, or to undefined if there is nothing to do.
 *
 * @throws ProxyError `ERR_CONFIG` if `@opentelemetry/api` is not installed
 */
export async function openTraces(
  { traces: isTracing = false, traceContext }: Pick<CommonConfig, 'traces' | 'traceContext'>,
  options: TracesOptions
): Promise<OpenTraces | undefined> {
  const move = traceContext === 'move'
  if (isTracing) {
    const { traces } = await import('../../watchers/traces.ts')
    return traces({ ...options, move })
  }
  if (!move) return undefined
  const { moveToMeta } = await import('../../message/trace-context.ts')
  return { trace: moveToMeta, close: () => Promise.resolve() }
}
