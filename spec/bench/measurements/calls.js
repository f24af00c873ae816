// Small calls: calls per second, latency, and CPU time of the proxy, with 1, 16 and 64 calls in flight.
// The candidates take turns in each round, so that other load on the machine slows all of them alike.

import { withDeadline } from '../deadline.js'
import { skipIfOther } from '../other-proxies.js'
import { cpuTimeOf } from '../process-usage.js'
import { addResult } from '../results.js'
import { percentile } from '../statistics.js'
import { transports, withCandidates } from '../transports.js'

const levels = [1, 16, 64]
/** Milliseconds of one measurement. */
const burstTime = 300
/** Milliseconds before the first measurement, for V8 to compile the code. */
const warmUpTime = 1500

export async function* measureCalls({ transportNames, rounds, raw, others }) {
  for (const name of transportNames) {
    const sockets = raw && name !== 'client' ? ', raw sockets' : ''
    const results = await withCandidates(name, { others, raw }, (candidates) =>
      compareCalls(candidates, rounds)
    )
    yield [`${transports[name].title}${sockets}: small calls`, results]
  }
}

/** Measures small calls of all candidates. Resolves to the results. */
export async function compareCalls(candidates, rounds) {
  const results = new Map()
  const running = new Set(candidates)
  /** Every other round has the reverse order, because one candidate may slow the next one down. */
  const each = async (use, round = 0) => {
    for (const candidate of round % 2 === 0 ? [...running] : [...running].reverse()) {
      await use(candidate).catch((error) => {
        skipIfOther(candidate.name, error)
        running.delete(candidate)
      })
    }
  }
  await each(({ client, pid }) => burst(client, pid, 16, warmUpTime))
  for (let round = 0; round < rounds; round++) {
    for (const level of levels) {
      await each(async ({ name, client, pid }) => {
        const { perSecond, p50, p99, cpuTime } = await burst(client, pid, level, burstTime)
        addResult(results, `throughput, ${level} in flight (calls/s)`, name, perSecond)
        addResult(results, `CPU per call, ${level} in flight (µs)`, name, cpuTime)
        addResult(results, `p50 latency, ${level} in flight (µs)`, name, p50)
        addResult(results, `p99 latency, ${level} in flight (µs)`, name, p99)
      }, round)
    }
  }
  return results
}

/** Makes calls for `time` ms, `level` at a time. */
export async function burst(client, pid, level, time) {
  const latencies = []
  const start = performance.now()
  const cpuBefore = cpuTimeOf(pid)
  const end = start + time
  const callUntilEnd = async () => {
    for (let now = start; now < end;) {
      await client.call()
      const after = performance.now()
      latencies.push(after - now)
      now = after
    }
  }
  await withDeadline(
    time + 5000,
    `a call (${level} in flight)`,
    Promise.all(Array.from({ length: level }, callUntilEnd))
  )
  const taken = performance.now() - start
  return {
    perSecond: (latencies.length / taken) * 1000,
    cpuTime: (cpuTimeOf(pid) - cpuBefore) / latencies.length,
    p50: percentile(latencies, 0.5) * 1000,
    p99: percentile(latencies, 0.99) * 1000
  }
}
