// Counts the instructions of a Node.js process with callgrind, a tool of valgrind. It runs the program on a
// simulated CPU, 50 to 100 times slower, and counts each instruction outside of the kernel. So a count
// depends neither on the load of the machine nor on its CPU, and two runs differ by about 1 %.
//
// Callgrind writes a file for each thread: the instructions of each address, grouped by function, and the
// calls between functions. It knows no names of compiled JavaScript: V8 writes them to a map.

import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Counting starts when `countInstructions` asks for it. The file has names instead of numbers. */
const callgrind = ['--tool=callgrind', '--instr-atstart=no', '--separate-threads=yes']
const smallFile = [
  '--dump-instr=yes',
  '--dump-line=no',
  '--compress-pos=no',
  '--compress-strings=no'
]
/** V8 changes the code of functions that have already run. */
const changingCode = '--smc-check=all-non-file'

/** What comes before the command of the process. */
export const prefixOf = (folder) => [
  ...['valgrind', ...callgrind, ...smallFile, changingCode],
  `--callgrind-out-file=${join(folder, 'callgrind.%p')}`
]

/** Whether valgrind can run this version of Node. */
export function hasCallgrind() {
  try {
    const flags = [...callgrind, changingCode, '--callgrind-out-file=/dev/null']
    execFileSync('valgrind', [...flags, process.execPath, '-e', ''], {
      stdio: 'ignore',
      timeout: 60_000
    })
    return true
  } catch {
    return false
  }
}

/**
 * Runs `work` and resolves to the call graph of the main thread meanwhile: see `readCallGraph`.
 * @param folder that of `prefixOf`
 * @param map the file with the names of compiled functions
 */
export async function countInstructions({ pid, folder, map }, work) {
  const control = (...words) =>
    execFileSync('vgdb', [`--pid=${pid}`, ...words], { stdio: 'ignore', timeout: 60_000 })
  control('instrumentation', 'on')
  await work()
  control('instrumentation', 'off')
  control('dump')
  const nameAt = readPerfMap(readFileSync(map, 'utf8'))
  return readCallGraph(readFileSync(join(folder, `callgrind.${pid}.1-01`), 'utf8'), nameAt)
}

/**
 * Reads a map of compiled functions: a line is address, size, name. Returns a function: address → name.
 * V8 moves functions and uses their memory again, so later lines replace earlier ones.
 */
export function readPerfMap(text) {
  const byStart = new Map()
  for (const line of text.trim().split('\n')) {
    const [, start, size, name] = /^(\S+) (\S+) (.*)$/.exec(line) ?? []
    if (name !== undefined) byStart.set(parseInt(start, 16), { size: parseInt(size, 16), name })
  }
  const starts = [...byStart.keys()].sort((one, other) => one - other)
  return (address) => {
    let low = 0
    for (let high = starts.length; low < high;) {
      const middle = (low + high) >> 1
      if (starts[middle] <= address) low = middle + 1
      else high = middle
    }
    const start = starts[low - 1]
    const { size, name } = byStart.get(start) ?? {}
    return address < start + size ? name : undefined
  }
}

/**
 * Reads a file of callgrind, written with the flags above. Returns { instructions, callers }:
 * function → its own instructions, and function → caller → instructions of these calls, with all that
 * they call.
 *
 *   fn=parse               the function of the next lines
 *   0x4005 12              its instructions at an address
 *   cfn=hash               a call: the called function,
 *   calls=3 0x6000         how often, and its address,
 *   0x4009 90              where the call is, and the instructions of all calls
 */
export function readCallGraph(text, nameAt) {
  const instructions = new Map()
  const callers = new Map()
  // Callgrind names a function without a symbol by an address.
  const nameOf = (name, address) =>
    /^(0x|\?\?\?)/.test(name) ? (nameAt(parseInt(address, 16)) ?? 'unknown') : name
  let name, called, calledAt
  for (const line of text.split('\n')) {
    if (line.startsWith('fn=')) name = line.slice('fn='.length)
    else if (line.startsWith('cfn=')) called = line.slice('cfn='.length)
    else if (line.startsWith('calls=')) [, calledAt] = line.split(' ')
    else if (line.startsWith('0x')) {
      const [address, count] = line.split(' ')
      const caller = nameOf(name, address)
      if (calledAt === undefined) add(instructions, caller, Number(count))
      else {
        const callee = nameOf(called, calledAt)
        if (!callers.has(callee)) callers.set(callee, new Map())
        add(callers.get(callee), caller, Number(count))
        calledAt = undefined
      }
    }
  }
  return { instructions, callers }
}

/** A call chain without an owner may be a circle, so the search for owners ends after so many calls. */
const maxChain = 1000
/** The share of all instructions that may stay without an owner. */
const maxRest = 1e-6

/**
 * Gives the instructions of each function to its owner: itself, or the nearest owner that has called it.
 * The callers of a function share its instructions in proportion to what their calls took. Returns
 * owner → instructions; the owner of the rest is undefined.
 */
export function sumByOwner({ instructions, callers }, isOwner) {
  const sums = new Map()
  let open = instructions
  const most = sumOf(instructions.values()) * maxRest
  for (let length = 0; length < maxChain && sumOf(open.values()) > most; length++) {
    const next = new Map()
    for (const [name, count] of open) {
      const shares = [...(callers.get(name) ?? [])].filter(([caller]) => caller !== name)
      const all = sumOf(shares.map(([, took]) => took))
      if (isOwner(name)) add(sums, name, count)
      else if (all === 0) add(sums, undefined, count)
      else for (const [caller, took] of shares) add(next, caller, (count * took) / all)
    }
    open = next
  }
  add(sums, undefined, sumOf(open.values()))
  return sums
}

function sumOf(numbers) {
  let sum = 0
  for (const number of numbers) sum += number
  return sum
}

function add(sums, key, count) {
  sums.set(key, (sums.get(key) ?? 0) + count)
}
