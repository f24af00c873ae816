// Opaque tokens, about which the proxy asks the issuer.

import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'tap'
import type { Test } from 'tap'
import { describe } from '../../../lib/errors.ts'
import type { ProxyError } from '../../../lib/errors.ts'
import type { Grant } from '../../../lib/http-server/auth/auth.ts'
import { issuerAuth } from '../../../lib/http-server/auth/issuer-auth.ts'
import type { IssuerAuthOptions } from '../../../lib/http-server/auth/issuer-auth.ts'
import { KeptLog, until } from '../../helpers.ts'
import { inSeconds, startIssuer } from './small-issuer.ts'
import type { Answer, SmallIssuer } from './small-issuer.ts'

interface Checked {
  issuer: SmallIssuer
  log: KeptLog
  /** The answer of the issuer. The test may replace it. */
  answer: { now: Answer }
  /** What the issuer was asked: the header `Authorization` and the form. */
  asked: [string | undefined, Record<string, string>][]
  check(token?: string): Promise<Grant | undefined>
  /** Resolves to the error of a check. */
  failure(): Promise<string>
}

async function open(t: Test, options: Partial<IssuerAuthOptions> = {}): Promise<Checked> {
  const issuer = await startIssuer(t)
  const log = new KeptLog()
  const body = { active: true, sub: 'alice', aud: 'x', scope: 'a b', exp: inSeconds(60) }
  const answer = { now: { body } as Answer }
  const asked: Checked['asked'] = []
  issuer.answers.set('/introspect', ({ headers }, form) => {
    asked.push([headers.authorization, Object.fromEntries(form)])
    return answer.now
  })
  const introspection = {
    url: new URL('/introspect', issuer.url),
    clientId: 'proxy:1',
    clientSecret: 's3cret/+'
  }
  const auth = issuerAuth({
    issuers: [issuer.url],
    introspection,
    connectTimeout: 2000,
    log,
    ...options
  })
  const check = (token = 'opaque'): Promise<Grant | undefined> => Promise.resolve(auth.check(token))
  const failure = async (): Promise<string> => {
    const error = await check().then(
      () => new Error('there is none'),
      (error: unknown) => error as ProxyError
    )
    return `${'code' in error ? error.code : ''}: ${describe(error)}`
  }
  return { issuer, log, answer, asked, check, failure }
}

test('the proxy asks with its credentials, and the answer gives the grant', async (t) => {
  const { issuer, asked, check } = await open(t)
  const grant = await check()
  t.match(grant, { principal: `${issuer.url}#alice`, audiences: ['x'] })
  t.strictSame([...(grant?.scopes ?? [])], ['a', 'b'])
  t.equal(grant?.isValid?.(), true)
  const basic = `Basic ${Buffer.from('proxy%3A1:s3cret%2F%2B').toString('base64')}`
  t.strictSame(asked, [[basic, { token: 'opaque', token_type_hint: 'access_token' }]])
  t.strictSame(issuer.requests, ['POST /introspect'])
})

test('so many tokens are asked about at a time, and the next one waits', async (t) => {
  const { answer, asked, check } = await open(t, { maxIntrospections: 2, connectTimeout: 300 })
  const usual = answer.now
  answer.now = 'silence'
  const outcomes = ['a', 'b', 'c', 'd'].map((token) =>
    check(token).then(
      () => 'let in',
      (error: ProxyError) => [error.status, describe(error)].join(': ')
    )
  )
  await until(() => asked.length === 2)
  await sleep(100)
  t.equal(asked.length, 2)
  const [one, two, three, four] = await Promise.all(outcomes)
  t.match([one, two], [/^503: no answer of /, /^503: no answer of /])
  t.strictSame([three, four].sort(), [three, four])
  t.ok([three, four].every((outcome) => outcome?.startsWith('503: ')))
  answer.now = usual
  t.ok(await check('e'), 'the turns are free again')
})

test('a token of which the issuer says no, or something else, is refused', async (t) => {
  const { answer, failure, check, issuer } = await open(t)
  const good = { active: true, sub: 'alice', aud: 'x', exp: inSeconds(60) }
  const wrong: [object, RegExp][] = [
    [{ active: false }, /has expired, was revoked or is unknown/],
    [{ ...good, active: 'true' }, /has expired, was revoked/],
    [{ ...good, active: undefined }, /has expired, was revoked/],
    [{ ...good, iss: 'https://evil.example' }, /unknown issuer/],
    [{ ...good, iss: 7 }, /unknown issuer/],
    [{ ...good, exp: inSeconds(-31) }, /has expired \(exp\)/],
    [{ ...good, nbf: inSeconds(40) }, /does not count yet \(nbf\)/],
    [{ ...good, sub: undefined }, /names no subject/],
    [{ ...good, cnf: {} }, /bound to a key/]
  ]
  for (const [body, reason] of wrong) {
    answer.now = { body }
    t.match(await failure(), /^ERR_UNAUTHORIZED: the token is not valid/)
    t.match(await failure(), reason)
  }
  answer.now = { body: { ...good, iss: issuer.url, exp: inSeconds(-20), nbf: inSeconds(20) } }
  t.match(await check(), { principal: /#alice/ }, 'the clocks may differ')
  answer.now = { body: { ...good, sub: undefined, client_id: 'c', exp: undefined, aud: undefined } }
  t.match(await check(), { principal: /\?client=c$/, audiences: [] })
})

test('an issuer that fails is an error, without the secret and the token', async (t) => {
  const { answer, failure, issuer, log } = await open(t, { connectTimeout: 300 })
  const failing: [Answer, RegExp][] = [
    [{ status: 401, body: 's3cret opaque' }, /\/introspect answered 401$/],
    [{ status: 500, body: '' }, /answered 500$/],
    [{ status: 204, body: '' }, /answered 204$/],
    [{ body: '[]' }, /sent no JSON object/],
    ['silence', /timeout/]
  ]
  for (const [now, reason] of failing) {
    answer.now = now
    const text = await failure()
    t.match(text, /^ERR_ISSUER/)
    t.match(text, reason)
    t.notMatch(text, /s3cret|opaque/)
  }
  await issuer.stop()
  t.match(await failure(), /^ERR_ISSUER: no answer of/)
  t.notMatch(log.lines.join(), /s3cret|opaque/)
})

test('the answer counts for some time, then the proxy asks again', async (t) => {
  const { answer, asked, check } = await open(t, { introspectionAge: 300 })
  const grant = await check()
  t.equal(grant?.isValid?.(), true)
  t.equal(asked.length, 1)
  await sleep(350)
  t.equal(grant?.isValid?.(), true, 'nobody waits')
  t.equal(grant?.isValid?.(), true)
  await until(() => asked.length === 2)
  await sleep(350)
  answer.now = { body: { active: false } }
  t.equal(grant?.isValid?.(), true, 'the second answer counts')
  await until(() => grant?.isValid?.() === false)
  t.equal(asked.length, 3)
  await sleep(350)
  t.equal(grant?.isValid?.(), false)
  t.equal(asked.length, 3, 'a revoked token stays revoked')
})

test('a token that belongs to another user suddenly does not count', async (t) => {
  const { answer, check } = await open(t, { introspectionAge: 100 })
  const grant = await check()
  answer.now = { body: { active: true, sub: 'bob', aud: 'x' } }
  await sleep(150)
  await until(() => grant?.isValid?.() === false)
})

test('the last answer counts once more while the issuer is away', async (t) => {
  const { issuer, check, log } = await open(t, { introspectionAge: 600 })
  const grant = await check()
  await issuer.stop()
  const start = performance.now()
  await sleep(650)
  t.equal(grant?.isValid?.(), true)
  t.ok(performance.now() - start < 1100, 'the machine was fast enough for this test')
  await until(() => log.lines.length > 0)
  t.match(log.lines[0], /^debug: no answer of/)
  await sleep(600)
  t.equal(grant?.isValid?.(), false)
})

test('a token counts until it expires if the age has no limit', async (t) => {
  const { answer, check, asked } = await open(t, { introspectionAge: 0, clockSkew: 0 })
  answer.now = { body: { active: true, sub: 'alice', aud: 'x', exp: Date.now() / 1000 + 0.5 } }
  const grant = await check()
  t.equal(grant?.isValid?.(), true)
  await sleep(600)
  t.equal(grant?.isValid?.(), false)
  t.equal(asked.length, 1)
})

test('a JWT is checked with the keys, not by asking', async (t) => {
  const { issuer, check, asked } = await open(t)
  t.match(await check(await issuer.sign({ aud: 'x' })), { principal: /#alice/ })
  t.equal(asked.length, 0)
})
