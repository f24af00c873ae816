// Samples the proxies while no session is open, and finds the slope of their memory.

import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { descriptorsOf, memoryOf, processesWith } from '../faults/processes.js'

const MiB = 1 << 20

/** The memory of a proxy after a collection, and its timers. */
function probe(directory, pid) {
  return new Promise((resolve, reject) => {
    let text = ''
    connect(`${directory}/${pid}.sock`)
      .on('data', (chunk) => (text += chunk))
      .on('end', () => resolve(JSON.parse(text)))
      .on('error', reject)
  })
}

/**
 * Probes each proxy until its memory is steady. A probe makes V8 compile code and keep types, some 8 KiB
 * each time in the first thirty, also in a Node.js process without a proxy. The soak is not about these.
 */
export async function warmUpProbes({ cell }) {
  const warmUp = async ({ pid }) => {
    let [before, steady] = [0, 0]
    for (let probes = 0; probes < 60 && steady < 5; probes++) {
      const { heapUsed, external } = await probe(cell.probes, pid)
      const memory = heapUsed + external
      steady = memory - before < 2048 ? steady + 1 : 0
      before = memory
    }
  }
  await Promise.all(cell.proxies.map(warmUp))
}

/**
 * Samples all proxies together. `minutes` is the time since the start. `memory` is without the code that
 * V8 has compiled, because V8 compiles more of it for as long as it finds functions that are called often.
 */
async function sample({ cell }, minutes) {
  const total = { minutes, memory: 0, code: 0, rss: 0, descriptors: 0, timers: 0, perProxy: [] }
  for (const { pid, name } of cell.proxies) {
    const { heapUsed, external, code, timers } = await probe(cell.probes, pid)
    const descriptors = descriptorsOf(pid).length
    const memory = (heapUsed + external - code) / MiB
    total.memory += memory
    total.code += code / MiB
    total.rss += memoryOf(pid) / MiB
    total.descriptors += descriptors
    total.timers += timers
    total.perProxy.push({ name, memory, descriptors, timers })
  }
  total.processes = processesWith(cell.directory).length
  return total
}

/** What is counted, and must come back to the same number whenever the clients pause. */
export const counted = ['descriptors', 'processes', 'timers']

/**
 * Samples the proxies when nothing of the clients is left: the sessions have ended, their servers have
 * exited, and connections without a request were closed. That takes some seconds, and more on a busy
 * machine. `rest` is the first such sample. Without it, waits until three seconds change nothing. With it,
 * waits until nothing is above it, at most 20 s.
 */
export async function sampleAtRest(proxies, minutes, rest) {
  await untilNoSession(proxies)
  const end = performance.now() + 20_000
  let [last, steady] = [undefined, 0]
  for (;;) {
    const now = await sample(proxies, minutes)
    const isAtRest = rest && counted.every((name) => now[name] <= rest[name])
    const isSteady = last && counted.every((name) => now[name] === last[name])
    steady = isSteady ? steady + 1 : 0
    last = now
    if (isAtRest || (!rest && steady === 6)) return now
    if (performance.now() > end) return now
    await sleep(500)
  }
}

/** Waits until the servers have no more sessions than those that stay open. */
async function untilNoSession({ servers }, time = 20_000) {
  const end = performance.now() + time
  for (const [url, kept] of servers) {
    for (;;) {
      const { sessions } = await (await fetch(`${url}/status`)).json()
      if (sessions <= kept) break
      if (performance.now() > end) throw new Error(`${sessions} sessions stay open at ${url}`)
      await sleep(100)
    }
  }
}

/** The slope of the least squares through [x, y]. */
export function slopeOf(points) {
  const mean = (at) => points.reduce((sum, point) => sum + point[at], 0) / points.length
  const [x, y] = [mean(0), mean(1)]
  const over = points.reduce((sum, point) => sum + (point[0] - x) * (point[1] - y), 0)
  const under = points.reduce((sum, point) => sum + (point[0] - x) ** 2, 0)
  return over / under
}
