// The instructions of a small call by their cause, with 16 calls in flight: those of the main thread, outside
// of the kernel. They are counted only where the bench names it (`npm run bench -- instructions`), and only
// with valgrind. The figures hardly vary, also on a machine that is busy or hides the counters of its CPU.
//
// With `--top 40`, the 40 functions of our proxy with the most instructions follow: the mark before a name
// is the tier of V8, `*` for optimized. V8 inlines small functions into their callers.

import { causeOf, inFlight, sourceOf, tablesByCause } from '../by-cause.js'
import { countInstructions, hasCallgrind, prefixOf, sumByOwner } from '../callgrind.js'
import { withDeadline } from '../deadline.js'
import { ours } from '../proxies.js'

/** Calls before the count, for V8 to compile the code, and during it. */
const calls = { warmUp: 12_000, counted: 2000 }
// V8 marks the old objects now and then, for a long time on the simulated CPU: all writes take longer then.
// A count would differ by a third with and without it, so here is none. The collector of young objects has
// no threads, so that all its work is counted.
const nodeFlags = [
  ...['--single-threaded-gc', '--no-incremental-marking', '--no-memory-reducer'],
  '--initial-old-space-size=512'
]
/** The longest time for all calls, in ms. */
const maxTime = 180_000

export async function* measureInstructions(options) {
  if (!hasCallgrind()) {
    console.log('\ninstructions: left out, because `valgrind` is missing or cannot run Node.js')
    return
  }
  const start = (folder) => ({ prefix: prefixOf(folder), nodeFlags })
  const lists = []
  const measure = async ({ name, client, pid }, folder, map) => {
    await makeCalls(client, calls.warmUp)
    const count = () => makeCalls(client, calls.counted)
    const graph = await countInstructions({ pid, folder, map }, count)
    const costs = new Map()
    for (const [owner, sum] of sumByOwner(graph, (name) => causeOf(name) !== undefined)) {
      costs.set(owner, sum / calls.counted)
    }
    if (name.startsWith(ours)) lists.push(() => printFunctions(name, costs, graph, options.top))
    return costs
  }
  const unit = 'instructions per call by cause, without the kernel'
  for await (const table of tablesByCause(options, unit, start, measure)) {
    yield table
    for (const print of lists.splice(0)) if (options.top > 0) print()
  }
}

async function makeCalls(client, count) {
  let left = count
  const callUntilEnd = async () => {
    while (left-- > 0) await client.call()
  }
  const all = Promise.all(Array.from({ length: inFlight }, callUntilEnd))
  await withDeadline(maxTime, `${count} calls`, all)
}

function printFunctions(proxy, costs, graph, top) {
  console.log(`\nfunctions of ${proxy}: instructions per call, of these its own, name`)
  const owned = [...costs].filter(([name]) => name !== undefined)
  const sorted = owned.sort(([, one], [, other]) => other - one)
  for (const [name, cost] of sorted.slice(0, top)) {
    const own = (graph.instructions.get(name) ?? 0) / calls.counted
    const numbers = [cost, own].map((number) => Math.round(number).toString().padStart(8))
    const source = sourceOf(name)
    const place = source ? name.replace(/\S+$/, `${source.file}:${source.line}`) : name
    console.log(`${numbers.join('')}  ${place}`)
  }
}
