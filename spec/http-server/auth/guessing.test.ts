// Whether the time of a refusal tells how near a guess is to a token. Only a quiet machine gives a
// meaningful answer, so this runs only if QUIET_MACHINE is set:
//
//   QUIET_MACHINE=1 npx tap run --disable-coverage spec/http-server/auth/guessing.test.ts
//
// The test is that of Reparaz, Balasch and Verbauwhede (“Dude, is my code constant time?”): two classes of
// guesses in random order, and Welch's t-test over their times. A t over 4.5 means that they differ.

import { randomBytes } from 'node:crypto'
import { Agent, request } from 'node:http'
import { test } from 'tap'
import type { Auth } from '../../../lib/http-server/auth/auth.ts'
import { tokenAuth } from '../../../lib/http-server/auth/token-auth.ts'
import { serve } from '../helpers.ts'

const skip = process.env.QUIET_MACHINE === undefined && 'needs a quiet machine: set QUIET_MACHINE=1'
const threshold = 4.5

const newToken = (): string => randomBytes(24).toString('hex')
const token = newToken()

/** A guess that differs from the token in its last characters, or in all of them. */
const near = (): string => token.slice(0, -6) + newToken().slice(0, 6)
const far = newToken

/** Measures both classes of guesses in random order. Resolves to the t of their times. */
async function tOf(count: number, time: (guess: string) => Promise<number>): Promise<number> {
  const times: [number[], number[]] = [[], []]
  for (let index = 0; index < count; index++) {
    const kind = Math.random() < 0.5 ? 0 : 1
    times[kind].push(await time(kind === 0 ? near() : far()))
  }
  // The slowest tenth is noise of the machine.
  const all = times.flat().sort((a, b) => a - b)
  const limit = all[Math.floor(all.length * 0.9)] as number
  const [one, other] = times.map((list) => momentsOf(list.filter((time) => time <= limit)))
  if (one === undefined || other === undefined) throw new Error('there are two')
  const spread = Math.sqrt(one.variance / one.count + other.variance / other.count)
  return Math.abs(one.mean - other.mean) / spread
}

function momentsOf(times: number[]): { count: number; mean: number; variance: number } {
  const count = times.length
  const mean = times.reduce((sum, time) => sum + time, 0) / count
  const variance = times.reduce((sum, time) => sum + (time - mean) ** 2, 0) / (count - 1)
  return { count, mean, variance }
}

const timeOfCheck =
  (auth: Auth) =>
  async (guess: string): Promise<number> => {
    const start = process.hrtime.bigint()
    for (let count = 0; count < 20; count++) await auth.check(guess)
    return Number(process.hrtime.bigint() - start)
  }

test('the time of a check does not depend on the guess', { skip }, async (t) => {
  const measure = timeOfCheck(tokenAuth({ token }))
  await tOf(2000, measure)
  const found = await tOf(50_000, measure)
  t.ok(found < threshold, `t is ${found.toFixed(1)}`)
})

test('the method finds a comparison that ends early', { skip }, async (t) => {
  const measure = timeOfCheck({
    check(guess) {
      for (let index = 0; index < token.length; index++) {
        if (guess.charCodeAt(index) !== token.charCodeAt(index)) return undefined
      }
      return { principal: '' }
    }
  })
  await tOf(2000, measure)
  const found = await tOf(50_000, measure)
  t.ok(found > threshold, `t is ${found.toFixed(1)}`)
})

test('the time of a refusal over HTTP does not depend on the guess', { skip }, async (t) => {
  const { listener, client } = await serve(t, { auth: tokenAuth({ token }) })
  // The listener remembers the token, as it does while its owner uses it.
  await client({ headers: { authorization: `Bearer ${token}` } }).post('{}')
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  t.teardown(() => agent.destroy())
  const measure = (guess: string): Promise<number> =>
    new Promise((resolve, reject) => {
      const start = process.hrtime.bigint()
      const headers = { authorization: `Bearer ${guess}` }
      request(new URL('status', listener.url), { agent, headers }, (response) => {
        const time = Number(process.hrtime.bigint() - start)
        response.resume().on('end', () => resolve(time))
      })
        .on('error', reject)
        .end()
    })
  await tOf(1000, measure)
  const found = await tOf(10_000, measure)
  t.ok(found < threshold, `t is ${found.toFixed(1)}`)
})
