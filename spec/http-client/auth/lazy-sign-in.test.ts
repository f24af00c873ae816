import { test } from 'tap'
import type { Credentials } from '../../../lib/http-client/auth/credentials.ts'
import { LazySignIn } from '../../../lib/http-client/auth/lazy-sign-in.ts'

const request = { method: 'POST', url: new URL('http://127.0.0.1/mcp') }

function fake(noted: string[]): Credentials {
  return {
    authorize: () => Promise.resolve('Bearer a'),
    refused: () => noted.push('refused') > 0,
    insufficient: () => noted.push('insufficient') > 0
  }
}

test('the sign-in loads after the first refusal, and learns of it', async (t) => {
  const noted: string[] = []
  let loads = 0
  const signIn = new LazySignIn(() => {
    loads++
    return Promise.resolve(fake(noted))
  }, false)
  t.equal(await signIn.authorize(request), undefined)
  t.equal(signIn.insufficient(undefined, {}), false)
  t.equal(loads, 0)
  t.equal(signIn.refused(undefined, {}), true)
  const headers = { 'www-authenticate': 'Bearer error="insufficient_scope"' }
  t.equal(signIn.insufficient(undefined, headers), true)
  const both = await Promise.all([signIn.authorize(request), signIn.authorize(request)])
  t.strictSame(both, ['Bearer a', 'Bearer a'])
  t.equal(await signIn.authorize(request), 'Bearer a')
  t.equal(loads, 1)
  t.equal(signIn.refused(undefined, {}), true)
  t.equal(signIn.insufficient(undefined, {}), true)
  t.strictSame(noted, ['refused', 'insufficient', 'refused', 'insufficient'])
})

test('the sign-in loads at once if there are tokens from before', async (t) => {
  const signIn = new LazySignIn(
    () => Promise.resolve({ authorize: () => Promise.resolve('Bearer b'), refused: () => true }),
    true
  )
  t.equal(await signIn.authorize(request), 'Bearer b')
  t.equal(signIn.insufficient(undefined, {}), false)
})
