// Collects garbage and tells how much memory this process uses.

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/**
 * Collects all garbage. V8 frees the buffers that one collection finds in another thread, and the
 * next collection waits for that. So a single one would leave buffers in what Node tells.
 */
export function collectGarbage(): void {
  collect()
  collect()
}

/** The memory that this process uses after a collection, in bytes. */
export function memoryInUse(): number {
  collectGarbage()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}
