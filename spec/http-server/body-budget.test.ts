// Memory for request bodies: who may read, who waits, and in which order.

import t from 'tap'
import { BodyBudget } from '../../lib/http-server/body-budget.ts'

const KiB = 1024

function watch(budget: BodyBudget) {
  const granted: string[] = []
  const reserve = (name: string, size: number): (() => void) =>
    budget.reserve(size, () => granted.push(name))
  return { granted, reserve }
}

t.test('a body is read at once while there is room, and waits after', async (t) => {
  const budget = new BodyBudget(300 * KiB)
  const { granted, reserve } = watch(budget)
  const releaseA = reserve('a', 200 * KiB)
  reserve('b', 100 * KiB)
  reserve('c', 100 * KiB)
  t.strictSame(granted, ['a', 'b'], 'up to the last byte of the budget')
  t.equal(budget.used, 300 * KiB)
  releaseA()
  t.strictSame(granted, ['a', 'b', 'c'])
  releaseA()
  t.equal(budget.used, 200 * KiB, 'a second release has no effect')
})

t.test('bodies are served in the order of arrival', async (t) => {
  const { granted, reserve } = watch(new BodyBudget(300 * KiB))
  const releaseA = reserve('a', 200 * KiB)
  reserve('b', 200 * KiB)
  reserve('c', 100 * KiB)
  t.strictSame(granted, ['a'], 'a smaller body does not overtake')
  releaseA()
  t.strictSame(granted, ['a', 'b', 'c'])
})

t.test('a small body never waits and takes nothing', async (t) => {
  const budget = new BodyBudget(100 * KiB)
  const { granted, reserve } = watch(budget)
  reserve('a', 100 * KiB)
  reserve('b', 100 * KiB)
  const release = reserve('c', 64 * KiB)
  t.strictSame(granted, ['a', 'c'])
  release()
  t.equal(budget.used, 100 * KiB)
})

t.test('a body over the whole budget is read when it is alone', async (t) => {
  const { granted, reserve } = watch(new BodyBudget(100 * KiB))
  const releaseA = reserve('a', 80 * KiB)
  reserve('b', 500 * KiB)
  t.strictSame(granted, ['a'])
  releaseA()
  t.strictSame(granted, ['a', 'b'])
})

t.test('a body that is given up while it waits frees its place', async (t) => {
  const { granted, reserve } = watch(new BodyBudget(100 * KiB))
  const releaseA = reserve('a', 80 * KiB)
  const releaseB = reserve('b', 90 * KiB)
  reserve('c', 70 * KiB)
  releaseB()
  releaseA()
  t.strictSame(granted, ['a', 'c'])
})

t.test('0 is no limit', async (t) => {
  const { granted, reserve } = watch(new BodyBudget(0))
  for (let i = 0; i < 100; i++) reserve(String(i), 1024 ** 3)
  t.equal(granted.length, 100)
})
