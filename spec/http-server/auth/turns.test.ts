// Tasks that wait for their turn.

import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { describeToClients } from '../../../lib/errors.ts'
import type { ProxyError } from '../../../lib/errors.ts'
import { Turns } from '../../../lib/http-server/auth/turns.ts'

/** A task that ends when the test wants it. */
function task(): { run: () => Promise<number>; end: (value?: number) => void; hasBegun: boolean } {
  let resolve: (value: number) => void
  const made = {
    hasBegun: false,
    run: () => {
      made.hasBegun = true
      return new Promise<number>((done) => (resolve = done))
    },
    end: (value = 0) => resolve(value)
  }
  return made
}

t.test('only so many tasks run at a time, and the others in their order', async (t) => {
  const turns = new Turns(2, 0)
  const tasks = [task(), task(), task(), task()] as const
  const results = tasks.map(({ run }) => turns.run(run))
  const begun = (): boolean[] => tasks.map(({ hasBegun }) => hasBegun)
  await sleep(5)
  t.strictSame(begun(), [true, true, false, false])
  tasks[1].end(1)
  t.equal(await results[1], 1)
  await sleep(5)
  t.strictSame(begun(), [true, true, true, false])
  tasks[0].end()
  await sleep(5)
  tasks[2].end()
  tasks[3].end(3)
  t.strictSame(await Promise.all(results), [0, 1, 0, 3])
  t.equal(await turns.run(() => Promise.resolve(4)), 4)
})

t.test('a task that fails gives its turn to the next one', async (t) => {
  const turns = new Turns(1, 0)
  const failing = turns.run(() => Promise.reject(new Error('no')))
  const next = turns.run(() => Promise.resolve(1))
  await t.rejects(failing, { message: 'no' })
  t.equal(await next, 1)
})

t.test('a task waits for a limited time', async (t) => {
  const turns = new Turns(1, 30)
  const long = task()
  const result = turns.run(long.run)
  const error = await turns.run(() => Promise.resolve(1)).catch((error: ProxyError) => error)
  t.match(error, { code: 'ERR_ISSUER', status: 503 })
  t.equal(describeToClients(error as ProxyError), 'too many tokens wait for their check')
  long.end()
  await result
  t.equal(await turns.run(() => Promise.resolve(1)), 1, 'a task that has left takes no turn')
})

t.test('1000 tasks may wait', async (t) => {
  const turns = new Turns(1, 0)
  const long = task()
  const result = turns.run(long.run)
  const waiting = Array.from({ length: 1000 }, () => turns.run(() => Promise.resolve(1)))
  await t.rejects(
    turns.run(() => Promise.resolve(1)),
    { code: 'ERR_ISSUER' }
  )
  long.end()
  await result
  t.equal((await Promise.all(waiting)).length, 1000)
})

t.test('with 0 there is no limit', async (t) => {
  const turns = new Turns(0, 0)
  const tasks = Array.from({ length: 100 }, task)
  const results = tasks.map(({ run }) => turns.run(run))
  t.ok(tasks.every(({ hasBegun }) => hasBegun))
  for (const { end } of tasks) end()
  await Promise.all(results)
})
