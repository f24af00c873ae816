// Runs a target with one input, and finds what went wrong: an error, a wrong result, a hang, an event
// loop that is blocked, or too much memory.

import { readFileSync, writeFileSync } from 'node:fs'
import { isMainThread } from 'node:worker_threads'
import { collectGarbage } from '../memory.ts'
import { slowness } from '../worst-inputs.ts'
import type { Target } from './target.ts'

/** The longest time that an input may block the event loop, in ms of CPU time. A slow machine gets more. */
export const maxBlock = 100 * slowness
/** How long an input may take, in ms. */
export const maxTime = 10_000
/** How many times its size an input may take in memory, beside what any input takes. */
export const maxFactor = 8
/** The memory that the process itself may take during an input, in bytes: code, and young objects. */
const slack = 24 * 1024 * 1024
/** The size from which on memory is measured, in bytes. With a smaller input it would be noise. */
const large = 1_000_000

/** Returns what went wrong as one text, or undefined. */
export async function check(target: Target, input: Buffer): Promise<string | undefined> {
  const growth = input.length >= large ? measureMemory() : undefined
  const before = cpuTime()
  let output: unknown
  try {
    output = target.run(input)
    if (output instanceof Promise) output = await within(output)
  } catch (error) {
    return describeError(error)
  }
  const grown = growth?.()
  if (cpuTime() - before > maxBlock) {
    const block = await longestBlock(target, input)
    if (block > maxBlock) return `blocks the event loop for ${Math.round(block)} ms`
  }
  if (grown !== undefined && grown > maxFactor * input.length + slack) {
    return `takes ${Math.round(grown / input.length)} times its ${input.length} bytes in memory`
  }
  try {
    target.compare?.(input, output)
  } catch (error) {
    // V8 cannot read or write values that are nested too deeply for its stack.
    if (!(error instanceof RangeError)) return describeError(error)
  }
  return undefined
}

const describeError = (error: unknown): string =>
  error instanceof Error ? (error.stack ?? error.message) : `throws ${String(error)}`

function within<T>(promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout
  const timeout = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`hangs: no end within ${maxTime} ms`)), maxTime)
  })
  return Promise.race([promise, timeout]).finally(() => clearTimeout(timer))
}

function cpuTime(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

/**
 * Runs the input again, up to eight times, and returns the longest time between two turns of the event
 * loop, of the best run. The compiler and the collector make the other runs longer.
 */
async function longestBlock(target: Target, input: Buffer): Promise<number> {
  let best = Infinity
  for (let run = 0; run < 8 && best > maxBlock; run++) {
    let longest = 0
    let last = cpuTime()
    let isOver = false
    const look = (): void => {
      const now = cpuTime()
      longest = Math.max(longest, now - last)
      last = now
      if (!isOver) setImmediate(look)
    }
    setImmediate(look)
    try {
      await target.run(input)
    } catch {
      // The first run has reported it.
    }
    look()
    isOver = true
    best = Math.min(best, longest)
  }
  return best
}

/** Returns a function that tells by how much the memory of the process has grown at most, in bytes. */
function measureMemory(): (() => number | undefined) | undefined {
  if (process.platform !== 'linux' || !isMainThread) return undefined
  collectGarbage()
  const before = residentSize('VmRSS')
  // Linux then forgets the largest size that the process has had so far.
  writeFileSync('/proc/self/clear_refs', '5')
  return () => residentSize('VmHWM') - before
}

function residentSize(name: string): number {
  const status = readFileSync('/proc/self/status', 'latin1')
  return Number(new RegExp(`${name}:\\s*(\\d+) kB`).exec(status)?.[1]) * 1024
}
