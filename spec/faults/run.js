// Makes faults happen at every place of the built program, and counts what becomes of the calls:
// npm run faults
//
//   npm run faults                        all rows and columns
//   npm run faults -- killed-before sse   only the rows and columns that the words name
//   npm run faults -- --jobs 4            so many cells at a time; default 4
//   npm run faults -- --write             write the matrix into README.md, with the date and commit
//   npm run faults -- --list              print the words
//
// A row is a fault (rows/), a column is a place (places.js), and a cell is a run of the two (cell.js).
// The rule for each cell: nothing duplicated, lost, hung, leaked or sent twice. A cell that breaks it is
// printed with its faults, and the exit code is 1.

import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { Cell, slowness } from './cell.js'
import { outcomes } from './ledger.js'
import { textOf, writeMatrix } from './matrix.js'
import { places } from './places.js'
import { rows } from './rows.js'

const { values: flags, positionals: words } = parseArgs({
  options: {
    jobs: { type: 'string', default: '4' },
    write: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false }
  },
  allowPositionals: true
})
const unknown = words.filter((word) => !(word in rows) && !(word in places))
if (flags.write && words.length > 0) {
  console.error('--write needs all rows and columns: use it without words')
  process.exit(2)
}
if (unknown.length > 0 || flags.list) {
  if (unknown.length > 0) console.error(`unknown words: ${unknown.join(', ')}`)
  console.log(`rows: ${Object.keys(rows).join(', ')}\ncolumns: ${Object.keys(places).join(', ')}`)
  process.exit(unknown.length > 0 ? 2 : 0)
}

/** The keys that the words name, or all of them if the words name none. */
function chosen(object) {
  const keys = Object.keys(object)
  const named = keys.filter((key) => words.includes(key))
  return named.length > 0 ? named : keys
}

/** How many of the cells that mostly wait run at a time. */
const maxWaiting = 16

/** No cell may take longer, in ms. */
const longest = 300_000

async function run(row, place) {
  const cell = new Cell(place, row)
  try {
    const body = async () => {
      await place.start(cell)
      if (!row.startsAlone) {
        // What the proxy keeps open after its first calls is no leak.
        const warm = await cell.open()
        await cell.calls(warm, {}, {}, {}, {}, {})
        if (place.isClientMode) cell.warm = warm
        else await warm.close()
        await cell.measure()
      }
      await row.run(cell)
      return cell.finish()
    }
    return await Promise.race([
      body(),
      sleep(longest, undefined, { ref: false }).then(() => {
        throw new Error(`the cell took longer than ${longest / 1000} s`)
      })
    ])
  } catch (error) {
    const { counts, faults } = cell.ledger.account(true)
    counts.hung++
    const log = cell.proxies.map((proxy) => proxy.log ?? proxy.client.log).join('')
    return { counts, faults: [String(error.stack), ...cell.faults, ...faults], log }
  } finally {
    cell.clean()
  }
}

const columns = chosen(places)
const matrix = new Map()
const queue = []
for (const name of chosen(rows)) {
  matrix.set(name, new Map())
  for (const column of columns) {
    const dash = rows[name].dash?.(places[column])
    if (dash !== undefined) matrix.get(name).set(column, { dash })
    else queue.push([name, column])
  }
}

if (slowness() > 1)
  console.log(`this machine is busy: bounds are ${slowness().toFixed(1)} times longer`)
const began = performance.now()
const total = Object.fromEntries(outcomes.map((name) => [name, 0]))
let failed = 0

async function work(queue) {
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    const [name, column] = next
    const start = performance.now()
    const result = await run(rows[name], places[column])
    matrix.get(name).set(column, result)
    for (const outcome of outcomes) total[outcome] += result.counts[outcome]
    const seconds = ((performance.now() - start) / 1000).toFixed(1)
    const isBroken = outcomes.slice(2).some((outcome) => result.counts[outcome] > 0)
    if (isBroken) failed++
    console.log(
      `${isBroken ? 'BROKEN ' : ''}${name} ${column}: ${textOf(result.counts)} (${seconds} s)${result.note ? `: ${result.note}` : ''}`
    )
    if (!isBroken) continue
    for (const fault of result.faults.slice(0, 12)) console.log(`  ${fault}`)
    if (result.log) console.log(result.log.split('\n').slice(-12).join('\n').replace(/^/gm, '  | '))
  }
}

// Cells that mostly wait run beside the others. Cells that measure times run alone, at the end.
const waiting = queue.filter(([name]) => rows[name].waits)
const alone = queue.filter(([name]) => rows[name].alone)
const busy = queue.filter(([name]) => !rows[name].waits && !rows[name].alone)
const workers = Array.from({ length: Number(flags.jobs) }, () => work(busy))
await Promise.all([...workers, ...Array.from({ length: maxWaiting }, () => work(waiting))])
await work(alone)

const seconds = Math.round((performance.now() - began) / 1000)
const cells = [...matrix.values()].flatMap((cells) => [...cells.values()])
const ran = cells.filter(({ dash }) => dash === undefined).length
console.log(`\n${ran} cells in ${seconds} s, of which ${failed} break the rule`)
console.log(outcomes.map((name) => `${name} ${total[name]}`).join(', '))
if (flags.write) await writeMatrix(matrix, { rows, places, total })
process.exit(failed === 0 ? 0 : 1)
