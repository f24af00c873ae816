// The ways to sign in without a browser on this machine: a code on another device, an address that the
// person pastes, and a client that signs in for itself.

import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { decodeProtectedHeader, jwtVerify } from 'jose'
import tap, { test } from 'tap'
import { browse } from '../../../../fixtures/servers/authorization.js'
import { failure, start } from './helpers.ts'

tap.setTimeout(120_000)

test('with a browser, and where the server offers no code, the browser is used', async (t) => {
  const one = await start(t, { device: {} })
  await one.call()
  t.equal(one.server.counts.authorize, 1)
  const two = await start(t, {}, { browser: false })
  await two.call()
  t.equal(two.server.counts.authorize, 1)
})

test('the person can paste the address that the browser could not open', async (t) => {
  let stopped = 0
  const answers: boolean[] = []
  let address = ''
  const { call } = await start(
    t,
    {},
    {
      browser: false,
      show: (url) => {
        const back = new URL(url.searchParams.get('redirect_uri') as string)
        url.searchParams.set('redirect_uri', back.href.replace(back.port, '1'))
        address = url.href
      },
      readLines: (onLine) => {
        void fetch(address, { redirect: 'manual' }).then(({ headers }) => {
          const pasted = headers.get('location') as string
          answers.push(onLine('hello'), onLine(pasted.replace('state=', 'state=x')))
          answers.push(onLine(` ${pasted}#_ `), onLine(pasted))
        })
        return () => stopped++
      }
    }
  )
  t.equal(await call(), 202)
  t.strictSame(answers, [false, false, true, false], 'one answer counts, with the right state')
  t.equal(stopped, 1)
})

test('only the first answer of a browser counts', async (t) => {
  const statuses: number[] = []
  const { server, call } = await start(
    t,
    {},
    {
      show: (url) => {
        void fetch(url, { redirect: 'manual' }).then(async ({ headers }) => {
          const back = new URL(headers.get('location') as string)
          const both = await Promise.allSettled([browse(back), browse(back)])
          for (const one of both) if (one.status === 'fulfilled') statuses.push(one.value.status)
        })
      }
    }
  )
  t.equal(await call(), 202)
  t.equal(statuses.filter((status) => status === 200).length <= 1, true)
  t.equal(server.counts.token, 1)
})

test('without anybody to ask, the error says what to do', async (t) => {
  const started = await start(t, {}, { show: undefined, advice: 'run mcp-proxy login X' })
  t.match(await failure(t, started), 'nobody can sign in here: run mcp-proxy login X')
  t.strictSame(
    started.server.asked.map(({ path }) => path),
    ['/mcp']
  )
  const given = { show: undefined, advice: 'ask', clientId: 'a', clientSecret: 'secret-b' }
  const other = await start(t, {}, given)
  t.match(await failure(t, other), 'nobody can sign in here: ask')
})

const onlyMachines = { grant_types_supported: ['client_credentials'] }

test('a client with a secret signs in for itself where the server offers nothing else', async (t) => {
  const own = { show: undefined, clientId: 'my-id', clientSecret: 's-e' }
  const { server, call } = await start(t, { metadata: onlyMachines, token: { expires_in: 0 } }, own)
  t.equal(await call(), 202)
  t.equal(await call(), 202, 'a new token in place of the old one')
  t.match(server.counts, { authorize: 0, register: 0, token: 2, refresh: 0 })
  const [first] = server.asked.filter(({ path }) => path === '/token')
  t.match(first?.body, 'grant_type=client_credentials')
  t.match(first?.body, 'scope=read')
  t.equal(first?.headers.authorization, `Basic ${Buffer.from('my-id:s-e').toString('base64')}`)
})

test('a client signs in for itself if the user wants it', async (t) => {
  const options = { clientId: 'a', clientSecret: 'secret-b', clientCredentials: true }
  const { server, call } = await start(t, { resource: { scopes_supported: undefined } }, options)
  t.equal(await call(), 202)
  t.match(server.counts, { authorize: 0, token: 1 })
  const handle = (
    _req: unknown,
    res: { writeHead: (n: number) => void; end: (s: string) => void },
    url: URL
  ): boolean => {
    if (url.pathname !== '/token') return false
    res.writeHead(401)
    res.end('{"error":"invalid_client","error_description":"wrong secret-b"}')
    return true
  }
  const refused = await start(t, { handle }, options)
  t.match(await failure(t, refused), 'the authorization server refused: invalid_client (wrong …)')
  const none = await start(t, {}, { clientCredentials: true })
  t.match(await failure(t, none), 'client credentials need --client-id')
})

test('a key proves who the client is, in each kind of request for a token', async (t) => {
  const keys: [string, KeyObject][] = [
    ['ES256', generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey],
    ['RS256', generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey],
    ['EdDSA', generateKeyPairSync('ed25519').privateKey]
  ]
  for (const [alg, key] of keys) {
    const clientKey = key.export({ type: 'pkcs8', format: 'pem' }) as string
    const { server, call } = await start(t, {}, { clientId: 'my-id', clientKey })
    await call()
    server.access.clear()
    t.equal(await call(), 202)
    const sent = server.asked.filter(({ path }) => path === '/token')
    t.equal(sent.length, 2, 'a code, and a refresh')
    for (const { body, headers } of sent) {
      const form = new URLSearchParams(body)
      const assertion = form.get('client_assertion') as string
      t.equal(headers.authorization, undefined)
      t.equal(form.get('client_id'), 'my-id')
      const expected = { issuer: 'my-id', subject: 'my-id', audience: server.origin }
      await t.resolves(jwtVerify(assertion, createPublicKey(key), expected))
      t.strictSame(decodeProtectedHeader(assertion), { alg })
    }
  }
})

test('a key may be a JWK, and the algorithm is one that the server accepts', async (t) => {
  const { privateKey: key } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const clientKey = JSON.stringify({ ...key.export({ format: 'jwk' }), kid: 'k1' })
  const metadata = { token_endpoint_auth_signing_alg_values_supported: ['PS256'] }
  const { server, call } = await start(t, { metadata }, { clientId: 'my-id', clientKey })
  t.equal(await call(), 202)
  const form = new URLSearchParams(server.asked.find(({ path }) => path === '/token')?.body)
  const assertion = form.get('client_assertion') as string
  t.strictSame(decodeProtectedHeader(assertion), { alg: 'PS256', kid: 'k1' })
  const plain = JSON.stringify(key.export({ format: 'jwk' }))
  const other = await start(t, {}, { clientId: 'my-id', clientKey: plain })
  t.equal(await other.call(), 202)
  await other.signIn.signIn()
  t.match(other.server.counts, { register: 0, authorize: 2 })
})

test('a key that cannot be used is an error that does not show it', async (t) => {
  const { privateKey } = generateKeyPairSync('x25519')
  const wrong = {
    'hidden text': 'it is no private key in PEM or JWK without a password',
    '{"kty":"hidden"': 'it is no private key',
    [privateKey.export({ type: 'pkcs8', format: 'pem' }) as string]: 'its type is not RSA'
  }
  for (const [clientKey, message] of Object.entries(wrong)) {
    const { call } = await start(t, {}, { clientId: 'a', clientKey })
    const error = await call().catch((cause: Error) => cause)
    t.match(error, { code: 'ERR_CONFIG', cause: undefined })
    t.match((error as Error).message, message)
    t.notMatch((error as Error).message, /hidden|PRIVATE/)
  }
})
