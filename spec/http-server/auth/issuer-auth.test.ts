// Tokens of an issuer: each claim wrong in turn, wrong algorithms, and a listener that asks for them.

import { createHmac } from 'node:crypto'
import { test } from 'tap'
import type { Test } from 'tap'
import { exportJWK, exportSPKI, generateKeyPair, importJWK, SignJWT, UnsecuredJWT } from 'jose'
import type { CryptoKey } from 'jose'
import { describe } from '../../../lib/errors.ts'
import { issuerAuth } from '../../../lib/http-server/auth/issuer-auth.ts'
import type { IssuerAuthOptions } from '../../../lib/http-server/auth/issuer-auth.ts'
import { tokenAuth } from '../../../lib/http-server/auth/token-auth.ts'
import { inSeconds, startIssuer } from './small-issuer.ts'
import type { Claims, SmallIssuer } from './small-issuer.ts'

const audience = 'https://mcp.example.com'

interface Checked {
  issuer: SmallIssuer
  auth: ReturnType<typeof issuerAuth>
  /** Resolves to the principal of a token, or to the reason why there is none. */
  outcome(token: string | Promise<string>): Promise<string | undefined>
}

async function open(t: Test, options: Partial<IssuerAuthOptions> = {}): Promise<Checked> {
  const issuer = await startIssuer(t)
  const auth = issuerAuth({ issuers: [issuer.url], ...options })
  const outcome = async (token: string | Promise<string>): Promise<string | undefined> => {
    try {
      return (await auth.check(await token))?.principal
    } catch (error) {
      t.match(error, { code: 'ERR_UNAUTHORIZED' })
      return describe(error)
    }
  }
  return { issuer, auth, outcome }
}

test('a token gives its issuer, its subject, its audiences and its scopes', async (t) => {
  const { issuer, auth } = await open(t)
  const check = async (claims: Claims): Promise<unknown> => {
    const grant = await auth.check(await issuer.sign(claims))
    return { ...grant, scopes: [...(grant?.scopes ?? [])], valid: grant?.isValid?.() }
  }
  t.match(await check({ aud: audience, scope: 'a b' }), {
    principal: `${issuer.url}#alice`,
    audiences: [audience],
    scopes: ['a', 'b'],
    valid: true
  })
  // Azure and Okta write the scopes in `scp`.
  t.match(await check({ aud: ['x', 1, 'y'], scp: 'c  d' }), {
    audiences: ['x', 'y'],
    scopes: ['c', 'd']
  })
  t.match(await check({ aud: [], scp: ['e', 2], scope: ['f'] }), { scopes: ['f', 'e'] })
  // Without a subject, the token is that of a client. It is not that of a user with the same name.
  for (const claim of ['client_id', 'azp']) {
    const claims = { aud: audience, sub: undefined, [claim]: 'alice' }
    t.match(await check(claims), { principal: `${issuer.url}?client=alice` })
  }
})

test('each wrong claim is refused', async (t) => {
  const { issuer, outcome } = await open(t, { clockSkew: 10_000 })
  const other = await startIssuer(t)
  const wrong: [Claims, RegExp][] = [
    [{ exp: undefined }, /missing required "exp" claim/],
    [{ exp: 'tomorrow' }, /"exp" claim must be a number/],
    [{ exp: inSeconds(-11) }, /"exp" claim timestamp check failed/],
    [{ nbf: inSeconds(30) }, /"nbf" claim timestamp check failed/],
    [{ nbf: 'x' }, /"nbf" claim must be a number/],
    [{ aud: undefined }, /missing required "aud" claim/],
    [{ iss: undefined }, /unknown issuer \(iss\)/],
    [{ iss: other.url }, /unknown issuer \(iss\)/],
    [{ iss: `${issuer.url}/` }, /unknown issuer \(iss\)/],
    [{ sub: undefined }, /names no subject/],
    [{ sub: '' }, /names no subject/],
    [{ sub: 7 }, /names no subject/],
    [{ cnf: { jkt: 'x' } }, /bound to a key of its client/]
  ]
  for (const [claims, reason] of wrong) {
    const token = issuer.sign({ aud: audience, ...claims })
    t.match(await outcome(token), reason, JSON.stringify(claims))
  }
  const good = [{}, { exp: inSeconds(-8) }, { nbf: inSeconds(8) }]
  for (const claims of good) {
    t.equal(await outcome(issuer.sign({ aud: audience, ...claims })), `${issuer.url}#alice`)
  }
})

test('a token of another kind is refused', async (t) => {
  const { issuer, outcome } = await open(t)
  for (const typ of ['logout+jwt', 'dpop+jwt', 'token-introspection+jwt']) {
    t.match(await outcome(issuer.sign({ aud: audience }, { typ })), /is no access token/, typ)
  }
  for (const typ of ['JWT', 'AT+JWT', 'application/at+jwt', undefined]) {
    t.match(await outcome(issuer.sign({ aud: audience }, { typ } as object)), /#alice/, String(typ))
  }
})

test('a token without a signature or with a symmetric one is refused', async (t) => {
  const { issuer, outcome } = await open(t)
  const claims = { iss: issuer.url, sub: 'alice', aud: audience, exp: inSeconds(60) }
  t.match(await outcome(new UnsecuredJWT(claims).encode()), /"alg" \(Algorithm\).*not allowed/)
  const [jwk = {}] = issuer.keys
  const spki = await exportSPKI((await importJWK(jwk, 'ES256')) as CryptoKey)
  const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  for (const secret of [spki, spki.trim(), JSON.stringify(jwk), String(jwk.x)]) {
    for (const alg of ['HS256', 'HS384', 'HS512']) {
      const signed = `${encode({ alg, kid: jwk.kid })}.${encode(claims)}`
      const mac = createHmac(`sha${alg.slice(2)}`, secret)
        .update(signed)
        .digest('base64url')
      t.match(await outcome(`${signed}.${mac}`), /not allowed/, alg)
    }
  }
})

test('a changed token, and one with a key of another, is refused', async (t) => {
  const { issuer, outcome } = await open(t)
  const token = await issuer.sign({ aud: audience })
  const [header = '', payload = '', signature = ''] = token.split('.')
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString())
  const changed = Buffer.from(JSON.stringify({ ...claims, sub: 'bob' })).toString('base64url')
  t.match(await outcome(`${header}.${changed}.${signature}`), /signature verification failed/)
  t.match(await outcome(`${header}.${payload}.`), /the token is not valid/)
  t.match(await outcome(`${header}.!.${signature}`), undefined, 'it is no JWT')
  t.match(await outcome(`${header}.e30.${signature}`), /unknown issuer/)
  t.match(await outcome(`${header}.AAAA.${signature}`), /the token is not valid/)
  t.match(await outcome(`e30.${payload}.${signature}`), /the token is not valid/)
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true })
  // The header brings a key of the attacker.
  const jwk = await exportJWK(publicKey)
  const kid = String(issuer.keys[0]?.kid)
  const forged = new SignJWT(claims).setProtectedHeader({ alg: 'ES256', kid, jwk })
  t.match(await outcome(forged.sign(privateKey)), /signature verification failed/)
})

test('a token that never expires is refused', async (t) => {
  const { issuer, outcome } = await open(t)
  const claims = { iss: issuer.url, sub: 'alice', aud: audience }
  // JSON has no Infinity, but a number may be too large.
  const payload = JSON.stringify(claims).replace('}', ',"exp":1e999}')
  t.match(await outcome(issuer.signText(payload)), /it never expires/)
  t.match(await outcome(issuer.signText('[]')), /the token is not valid/)
})

test('a key that cannot be used refuses its tokens', async (t) => {
  const { issuer, outcome } = await open(t)
  issuer.keys = [{ ...issuer.keys[0], x: 'AAAA', y: 'AAAA' }]
  t.match(
    await outcome(issuer.sign({ aud: audience })),
    /the token is not valid: it cannot be checked/
  )
})

test('a token that names no key is tried with all keys that fit', async (t) => {
  const { issuer, outcome } = await open(t)
  issuer.keys.push(await issuer.newKey('RS256'), await issuer.newKey(), await issuer.newKey())
  const withoutKid = { kid: undefined } as object
  t.match(await outcome(issuer.sign({ aud: audience }, withoutKid)), /#alice/)
  await issuer.newKey()
  const reason = /signature verification failed/
  t.match(await outcome(issuer.sign({ aud: audience }, withoutKid)), reason)
})

test('at most 16 keys are tried for a token', async (t) => {
  const { issuer, outcome } = await open(t)
  issuer.keys = []
  for (let count = 0; count < 17; count++) issuer.keys.push(await issuer.newKey())
  const withoutKid = { kid: undefined } as object
  const token = issuer.sign({ aud: audience }, withoutKid)
  t.match(await outcome(token), /signature verification failed/, 'the 17th key')
  issuer.keys.shift()
  const again = issuerAuth({ issuers: [issuer.url] })
  t.match(await again.check(await token), { principal: /#alice/ }, 'the 16th key')
})

test('fixed tokens count too, and opaque ones do not without introspection', async (t) => {
  const { outcome, issuer } = await open(t, { tokens: tokenAuth({ token: 'fixed' }) })
  t.equal(await outcome('fixed'), 'default')
  t.equal(await outcome('opaque'), undefined)
  t.equal(await outcome('a.b.c'), undefined)
  t.match(await outcome(issuer.sign({ aud: audience })), /#alice/)
})

test('options that are not safe are errors', async (t) => {
  const code = 'ERR_CONFIG'
  const make =
    (issuers: string[], more: object = {}) =>
    () =>
      issuerAuth({ issuers, ...more })
  t.throws(make([]), { code, message: 'there is no issuer of tokens' })
  for (const url of ['http://auth.example.com', 'ftp://127.0.0.1', 'auth.example.com']) {
    t.throws(make([url]), {
      code,
      message: `${url} needs https:, because it is not on this machine`
    })
  }
  const introspection = { clientId: 'a', clientSecret: 'b', url: 'http://auth.example.com/i' }
  t.throws(make(['https://a.example'], { introspection }), { code, message: /needs https:/ })
  t.throws(make(['https://a.example'], { clockSkew: 600_001 }), { code, message: /10 minutes/ })
  t.doesNotThrow(make(['https://a.example'], { clockSkew: 600_000 }))
  for (const url of ['http://localhost:1', 'http://[::1]:1', 'http://127.1.2.3']) {
    t.doesNotThrow(make([url]), url)
  }
})

test('a server without scopes needs none', async (t) => {
  const { rules } = issuerAuth({ issuers: ['https://a.example'], scopes: { a: ['x', 'y'] } })
  t.strictSame(rules?.scopesOf('a'), ['x', 'y'])
  t.strictSame(rules?.scopesOf('b'), [])
  t.strictSame(rules?.scopesOf('toString'), [])
})
