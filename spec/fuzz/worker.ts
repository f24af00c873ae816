// A process that runs inputs, for run.ts. Before each input it writes the number of the input to a
// file, because it may not be able to report an input that ends it or blocks it.

import { openSync, writeSync } from 'node:fs'
import { check } from './check.ts'
import { makeInput } from './plan.ts'
import { targets } from './targets.ts'

export interface Work {
  seed: number
  target: string
  /** The numbers of the inputs: from `from` on, each `step`th, up to but without `to`. */
  from: number
  to: number
  step: number
  /** The file that has the number of the current input, as 4 bytes. */
  positionFile: string
}

export type Report = { find: string; index: number } | { done: number }

/** A target with so many finds gets no more inputs. */
const maxFinds = 20

const {
  seed,
  target: name,
  from,
  to,
  step,
  positionFile
} = JSON.parse(process.argv[2] as string) as Work
const target = targets.find((target) => target.name === name)
if (target === undefined) throw new Error(`no target ${name}`)

let index = from
let finds = 0
const report = (message: Report): void => void process.send?.(message)
const found = (find: string): void => {
  finds++
  report({ find, index })
}

// Nothing else ends a worker whose parent is gone.
process.once('disconnect', () => process.exit())
process.on('uncaughtException', (error) => found(`an uncaught exception: ${error.stack}`))

const position = Buffer.alloc(4)
const file = openSync(positionFile, 'r+')
for (; index < to && finds < maxFinds; index += step) {
  position.writeUInt32LE(index)
  writeSync(file, position, 0, 4, 0)
  const find = await check(target, makeInput(target, seed, index))
  if (find !== undefined) found(find)
}
await target.close?.()
report({ done: index })
process.disconnect()
