// The keys of an issuer: where they are found, when they are fetched again, and an issuer that is away.

import { setTimeout as sleep } from 'node:timers/promises'
import t, { test } from 'tap'
import type { Test } from 'tap'
import { describe } from '../../../lib/errors.ts'
import type { ProxyError } from '../../../lib/errors.ts'
import { issuerAuth } from '../../../lib/http-server/auth/issuer-auth.ts'
import type { IssuerAuthOptions } from '../../../lib/http-server/auth/issuer-auth.ts'
import { KeptLog, until } from '../../helpers.ts'
import { serve } from '../helpers.ts'
import { startIssuer } from './small-issuer.ts'
import type { SmallIssuer } from './small-issuer.ts'

// The tests with these options only wait, for seconds, so they run beside others.
t.jobs = 3
const beside = { buffered: true }

interface Checked {
  issuer: SmallIssuer
  log: KeptLog
  /** Resolves to the principal of a new token, or to the code of the error and its reason. */
  outcome(token?: string): Promise<string | undefined>
}

async function open(
  t: Test,
  path = '',
  options: Partial<IssuerAuthOptions> = {}
): Promise<Checked> {
  const issuer = await startIssuer(t, path)
  const log = new KeptLog()
  const auth = issuerAuth({ issuers: [issuer.url], connectTimeout: 5000, log, ...options })
  const outcome = async (token?: string): Promise<string | undefined> => {
    try {
      return (await auth.check(token ?? (await issuer.sign({ aud: 'x' }))))?.principal
    } catch (error) {
      return `${(error as ProxyError).code}: ${describe(error)}`
    }
  }
  return { issuer, log, outcome }
}

const isAlice = /#alice$/

test('the metadata is found at each place that the specification names', async (t) => {
  const places = (path: string): string[] => [
    `/.well-known/oauth-authorization-server${path}`,
    `/.well-known/openid-configuration${path}`,
    ...(path === '' ? [] : [`${path}/.well-known/openid-configuration`])
  ]
  for (const path of ['', '/tenant']) {
    for (const [index, place] of places(path).entries()) {
      const { issuer, outcome } = await open(t, path)
      const body = { issuer: issuer.url, jwks_uri: new URL('/keys', issuer.url).href }
      for (const other of places(path)) issuer.answers.set(other, () => ({ status: 404, body: '' }))
      issuer.answers.set(place, () => ({ body }))
      t.match(await outcome(), isAlice, place)
      t.strictSame(
        issuer.requests,
        [...places(path).slice(0, index + 1), '/keys'].map((path) => `GET ${path}`)
      )
    }
  }
})

test('metadata that is wrong is an error, and no token is accepted', beside, async (t) => {
  const place = '/.well-known/oauth-authorization-server'
  const keys = (issuer: SmallIssuer): string => new URL('/keys', issuer.url).href
  const wrong: [(issuer: SmallIssuer) => string | object, RegExp][] = [
    [() => 'no JSON', /sent no JSON object/],
    [() => '[]', /sent no JSON object/],
    [() => 'null', /sent no JSON object/],
    [() => ' '.repeat(1024 * 1024 + 1), /over 1048576 bytes/],
    [
      (issuer) => ({ issuer: 'https://evil.example', jwks_uri: keys(issuer) }),
      /its metadata is that of "https:\/\/evil.example"/
    ],
    [
      (issuer) => ({ issuer: `${issuer.url}/`, jwks_uri: keys(issuer) }),
      /the URLs must be identical/
    ],
    [({ url }) => ({ issuer: url }), /no jwks_uri/],
    [({ url }) => ({ issuer: url, jwks_uri: 7 }), /no jwks_uri/],
    [({ url }) => ({ issuer: url, jwks_uri: '/keys' }), /no jwks_uri/],
    [({ url }) => ({ issuer: url, jwks_uri: 'http://192.0.2.1/keys' }), /no jwks_uri with https:/]
  ]
  // The second outcome comes after a second.
  const check = async ([body, reason]: (typeof wrong)[number]): Promise<void> => {
    const { issuer, outcome } = await open(t)
    issuer.answers.set(place, () => ({ body: body(issuer) }))
    t.match(await outcome(), /^ERR_ISSUER: cannot get the keys of http/)
    t.match(await outcome(), reason)
  }
  await Promise.all(wrong.map(check))
})

test('a redirect is not followed', async (t) => {
  const { issuer, outcome } = await open(t)
  issuer.answers.set('/keys', () => ({ status: 307, body: '' }))
  t.match(await outcome(), /ERR_ISSUER: .*\/keys answered 307/)
})

test('keys that are wrong are an error', async (t) => {
  for (const keys of [undefined, 'x', [7]]) {
    const { issuer, outcome } = await open(t)
    issuer.answers.set('/keys', () => ({ body: { keys } }))
    t.match(await outcome(), /^ERR_ISSUER: cannot get the keys/, JSON.stringify(keys))
  }
})

test('the keys are fetched once for many requests', async (t) => {
  const { issuer, outcome } = await open(t)
  const tokens = Array.from({ length: 20 }, () => outcome())
  for (const principal of await Promise.all(tokens)) t.match(principal, isAlice)
  t.equal(issuer.requests.length, 2)
})

test('an issuer that is away at the start is asked again', async (t) => {
  const { issuer, outcome } = await open(t)
  await issuer.stop()
  t.match(await outcome(), /^ERR_ISSUER: cannot get the keys of .*: no answer of /)
  await issuer.start()
  t.match(await outcome(), isAlice)
})

test('an issuer that does not answer is given up after the timeout', async (t) => {
  const { issuer, outcome } = await open(t, '', { connectTimeout: 200 })
  issuer.answers.set('/keys', () => 'silence')
  t.match(await outcome(), /^ERR_ISSUER: .*timeout/)
})

test(
  'a new key is fetched with the first token that has it, at most once a second',
  beside,
  async (t) => {
    const { issuer, outcome } = await open(t)
    t.match(await outcome(), isAlice)
    const old = await issuer.sign({ aud: 'x' })
    issuer.keys.push(await issuer.newKey())
    const start = performance.now()
    const outcomes = await Promise.all(Array.from({ length: 20 }, () => outcome()))
    for (const found of outcomes) t.match(found, isAlice)
    t.ok(performance.now() - start < 5000)
    t.match(await outcome(old), isAlice)
    t.strictSame(issuer.requests.slice(2), ['GET /keys'], 'the metadata is still known')
    // A flood of tokens with keys that nobody has.
    const flood = Array.from({ length: 50 }, async (_, index) =>
      outcome(await issuer.sign({ aud: 'x' }, { kid: `other-${index}` }))
    )
    for (const found of await Promise.all(flood)) {
      t.match(found, /ERR_UNAUTHORIZED: .*no applicable key/)
    }
    t.ok(issuer.requests.length <= 5, `${issuer.requests.length} requests`)
  }
)

test('the known keys count while an issuer is away, but not for ever', beside, async (t) => {
  const { issuer, outcome, log } = await open(t, '', { keyAge: 400 })
  const token = await issuer.sign({ aud: 'x' })
  t.match(await outcome(token), isAlice)
  const start = performance.now()
  await issuer.stop()
  await sleep(450)
  t.match(await outcome(token), isAlice)
  t.match(await outcome(token), isAlice)
  t.ok(performance.now() - start < 800, 'the machine was fast enough for this test')
  await until(() => log.lines.length > 0)
  t.strictSame(log.lines.length, 1)
  t.match(log.lines[0], /^warn: cannot get the keys of/)
  await sleep(500)
  t.match(await outcome(token), /^ERR_ISSUER/)
  t.match(await outcome(await issuer.sign({ aud: 'x' })), /^ERR_ISSUER/)
  await issuer.start()
  t.match(await outcome(token), isAlice)
})

test('keys are fetched again in the background when they are old', async (t) => {
  const { issuer, outcome } = await open(t, '', { keyAge: 1100 })
  t.match(await outcome(), isAlice)
  await sleep(1200)
  t.match(await outcome(), isAlice)
  await until(() => issuer.requests.length === 4)
  t.strictSame(issuer.requests.slice(2), issuer.requests.slice(0, 2), 'they may have moved')
})

test('keys count for ever if their age has no limit', async (t) => {
  const { issuer, outcome } = await open(t, '', { keyAge: 0 })
  t.match(await outcome(), isAlice)
  await issuer.stop()
  t.match(await outcome(), isAlice)
})

test(
  'a request gets 503 while its issuer is away, and the reason without details',
  beside,
  async (t) => {
    const issuer = await startIssuer(t)
    const log = new KeptLog()
    const auth = issuerAuth({ issuers: [issuer.url], log })
    await issuer.stop()
    await auth.prepare()
    t.match(log.lines, [/^warn: cannot get the keys of/])
    const { client, listener, servers } = await serve(t, { auth, log })
    const authorization = `Bearer ${await issuer.sign({ aud: `${listener.url}mcp` })}`
    const { status, headers, text } = await client().post('{}', { authorization })
    t.equal(status, 503)
    t.equal(headers['retry-after'], '10')
    t.equal(headers['www-authenticate'], undefined)
    const message = 'the token cannot be checked now, because its issuer cannot be reached'
    t.strictSame(JSON.parse(text).error, { code: -32000, message })
    t.equal(servers.length, 0)
    await issuer.start()
    const made = client({ headers: { authorization } })
    t.match(await made.initialize(), { result: {} })
    t.notMatch(log.lines.join(), authorization)
  }
)
