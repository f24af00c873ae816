// What --traces and --trace-context do with the messages of clients. Without these flags, no code for it is
// loaded.

import type { CommonConfig } from '../config/config.ts'
import type { Trace } from '../message/trace-context.ts'
import type { TracesOptions } from '../watchers/traces.ts'

/**
 * Resolves to the function that gets each message of a client, or to undefined if there is nothing to do.
 *
 * @throws ProxyError `ERR_CONFIG` if `@opentelemetry/api` is not installed
 */
export async function openTraces(
  { traces: isTracing = false, traceContext }: Pick<CommonConfig, 'traces' | 'traceContext'>,
  options: TracesOptions
): Promise<Trace | undefined> {
  const move = traceContext === 'move'
  if (isTracing) {
    const { traces } = await import('../watchers/traces.ts')
    return (await traces({ ...options, move })).trace
  }
  if (!move) return undefined
  const { moveToMeta } = await import('../message/trace-context.ts')
  return moveToMeta
}
