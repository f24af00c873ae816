// Compares the speed, the memory and the size of our proxy with a minimal proxy, and with proxies of
// other projects: npm run bench
//
//   npm run bench                     all measurements, over all transports
//   npm run bench -- calls sessions   only the measurements and transports that the words name
//   npm run bench -- --peers          also proxies of other projects, which it downloads or builds first
//   npm run bench -- --save           append the ratios to spec/bench/history.ndjson, print the changes
//   npm run bench -- --check          exit with 1 if a goal is missed (see goals.js)
//   npm run bench -- --raw            raw sockets for the HTTP clients of `calls`, `metrics`, `page` and `off`;
//                                     default: fetch
//   npm run bench -- --rounds 21      more rounds, for figures that vary less; default 9
//   npm run bench -- instructions --top 40   also the functions of our proxy with the most instructions
//
// A measurement is a function in measurements/, a transport is a key in transports.js. Only ratios within
// one run are comparable: the proxies take turns on the same machine.

import { parseArgs } from 'node:util'
import { save } from './history.js'
import { measureAuth } from './measurements/auth.js'
import { measureCalls } from './measurements/calls.js'
import { measureCauses } from './measurements/causes.js'
import { measureIdle } from './measurements/idle.js'
import { measureInstall } from './measurements/install.js'
import { measureInstructions } from './measurements/instructions.js'
import { measureMemory } from './measurements/memory.js'
import { measureOpening } from './measurements/opening.js'
import { measureProgress } from './measurements/progress.js'
import { measureSizes } from './measurements/sizes.js'
import { measureStart } from './measurements/start.js'
import { measureMetrics, measureOff, measurePage } from './measurements/watchers.js'
import { installOtherProxies } from './other-proxies.js'
import { printTable } from './table.js'
import { transports } from './transports.js'

/** Each yields tables: [title, results]. The first three measure each transport. */
const measurements = {
  calls: measureCalls,
  sizes: measureSizes,
  progress: measureProgress,
  opening: measureOpening,
  memory: measureMemory,
  idle: measureIdle,
  auth: measureAuth,
  metrics: measureMetrics,
  page: measurePage,
  off: measureOff,
  start: measureStart,
  install: measureInstall,
  causes: measureCauses,
  instructions: measureInstructions
}
/** The measurements that run only if a word names them. */
const special = new Set(['causes', 'instructions'])

const { values: flags, positionals: words } = parseArgs({
  options: {
    peers: { type: 'boolean', default: false },
    save: { type: 'boolean', default: false },
    check: { type: 'boolean', default: false },
    raw: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '9' },
    top: { type: 'string', default: '0' }
  },
  allowPositionals: true
})
const unknown = words.filter((word) => !(word in measurements) && !(word in transports))
if (unknown.length > 0) {
  console.error(`unknown words: ${unknown.join(', ')}`)
  console.error(`measurements: ${Object.keys(measurements).join(', ')}`)
  console.error(`transports: ${Object.keys(transports).join(', ')}`)
  process.exit(2)
}

/** The keys that the words name. If the words name none: all of them but those in `special`. */
function chosen(object) {
  const keys = Object.keys(object)
  const named = keys.filter((key) => words.includes(key))
  return named.length > 0 ? named : keys.filter((key) => !special.has(key))
}

console.log(`Node.js ${process.version}. Each figure is a median.
In parentheses: its ratio to the first figure of the row.
minimal proxy: the smallest proxy that node:http allows, without any checks.
no proxy: the client talks to the server over stdio.`)
if (flags.peers) installOtherProxies()
// Node 20 reads these certificates at each start, which takes longer than all else that `node -e 0` does.
// Every baseline would be too slow.
delete process.env.NODE_EXTRA_CA_CERTS

const options = {
  transportNames: chosen(transports),
  rounds: Number(flags.rounds),
  top: Number(flags.top),
  raw: flags.raw,
  others: flags.peers
}
const ratios = {}
let missed = false
for (const name of chosen(measurements)) {
  for await (const [title, results] of measurements[name](options)) {
    const table = printTable(title, results)
    Object.assign(ratios, table.ratios)
    missed ||= table.missed
  }
}
if (flags.save) save(ratios)
if (flags.check && missed) process.exitCode = 1
