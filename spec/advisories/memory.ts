// How far the memory of this process grows while a peer floods it.

import { memoryInUse } from '../memory.ts'

export const MiB = 1024 * 1024
export const maxMessage = MiB
/** More than any limit of the tests, in bytes. */
export const flood = 64 * MiB
export const part = Buffer.alloc(64 * 1024, 'x')

/** Resolves to how far the memory has grown meanwhile, in MiB. */
export async function growth(work: () => Promise<unknown>): Promise<number> {
  const before = memoryInUse()
  let most = before
  const timer = setInterval(() => {
    most = Math.max(most, memoryInUse())
  }, 50)
  await work()
  clearInterval(timer)
  return (most - before) / MiB
}
