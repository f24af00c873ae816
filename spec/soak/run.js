// Uses the built program over all transports at once, for a long time, and accounts for every message:
// npm run soak
//
//   npm run soak -- --minutes 10   how long; default 1
//   npm run soak -- --seed 7       what the clients do; default 1
//   npm run soak -- --clients 12   how many clients at a time; default 12
//   npm run soak -- --only sse     only this way to reach a server (ways.js); can be repeated
//
// Clients of both eras open sessions, call, subscribe, are asked, cancel and vanish (sessions.js), servers
// die in the middle of calls, and the remote server of client mode restarts. Each message has a number,
// and both sides count it (account.js). Some times a minute the clients pause. When nothing of them is left,
// the memory after a collection, the descriptors, processes and timers are sampled (sample.js).
//
// The exit code is 1 if a message is not accounted for, if the last sample counts more descriptors, processes
// or timers than the first, or if the memory of all proxies together grows: from the first third on, 0.2 MiB
// a minute, in a run of 5 minutes or more.

import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { Account } from './account.js'
import { Random } from './random.js'
import { counted, sampleAtRest, slopeOf, warmUpProbes } from './sample.js'
import { session } from './sessions.js'
import { startAll } from './ways.js'

const { values: flags } = parseArgs({
  options: {
    minutes: { type: 'string', default: '1' },
    seed: { type: 'string', default: '1' },
    clients: { type: 'string', default: '12' },
    only: { type: 'string', multiple: true }
  }
})
const minutes = Number(flags.minutes)
const seed = Number(flags.seed)
/** Time between two samples, in ms. */
const period = minutes < 5 ? 10_000 : 20_000
const maxSlope = 0.2

const account = new Account()
const proxies = await startAll()
await warmUpProbes(proxies)
const soak = { account, stopping: false, generation: 0, refused: new Map() }
const ways = Object.entries(proxies.ways)
  .filter(([name]) => flags.only === undefined || flags.only.includes(name))
  .map(([name, way]) => ({ name, ...way }))
const failures = []

/** Lets the clients run for `time` ms. Resolves when all their sessions have ended. */
async function run(time) {
  soak.stopping = false
  const clients = Array.from({ length: Number(flags.clients) }, async (_, i) => {
    const random = randoms[i]
    while (!soak.stopping) await session(soak, random.pick(ways), random)
  })
  const restarts = restartRemote(randoms.at(-1))
  await sleep(time)
  soak.stopping = true
  await Promise.all([...clients, restarts])
  for (const { client } of ways) client?.forget()
}

const randoms = Array.from(
  { length: Number(flags.clients) + 1 },
  (_, i) => new Random(seed * 1000 + i)
)

/** Restarts the server of client mode at random times. */
async function restartRemote(random) {
  while (!soak.stopping) {
    for (let left = 2000 + random.integer(4000); left > 0 && !soak.stopping; left -= 100)
      await sleep(100)
    if (soak.stopping) return
    soak.generation++
    await proxies.remote.down()
    await sleep(random.integer(300))
    await proxies.remote.up()
  }
}

console.log(`seed ${seed}, ${minutes} minutes, Node.js ${process.version}`)
console.log(
  'minutes   calls   MiB used   MiB code   MiB resident   descriptors   processes   timers'
)
const samples = []
const start = performance.now()
const passed = () => (performance.now() - start) / 60_000
try {
  while (samples.length < 2 || passed() < minutes) {
    await run(Math.max(2000, Math.min(period, (minutes - passed()) * 60_000)))
    const now = await sampleAtRest(proxies, passed(), samples[0])
    samples.push(now)
    const columns = [
      now.minutes.toFixed(1),
      account.calls,
      now.memory.toFixed(1),
      now.code.toFixed(1),
      now.rss.toFixed(0)
    ]
    const counts = [now.descriptors, now.processes, now.timers]
    const widths = [7, 8, 11, 11, 15, 14, 12, 9]
    console.log([...columns, ...counts].map((cell, i) => String(cell).padStart(widths[i])).join(''))
  }
} catch (error) {
  failures.push(error.stack)
}

const noted = account.compare(proxies.cell.ledger.file)
console.log(`\n${account.calls} calls, of which the servers received ${noted}: ${account}`)
console.log(
  `${account.questions} questions, ${account.notifications} progress notifications, ${account.updates} updates`
)
for (const [way, [calls, delivered]] of account.ways) {
  console.log(`  ${way.padEnd(14)} ${String(calls).padStart(8)} calls, ${delivered} delivered`)
}
for (const [way, reason] of soak.refused)
  console.log(`  refused over ${way}: ${reason.slice(0, 150)}`)

const warm = samples.filter((_, i) => i >= samples.length / 3)
const slope = slopeOf(warm.map(({ minutes, memory }) => [minutes, memory]))
const slopeOfCode = slopeOf(warm.map(({ minutes, code }) => [minutes, code]))
console.log(
  `memory after the first third: ${slope.toFixed(2)} MiB a minute, all proxies together, and compiled code ${slopeOfCode.toFixed(2)}`
)
for (const [i, { name }] of warm[0]?.perProxy.entries() ?? []) {
  const own = slopeOf(warm.map(({ minutes, perProxy }) => [minutes, perProxy[i].memory]))
  console.log(`  ${name.padEnd(14)} ${own.toFixed(2)} MiB a minute`)
}
if (minutes >= 5 && slope > maxSlope)
  failures.push(`the memory grows by more than ${maxSlope} MiB a minute`)
if (account.isBroken) failures.push(...account.faults)

for (const name of counted) {
  const [first, last] = [samples[0]?.[name], samples.at(-1)?.[name]]
  if (last > first) failures.push(`${name}: ${first} at first, ${last} at the end`)
}
const { cell } = proxies
cell.remote = proxies.remote
const ended = await cell.finish()
failures.push(...ended.faults)
cell.clean()
for (const failure of failures) console.log(`FAILED: ${failure}`)
process.exit(failures.length > 0 ? 1 : 0)
