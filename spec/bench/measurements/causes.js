// The CPU time of a small call by its cause, with 16 calls in flight. It is measured only where the bench
// names it (`npm run bench -- causes`), and only on Linux with `perf`, which takes some thousand samples of
// the stacks of the proxy.

import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { causeOf, inFlight, tablesByCause } from '../by-cause.js'
import { node } from '../proxies.js'
import { burst } from './calls.js'

/** Milliseconds of calls before the samples, and during them. */
const time = { warmUp: 2000, samples: 4000 }

export async function* measureCauses(options) {
  if (!hasPerf()) {
    console.log('\ncauses: left out, because `perf` is missing or may not take samples')
    return
  }
  yield* tablesByCause(options, 'CPU per call by cause (µs)', () => ({}), measure)
}

async function measure({ client, pid }, folder) {
  await burst(client, pid, inFlight, time.warmUp)
  const file = join(folder, 'perf.data')
  const flags = ['-e', 'task-clock', '-F', '2000', '--call-graph', 'fp', '-p', pid, '-o', file]
  const perf = spawn('perf', ['record', ...flags.map(String)], { stdio: 'ignore' })
  await sleep(500)
  const { cpuTime } = await burst(client, pid, inFlight, time.samples)
  perf.kill('SIGINT')
  if (perf.exitCode === null) await once(perf, 'exit')
  const counts = countSamples(file)
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0)
  return new Map([...counts].map(([name, count]) => [name, (count / total) * cpuTime]))
}

/** Returns function → how many samples have it as the innermost function with a cause. */
function countSamples(file) {
  // perf finds the names of compiled functions in the map of V8.
  const text = execFileSync('perf', ['script', '-i', file, '-F', 'ip,sym'], {
    encoding: 'utf8',
    maxBuffer: 1 << 30,
    stdio: ['ignore', 'pipe', 'ignore']
  })
  const counts = new Map()
  for (const stack of text.split('\n\n')) {
    const frames = stack.split('\n').map((line) => line.trim().replace(/^[0-9a-f]+ /, ''))
    if (frames.join('') === '') continue
    const owner = frames.find((frame) => causeOf(frame) !== undefined)
    counts.set(owner, (counts.get(owner) ?? 0) + 1)
  }
  return counts
}

function hasPerf() {
  try {
    const flags = ['record', '-e', 'task-clock', '-o', '/dev/null', '--', node, '--version']
    execFileSync('perf', flags, { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
