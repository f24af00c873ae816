// One timer for many that wait.

import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { DeadlineQueue } from '../../lib/streams/deadline-queue.ts'
import type { PendingItem } from '../../lib/streams/deadline-queue.ts'
import { countTimers } from '../http-server/helpers.ts'

class Waiting implements PendingItem {
  pending = true
  readonly over: Promise<number>
  times = 0
  #tell: ((time: number) => void) | undefined

  constructor() {
    this.over = new Promise((resolve) => (this.#tell = resolve))
  }

  expire(): void {
    this.times++
    this.pending = false
    this.#tell?.(performance.now())
  }
}

t.test('who pending is told when the time is over, each in its turn', async (t) => {
  const deadlines = new DeadlineQueue(40)
  const [one, two, three] = [new Waiting(), new Waiting(), new Waiting()]
  const began = performance.now()
  deadlines.add(one)
  await sleep(20)
  deadlines.add(two)
  const later = performance.now()
  t.ok((await one.over) - began >= 39)
  t.ok((await two.over) - later >= 39)
  deadlines.add(three)
  await three.over
  t.strictSame([one.times, two.times, three.times], [1, 1, 1])
})

t.test('there is one timer for all, and none when nobody is left', async (t) => {
  const before = countTimers()
  const deadlines = new DeadlineQueue(20)
  const all = Array.from({ length: 10 }, () => new Waiting())
  for (const waiting of all) deadlines.add(waiting)
  t.equal(countTimers(), before + 1)
  await Promise.all(all.map(({ over }) => over))
  t.equal(countTimers(), before)
})

t.test('who pending no longer is told nothing, and forgotten', async (t) => {
  const deadlines = new DeadlineQueue(20)
  const last = new Waiting()
  const gone = Array.from({ length: 1000 }, () => new Waiting())
  for (const waiting of gone) {
    deadlines.add(waiting)
    waiting.pending = false
  }
  deadlines.add(last)
  await last.over
  t.equal(last.times, 1)
  t.strictSame(
    gone.filter(({ times }) => times > 0),
    []
  )
})

t.test('of many that wait at once none is forgotten', async (t) => {
  const deadlines = new DeadlineQueue(20)
  const all = Array.from({ length: 300 }, () => new Waiting())
  for (const waiting of all) deadlines.add(waiting)
  await Promise.all(all.map(({ over }) => over))
  t.ok(all.every(({ times }) => times === 1))
})

t.test('without a time nobody is told', async (t) => {
  const before = countTimers()
  new DeadlineQueue(0).add(new Waiting())
  t.equal(countTimers(), before)
})

t.test('stopped, it tells nobody, and can begin anew', async (t) => {
  const before = countTimers()
  const deadlines = new DeadlineQueue(10)
  const [one, two] = [new Waiting(), new Waiting()]
  deadlines.add(one)
  deadlines.stop()
  deadlines.stop()
  t.equal(countTimers(), before)
  deadlines.add(two)
  await two.over
  t.equal(one.times, 0)
})
