// Decides which inputs a run has. Each input follows from the seed, the target and a number, so any of
// them can be made again.

import { createHash } from 'node:crypto'
import { randomFrom } from '../interop/random-json.ts'
import type { Target } from './target.ts'

/** Returns how many inputs each target gets, in the order of the targets. Each gets at least one. */
export function countsOf(targets: readonly Target[], inputs: number): number[] {
  const shares = targets.reduce((sum, { share }) => sum + share, 0)
  return targets.map(({ share }) => Math.max(1, Math.round((inputs * share) / shares)))
}

export function makeInput(target: Target, seed: number, index: number): Buffer {
  const digest = createHash('sha1').update(`${seed} ${target.name} ${index}`).digest()
  return target.make(randomFrom(digest.readUInt32LE()))
}
