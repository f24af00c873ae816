// Runs the inputs that `npm run fuzz` has found once more, and shows that it finds what it looks for.

import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { check, maxBlock } from './check.ts'
import { countsOf, makeInput } from './plan.ts'
import { targets } from './targets.ts'
import type { Target } from './target.ts'

// Each find is tried several times, which takes long on a busy machine.
t.setTimeout(120_000)

const folder = new URL('../../fixtures/fuzz/', import.meta.url)
const nameOf = (file: string): string => file.slice(0, file.lastIndexOf('-'))

t.teardown(async () => {
  for (const target of targets) await target.close?.()
})

t.test('no input that was found before does harm any more', async (t) => {
  for (const file of readdirSync(folder)) {
    const target = targets.find(({ name }) => name === nameOf(file))
    t.ok(target, `${file} belongs to a target`)
    if (target) t.equal(await check(target, readFileSync(new URL(file, folder))), undefined, file)
  }
})

t.test('the first inputs of each target do no harm', async (t) => {
  for (const target of targets) {
    for (let index = 0; index < 10; index++) {
      t.equal(
        await check(target, makeInput(target, 1, index)),
        undefined,
        `${target.name} ${index}`
      )
    }
  }
})

/** A target with one fault. */
const faulty = (run: Target['run'], compare?: Target['compare']): Target => ({
  name: 'faulty',
  share: 1,
  make: (random) => Buffer.from(String(random())),
  run,
  ...(compare && { compare })
})

const input = Buffer.from('input')

t.test('an error, a rejection and a wrong result are finds', async (t) => {
  const fail = (): never => {
    throw new TypeError('wrong type')
  }
  t.match(await check(faulty(fail), input), /^TypeError: wrong type/)
  t.match(
    await check(
      faulty(async () => fail()),
      input
    ),
    /^TypeError: wrong type/
  )
  t.match(
    await check(
      faulty(() => 1, fail),
      input
    ),
    /^TypeError: wrong type/
  )
  t.equal(
    await check(
      faulty(() => 1),
      input
    ),
    undefined
  )
})

t.test('a blocked event loop is a find, and the same work in turns is none', async (t) => {
  const work = (time: number): void => {
    const start = process.cpuUsage()
    for (let used = 0; used < time * 1000;) {
      const { user, system } = process.cpuUsage(start)
      used = user + system
    }
  }
  t.match(
    await check(
      faulty(() => work(1.2 * maxBlock)),
      input
    ),
    /^blocks the event loop for \d+ ms/
  )
  const inTurns = async (): Promise<void> => {
    for (let turn = 0; turn < 5; turn++) {
      work(maxBlock / 4)
      await sleep(1)
    }
  }
  t.equal(await check(faulty(inTurns), input), undefined)
})

t.test(
  'much memory for a large input is a find',
  { skip: process.platform !== 'linux' },
  async (t) => {
    const large = Buffer.alloc(1_000_000, '1')
    let held: unknown
    const hold = (factor: number) => (bytes: Buffer) => {
      held = Buffer.alloc(bytes.length * factor, 1)
    }
    t.match(await check(faulty(hold(50)), large), /times its 1000000 bytes in memory/)
    t.equal(await check(faulty(hold(2)), large), undefined)
    t.ok(held)
  }
)

t.test('a seed makes the same inputs again, and each target gets its share', async (t) => {
  for (const target of targets) {
    const inputs = [1, 2].flatMap((seed) => [1, 2].map((index) => makeInput(target, seed, index)))
    const again = [1, 2].flatMap((seed) => [1, 2].map((index) => makeInput(target, seed, index)))
    t.strictSame(inputs, again, target.name)
    t.equal(new Set(inputs.map(String)).size > 1, true, `${target.name} makes other inputs`)
  }
  const counts = countsOf(targets, 100_000)
  t.ok(counts.every((count) => count > 0))
  t.ok(Math.abs(counts.reduce((sum, count) => sum + count, 0) - 100_000) < targets.length)
})
