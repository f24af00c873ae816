// A queue that stays fast when it is long.

import t from 'tap'
import { Queue } from '../../lib/streams/queue.ts'

t.test('items leave in the order in which they came', async (t) => {
  const queue = new Queue<number>()
  t.equal(queue.shift(), undefined)
  const left: unknown[] = []
  for (let item = 0; item < 100; item++) {
    queue.push(item)
    if (item % 3 > 0) left.push(queue.shift())
  }
  t.equal(queue.length, 34)
  while (queue.length > 0) left.push(queue.shift())
  t.strictSame(left, [...Array(100).keys()])
  queue.push(1)
  queue.push(2)
  queue.shift()
  queue.push(3)
  t.strictSame(queue.take(), [2, 3])
  t.equal(queue.length, 0)
  t.equal(queue.shift(), undefined)
})

t.test('a long queue empties in linear time', async (t) => {
  const queue = new Queue<number>()
  for (let item = 0; item < 500_000; item++) queue.push(item)
  const { user, system } = process.cpuUsage()
  while (queue.length > 0) queue.shift()
  const used = process.cpuUsage({ user, system })
  t.ok(used.user < 300_000, `${used.user} µs`)
})
