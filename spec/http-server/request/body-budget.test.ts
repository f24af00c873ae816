// The memory for bodies: which body may be read, which one waits, and in which order.

import { test } from 'tap'
import { BodyBudget, WaitingBodies } from '../../../lib/http-server/request/body-budget.ts'

function watch(max: number) {
  const budget = new BodyBudget(max)
  const granted: string[] = []
  const reserve = (name: string, size: number) => budget.reserve(size, () => granted.push(name))
  return { budget, granted, reserve }
}

test('a body is read at once while there is memory, and waits after that', async (t) => {
  const { budget, granted, reserve } = watch(300)
  const a = reserve('a', 200)
  reserve('b', 100)
  const c = reserve('c', 100)
  t.strictSame(granted, ['a', 'b'], 'up to the last byte of the budget')
  t.ok(a.granted)
  t.notOk(c.granted)
  t.equal(budget.used, 300)
  a.release()
  t.strictSame(granted, ['a', 'b', 'c'])
  a.release()
  t.equal(budget.used, 200, 'a second release has no effect')
})

test('bodies get memory in the order in which they came', async (t) => {
  const { granted, reserve } = watch(300)
  const a = reserve('a', 200)
  reserve('b', 200)
  reserve('c', 100)
  t.strictSame(granted, ['a'], 'a smaller body does not overtake')
  a.release()
  t.strictSame(granted, ['a', 'b', 'c'])
})

test('a body over the whole budget is read when no other body has memory', async (t) => {
  const { granted, reserve } = watch(100)
  const a = reserve('a', 80)
  reserve('b', 500)
  t.strictSame(granted, ['a'])
  a.release()
  t.strictSame(granted, ['a', 'b'])
})

test('a body that is given up while it waits frees its place', async (t) => {
  const { budget, granted, reserve } = watch(100)
  const a = reserve('a', 80)
  const b = reserve('b', 90)
  reserve('c', 70)
  b.release()
  a.release()
  t.strictSame(granted, ['a', 'c'])
  t.equal(budget.used, 70)
})

test('0 is no limit', async (t) => {
  const { granted, reserve } = watch(0)
  for (let count = 0; count < 100; count++) reserve('x', 1024 ** 3)
  t.equal(granted.length, 100)
})

test('the time for each of many waiting bodies does not grow', async (t) => {
  const { budget, reserve } = watch(1)
  const began = performance.now()
  const all = Array.from({ length: 50_000 }, () => reserve('x', 1))
  for (const reservation of all.reverse()) reservation.release()
  t.equal(budget.used, 0)
  t.ok(performance.now() - began < 1000)
})

test('waiting bodies are counted with what their requests take, and are refused over the limit', async (t) => {
  const overhead = 4 * 1024
  const waiting = new WaitingBodies(2 * overhead + 100)
  t.equal(waiting.add(60), overhead + 60)
  const size = waiting.add(40)
  t.throws(() => waiting.add(0), { code: 'ERR_BODIES_FULL', status: 503 })
  waiting.remove(size)
  t.throws(() => waiting.add(41), { code: 'ERR_BODIES_FULL' })
  waiting.add(40)
  t.equal(new WaitingBodies(1).add(10), overhead + 10, 'a single body may always wait')
  const unlimited = new WaitingBodies(0)
  for (let count = 0; count < 1000; count++) unlimited.add(1e9)
})
