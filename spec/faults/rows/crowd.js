// A hundred clients that never read, while the server of each writes without end. The proxy may use
// 300 MiB, and one more client gets its responses within three times the time that they take alone.

import { setTimeout as sleep } from 'node:timers/promises'
import { pathOf, slowness } from '../cell.js'
import { memoryOf } from '../processes.js'

const MiB = 1 << 20
const maxMemory = 300 * MiB
const maxRatio = 3

/** Calls 100 times in each of ten rounds. Returns the best of their 99th percentiles, in ms. */
async function latencyOf(cell, client) {
  let best = Infinity
  for (let round = 0; round < 10; round++) {
    const times = []
    for (let at = 0; at < 100; at++) {
      const start = performance.now()
      await cell.calls(client, {})
      times.push(performance.now() - start)
    }
    // Other programs make single rounds slower.
    best = Math.min(best, times.sort((a, b) => a - b)[98])
  }
  return best
}

export const crowdRows = {
  crowd: {
    title: 'a hundred clients never read a flood',
    alone: true,
    dash: ({ hasHttp, shared, perCall, translates }) => {
      if (!hasHttp) return 'client mode has one client'
      if (shared || perCall) return 'a client of a shared server that does not read is disconnected'
      return translates ? 'the small server of this row is an old one' : undefined
    },
    flags: () => ['--max-sessions', '200'],
    server: (cell) => [pathOf('fixtures/tracked/flood.sh'), cell.ledger.file],
    async run(cell) {
      const [proxy] = cell.proxies
      const client = await cell.open()
      const alone = await latencyOf(cell, client)
      const calls = []
      for (let opened = 0; opened < 100; opened++) {
        const deaf = await cell.open()
        deaf.stream?.pause()
        const [call] = cell.send(deaf, { fault: 'flood', progress: 1 })
        call.paused = true
        calls.push(call)
      }
      await sleep(3000)
      const crowded = await latencyOf(cell, client)
      const memory = memoryOf(proxy.pid)
      const figures = `${(memory / MiB).toFixed(0)} MiB; p99 ${alone.toFixed(2)} ms alone, ${crowded.toFixed(2)} ms`
      cell.note = figures
      if (memory > maxMemory) cell.leaked(figures)
      // On a busy machine, the other programs decide the times.
      if (slowness() > 1) cell.note += ', not judged on a busy machine'
      else if (crowded > maxRatio * alone) cell.hung(`the other client is slow: ${figures}`)
      for (const call of calls) call.abandon()
      for (const deaf of cell.clients.slice(-100)) deaf.vanish()
    }
  }
}
