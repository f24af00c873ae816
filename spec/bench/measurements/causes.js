// The CPU time of a small call by its cause, with 16 calls in flight. It is measured only where the bench
// names it (`npm run bench -- causes`), and only on Linux with `perf`.
//
// `perf` takes some thousand samples of the stacks of the proxy. Each sample counts for the first cause in
// the list below that its stack has.

import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { node } from '../proxies.js'
import { addResult } from '../results.js'
import { noProxy, transports, withCandidates } from '../transports.js'
import { burst } from './calls.js'

const inFlight = 16
/** Milliseconds of calls before the samples, and during them. */
const time = { warmUp: 2000, samples: 4000 }

/** Name of the cause → whether a stack has it. `frames` has the innermost function first. */
const causes = [
  ['garbage collector', hasAny('Scavenge', 'MarkCompact', 'CollectGarbage', 'ArrayBufferSweeper')],
  ['kernel: write', inKernel('vfs_write', 'vfs_writev', 'do_writev', 'ksys_write')],
  ['kernel: read', inKernel('vfs_read', 'ksys_read')],
  ['kernel: other', inKernel('')],
  ['JavaScript of node:http', ofNode('_http')],
  ['JavaScript of Node.js: streams, net', ofNode('internal/stream', 'net')],
  ['JavaScript of Node.js: other', ofNode('')],
  ['JavaScript of the proxy', ({ code }) => code !== undefined],
  ['HTTP parser', hasAny('llhttp', 'Parser')],
  ['V8, libuv', () => true]
]

export async function* measureCauses({ transportNames, raw }) {
  if (!hasPerf()) {
    console.log('\ncauses: left out, because `perf` is missing or may not take samples')
    return
  }
  const folder = mkdtempSync(join(tmpdir(), 'causes-'))
  // V8 also writes a log, and would write it to the current directory.
  const nodeFlags = ['--perf-basic-prof', `--logfile=${join(folder, 'v8.log')}`]
  try {
    for (const name of transportNames) {
      const results = new Map()
      await withCandidates(name, { others: false, raw, nodeFlags }, async (all) => {
        for (const candidate of all) {
          if (candidate.name !== noProxy) await addCauses(results, candidate, folder)
        }
      })
      const sockets = raw && name !== 'client' ? ', raw sockets' : ''
      yield [`${transports[name].title}${sockets}: CPU per call by cause (µs)`, results]
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

async function addCauses(results, { name, client, pid }, folder) {
  await burst(client, pid, inFlight, time.warmUp)
  const file = join(folder, 'perf.data')
  try {
    const flags = ['-e', 'task-clock', '-F', '2000', '--call-graph', 'fp', '-p', pid, '-o', file]
    const perf = spawn('perf', ['record', ...flags.map(String)], { stdio: 'ignore' })
    await sleep(500)
    const { cpuTime } = await burst(client, pid, inFlight, time.samples)
    perf.kill('SIGINT')
    if (perf.exitCode === null) await once(perf, 'exit')
    const counts = countCauses(file)
    const total = [...counts.values()].reduce((sum, count) => sum + count, 0)
    for (const [cause] of causes) {
      addResult(results, cause, name, ((counts.get(cause) ?? 0) / total) * cpuTime)
    }
    addResult(results, 'all', name, cpuTime)
  } finally {
    rmSync(`/tmp/perf-${pid}.map`, { force: true }) // the names of the functions: perf looks there
  }
}

/** Returns how many samples each cause has. */
function countCauses(file) {
  const text = execFileSync('perf', ['script', '-i', file, '-F', 'ip,sym'], {
    encoding: 'utf8',
    maxBuffer: 1 << 30,
    stdio: ['ignore', 'pipe', 'ignore']
  })
  const counts = new Map()
  for (const stack of text.split('\n\n')) {
    const frames = stack.split('\n').map((line) => line.trim().replace(/^[0-9a-f]+ /, ''))
    if (frames.join('') === '') continue
    // A compiled function is `JS:` and a mark of its tier, then its name and its place.
    const code = frames.find((frame) => frame.startsWith('JS:'))
    const [cause] = causes.find(([, isCause]) => isCause({ frames, code }))
    counts.set(cause, (counts.get(cause) ?? 0) + 1)
  }
  return counts
}

function hasAny(...texts) {
  return ({ frames }) => frames.some((frame) => texts.some((text) => frame.includes(text)))
}

function inKernel(...texts) {
  const isCall = hasAny('do_syscall_64', 'entry_SYSCALL_64', 'el0_svc', 'asm_')
  return (stack) => isCall(stack) && hasAny(...texts)(stack)
}

function ofNode(...files) {
  return ({ code }) => code !== undefined && files.some((file) => code.includes(` node:${file}`))
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
