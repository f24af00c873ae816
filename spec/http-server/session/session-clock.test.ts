// When a session counts as abandoned.

import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'tap'
import { SessionClock } from '../../../lib/http-server/session/session-clock.ts'
import { countTimers } from '../helpers.ts'

/** A clock, and after how many milliseconds the session was abandoned. */
function start(sessionTimeout: number, detachedTimeout: number) {
  const began = performance.now()
  let abandon!: (time: number) => void
  const abandoned = new Promise<number>((resolve) => (abandon = resolve))
  const onAbandoned = (): void => abandon(performance.now() - began)
  const clock = new SessionClock({ sessionTimeout, detachedTimeout, onAbandoned })
  return { clock, abandoned }
}

const ms = (from: number, to: number, time: number): boolean => time >= from - 2 && time < to

test('a session that nobody uses is abandoned after the session timeout', async (t) => {
  const { abandoned } = start(100, 20)
  t.ok(ms(100, 1000, await abandoned))
})

test('each request starts the time again', async (t) => {
  const { clock, abandoned } = start(100, 20)
  await sleep(60)
  clock.note()
  t.ok(ms(160, 1000, await abandoned))
})

test('an open response keeps the session', async (t) => {
  const { clock, abandoned } = start(50, 20)
  clock.open()
  await sleep(200)
  clock.close(false)
  t.ok(ms(250, 1000, await abandoned), 'then it has the session timeout')
})

test('a client that left has the shorter timeout, unless it comes back', async (t) => {
  const { clock, abandoned } = start(300, 50)
  clock.open()
  clock.open()
  clock.close(true)
  await sleep(100)
  clock.close(false)
  t.ok(ms(150, 290, await abandoned))

  const other = start(300, 50)
  other.clock.open()
  other.clock.close(true)
  other.clock.note()
  t.ok(ms(300, 1000, await other.abandoned))
})

test('without limits, or stopped, a clock has no timer', async (t) => {
  const before = countTimers()
  const { clock } = start(0, 0)
  clock.open()
  clock.close(true)
  t.equal(countTimers(), before)
  const stopped = start(10_000, 10_000)
  stopped.clock.open()
  stopped.clock.stop()
  stopped.clock.close(true)
  t.equal(countTimers(), before)
})

test('a detached timeout counts without a session timeout too', async (t) => {
  const { clock, abandoned } = start(0, 50)
  clock.open()
  clock.close(true)
  t.ok(ms(50, 1000, await abandoned))
})

test('a timeout longer than a timer can wait does not end the session', async (t) => {
  const { clock, abandoned } = start(2 ** 40, 0)
  t.equal(await Promise.race([abandoned, sleep(50)]), undefined)
  clock.stop()
})
