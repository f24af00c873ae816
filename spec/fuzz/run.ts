// Gives random inputs to the code that reads what comes from outside: npm run fuzz
//
// --inputs N     how many inputs, of all targets together (default 50,000)
// --seed S       where the random numbers begin (default: the time)
// --only TARGET  only this target; can be repeated
// --input I      only the input with this number, of the target of --only
// --jobs N       how many processes (default 2); three times as many for a target that mostly waits
//
// Each find is written to fixtures/fuzz, where it stays: the tests run these files again. The exit code
// is 1 if there is a find.

import { fork } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { countsOf, makeInput } from './plan.ts'
import type { Target } from './target.ts'
import { targets } from './targets.ts'
import type { Report, Work } from './worker.ts'

const { values: flags } = parseArgs({
  options: {
    inputs: { type: 'string', default: '50000' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
    only: { type: 'string', multiple: true },
    input: { type: 'string' },
    jobs: { type: 'string', default: '2' }
  }
})

/** A worker that has been at one input for this time hangs, in ms. */
const maxSilence = 60_000

const seed = Number(flags.seed)
const jobs = Number(flags.jobs)
const chosen =
  flags.only === undefined ? targets : targets.filter(({ name }) => flags.only?.includes(name))
if (chosen.length === 0) throw new Error(`targets: ${targets.map(({ name }) => name).join(', ')}`)
const counts = countsOf(chosen, Number(flags.inputs))
const folder = fileURLToPath(new URL('../../fixtures/fuzz', import.meta.url))
const scratch = mkdtempSync(path.join(tmpdir(), 'fuzz-'))

let finds = 0
const start = performance.now()

console.log(`seed ${seed}`)
try {
  for (const [at, target] of chosen.entries()) {
    const began = performance.now()
    const before = finds
    const count = flags.input === undefined ? (counts[at] as number) : 1
    const first = Number(flags.input ?? 0)
    const workers = target.waits === true ? 3 * jobs : jobs
    const parts = Array.from({ length: Math.min(workers, count) }, (_, job) => job)
    await Promise.all(parts.map((job) => runPart(target, first + job, first + count, parts.length)))
    const time = ((performance.now() - began) / 1000).toFixed(1)
    console.log(`${target.name}: ${count} inputs, ${finds - before} finds, ${time} s`)
  }
} finally {
  rmSync(scratch, { recursive: true })
}
const total = counts.reduce((sum, count) => sum + count, 0)
const seconds = ((performance.now() - start) / 1000).toFixed(0)
console.log(`${flags.input === undefined ? total : 1} inputs, ${finds} finds, ${seconds} s`)
if (finds > 0) process.exitCode = 1

/** Runs a part of the inputs. If an input ends the worker, another worker goes on after it. */
async function runPart(target: Target, from: number, to: number, step: number): Promise<void> {
  for (let next = from; next < to;) next = await runWorker(target, next, to, step)
}

/** Resolves to the number of the first input that has not run. */
function runWorker(target: Target, from: number, to: number, step: number): Promise<number> {
  const positionFile = path.join(scratch, `${target.name}-${from}`)
  writeFileSync(positionFile, Buffer.alloc(4))
  const work: Work = { seed, target: target.name, from, to, step, positionFile }
  const worker = fork(
    fileURLToPath(new URL('worker.ts', import.meta.url)),
    [JSON.stringify(work)],
    {
      // A small young generation, so that the memory of the inputs is not hidden in it.
      execArgv: [...process.execArgv, '--max-semi-space-size=2'],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc']
    }
  )
  const position = (): number => readFileSync(positionFile).readUInt32LE()
  let stderr = ''
  worker.stderr
    ?.setEncoding('utf8')
    .on('data', (text: string) => (stderr = (stderr + text).slice(-2000)))
  let done: number | undefined
  let silent = 0
  let last = -1
  const watch = setInterval(() => {
    silent = position() === last ? silent + 1000 : 0
    last = position()
    if (silent >= maxSilence) worker.kill('SIGKILL')
  }, 1000)
  worker.on('message', (report: Report) => {
    if ('done' in report) done = to
    else save(target, report.index, report.find)
  })
  return new Promise((resolve) => {
    worker.on('close', (code, signal) => {
      clearInterval(watch)
      if (done !== undefined) return resolve(done)
      const how = silent >= maxSilence ? 'hangs' : `ends the process (${signal ?? code}) ${stderr}`
      save(target, position(), how)
      resolve(position() + step)
    })
  })
}

function save(target: Target, index: number, text: string): void {
  finds++
  const input = makeInput(target, seed, index)
  const hash = createHash('sha1').update(input).digest('hex').slice(0, 8)
  const file = path.join(folder, `${target.name}-${hash}`)
  writeFileSync(file, input)
  console.log(`\n${target.name}, --seed ${seed} --input ${index}, ${file}:\n${text}`)
}
