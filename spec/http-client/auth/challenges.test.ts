// The header WWW-Authenticate.

import t from 'tap'
import { parseChallenges } from '../../../lib/http-client/auth/challenges.ts'

const parsed = (header: string | string[] | undefined) =>
  parseChallenges(header).map(({ scheme, params }) => [scheme, Object.fromEntries(params)])

t.test('a header has one or several challenges', async (t) => {
  t.strictSame(parsed(undefined), [])
  t.strictSame(parsed('Negotiate'), [['negotiate', {}]])
  t.strictSame(parsed('Basic realm="a, \\"b\\" c", charset=UTF-8'), [
    ['basic', { realm: 'a, "b" c', charset: 'UTF-8' }]
  ])
  const two = 'Newauth realm = "apps", type=1,\ttitle="x" , , Basic realm=simple'
  const challenges = [
    ['newauth', { realm: 'apps', type: '1', title: 'x' }],
    ['basic', { realm: 'simple' }]
  ]
  t.strictSame(parsed(two), challenges)
  t.strictSame(parsed(two.split(' , , ')), challenges)
})

t.test('the first of two equal parameters counts', async (t) => {
  t.strictSame(parsed('Digest Nonce=1, nonce=2'), [['digest', { nonce: '1' }]])
})

t.test('what cannot be read is skipped', async (t) => {
  t.strictSame(parsed('a=b, Basic realm="open'), [
    ['basic', {}],
    ['open', {}]
  ])
  t.strictSame(parsed('Basic dXNlcg==, Digest nonce=1 (x) é "'), [
    ['basic', {}],
    ['digest', { nonce: '1' }]
  ])
})

t.test('a long header takes little time', async (t) => {
  for (const piece of [' ', 'a', 'a=', 'a="', 'a="\\', '"', ',', 'a ', '\\"', 'a=b,', 'é']) {
    const began = process.cpuUsage()
    parseChallenges(`Digest ${piece.repeat(1_000_000)}`)
    const { user, system } = process.cpuUsage(began)
    t.ok(user + system < 100_000, `${JSON.stringify(piece)} took ${user + system} µs`)
  }
})
