// Notifications: the time of one call whose response comes after 1,000 progress notifications.

import { withDeadline } from '../deadline.js'
import { skipIfOther } from '../other-proxies.js'
import { addResult } from '../results.js'
import { transports, withCandidates } from '../transports.js'

export async function* measureProgress({ transportNames, rounds, others }) {
  for (const name of transportNames) {
    const results = await withCandidates(name, { others, raw: true }, (candidates) =>
      compare(candidates, rounds)
    )
    yield [`${transports[name].title}: notifications`, results]
  }
}

async function compare(candidates, rounds) {
  const results = new Map()
  const running = new Set(candidates)
  // Round -1 is a warm-up.
  for (let round = -1; round < rounds; round++) {
    for (const candidate of running) {
      const { name, client } = candidate
      try {
        const start = performance.now()
        await withDeadline(10_000, 'a call', client.call({ progress: 1000 }))
        const taken = performance.now() - start
        if (round >= 0) {
          addResult(results, 'a call with 1,000 progress notifications (ms)', name, taken)
        }
      } catch (error) {
        skipIfOther(name, error)
        running.delete(candidate)
      }
    }
  }
  return results
}
