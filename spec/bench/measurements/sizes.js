// Large results: throughput, and the highest memory of the proxy, for results of 1 KiB to 10 MiB. Each
// round starts new processes, because a process rarely returns memory.

import { withDeadline } from '../deadline.js'
import { skipIfOther } from '../other-proxies.js'
import { peakMemoryOf, resetPeakMemory } from '../process-usage.js'
import { addResult } from '../results.js'
import { candidatesOf, transports } from '../transports.js'

const KiB = 1024
const MiB = 1024 * KiB

const rounds = 3
/** `count` calls in a round. */
const sizes = [
  { label: '1 KiB', size: KiB, count: 200 },
  { label: '64 KiB', size: 64 * KiB, count: 100 },
  { label: '1 MiB', size: MiB, count: 20 },
  { label: '10 MiB', size: 10 * MiB, count: 6 }
]

export async function* measureSizes({ transportNames, others }) {
  for (const name of transportNames) {
    const results = new Map()
    for (let round = 0; round < rounds; round++) {
      for (const open of candidatesOf(name, { others, raw: true })) {
        const candidate = await open()
        if (candidate !== undefined) await measure(results, candidate)
      }
    }
    yield [`${transports[name].title}: large results`, results]
  }
}

async function measure(results, { name, client, pid, close }) {
  let where = ''
  try {
    for (const { label, size, count } of sizes) {
      where = ` at results of ${label}`
      const call = () => withDeadline(10_000, 'a call', client.call({ size }))
      await call()
      resetPeakMemory(pid)
      const start = performance.now()
      for (let n = 0; n < count; n++) await call()
      const seconds = (performance.now() - start) / 1000
      addResult(
        results,
        `throughput, results of ${label} (MB/s)`,
        name,
        (size * count) / 1e6 / seconds
      )
      addResult(results, `peak memory, results of ${label} (MiB)`, name, peakMemoryOf(pid) / MiB)
    }
  } catch (error) {
    skipIfOther(name, error, where)
  } finally {
    await close()
  }
}
