// The sign-in at a real authorization server, oidc-provider.

import { generateKeyPairSync } from 'node:crypto'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import tap, { test } from 'tap'
import type { Test } from 'tap'
import { consent } from '../../../../fixtures/clients/person.js'
import { startOidc } from '../../../../fixtures/servers/oidc.js'
import type { OidcFixture, OidcOptions } from '../../../../fixtures/servers/oidc.js'
import { SignIn } from '../../../../lib/http-client/auth/sign-in.ts'
import type { SignInOptions } from '../../../../lib/http-client/auth/sign-in.ts'
import { revoke } from '../../../../lib/http-client/auth/sign-in/revoke.ts'
import { TokenStore } from '../../../../lib/http-client/auth/sign-in/token-store.ts'
import { openRequests } from './helpers.ts'

tap.setTimeout(120_000)

async function serve(t: Test, options?: OidcOptions): Promise<OidcFixture> {
  const server = await startOidc(options)
  t.teardown(() => server.close())
  return server
}

interface Client {
  /** Sends a request, and sends it again after a refusal. Resolves to the status. */
  call(): Promise<number>
  /** Makes the client believe that the server has refused its token. */
  refuse(): Promise<void>
  signIn: SignIn
}

function clientOf(server: OidcFixture, options?: Partial<SignInOptions>): Client {
  const show = (url: URL, code?: string): void => void consent(url, code)
  const signIn = new SignIn({ server: server.url, env: {}, show, ...options })
  const send = async (): Promise<Response & { authorization: string | undefined }> => {
    const authorization = await signIn.authorize(undefined)
    const headers = authorization === undefined ? {} : { authorization }
    const body = '{"jsonrpc":"2.0","id":1,"method":"ping"}'
    const response = await fetch(server.url, { method: 'POST', headers, body })
    return Object.assign(response, { authorization })
  }
  const call = async (): Promise<number> => {
    const first = await send()
    if (first.status !== 401) return first.status
    signIn.refused(first.authorization, Object.fromEntries(first.headers))
    return (await send()).status
  }
  const refuse = async (): Promise<void> => {
    signIn.refused(await signIn.authorize(undefined), {})
  }
  return { call, refuse, signIn }
}

test('a person signs in, and refresh tokens rotate', async (t) => {
  const server = await serve(t)
  const { call, refuse } = clientOf(server)
  t.equal(await call(), 200)
  for (let times = 0; times < 2; times++) {
    await refuse()
    t.equal(await call(), 200)
  }
  t.match(server.counts, { authorize: 1, register: 1, refresh: 2, unauthorized: 1 })
})

test('a refresh token that was used before ends in one new sign-in', async (t) => {
  const server = await serve(t)
  const folder = t.testdir({})
  const first = clientOf(server, { store: new TokenStore(folder, server.url) })
  t.equal(await first.call(), 200)
  const file = join(folder, readdirSync(folder).find((name) => name.endsWith('.json')) as string)
  const old = readFileSync(file, 'utf8').replace(/"expiresAt":\d+/, '"expiresAt":1')
  writeFileSync(file, old)
  const next = (): Client => clientOf(server, { store: new TokenStore(folder, server.url) })
  t.equal(await next().call(), 200)
  t.match(server.counts, { refresh: 1, authorize: 1 })
  writeFileSync(file, old)
  const both = await Promise.all([next().call(), next().call()])
  t.strictSame(both, [200, 200])
  t.match(server.counts, { authorize: 2, register: 1 })
})

test('a person signs in on another device', async (t) => {
  const server = await serve(t)
  const codes: string[] = []
  const pages: string[] = []
  const show = (url: URL, code = ''): void => {
    codes.push(code)
    void consent(url, code).then((page) => pages.push(page))
  }
  const { call } = clientOf(server, { browser: false, show })
  t.equal(await call(), 200)
  t.match(codes, [/^[A-Z]{4}-[A-Z]{4}$/])
  t.match(pages, ['Sign-in Success'])
  t.match(server.counts, { register: 1, authorize: 0 })
})

test('a key proves the identity of a client, for itself and for a person', async (t) => {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const jwks = { keys: [{ ...publicKey.export({ format: 'jwk' }), use: 'sig' }] }
  const common = { token_endpoint_auth_method: 'private_key_jwt', jwks }
  const server = await serve(t, {
    clients: [
      {
        ...common,
        client_id: 'machine',
        grant_types: ['client_credentials'],
        redirect_uris: [],
        response_types: []
      },
      {
        ...common,
        client_id: 'person',
        application_type: 'native',
        grant_types: ['authorization_code', 'refresh_token'],
        redirect_uris: ['http://127.0.0.1/callback']
      }
    ]
  })
  const clientKey = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
  const machine = clientOf(server, {
    clientId: 'machine',
    clientKey,
    clientCredentials: true,
    show: undefined
  })
  t.equal(await machine.call(), 200)
  await machine.refuse()
  t.equal(await machine.call(), 200)
  t.match(server.counts, { authorize: 0, refresh: 0 })
  const person = clientOf(server, { clientId: 'person', clientKey })
  t.equal(await person.call(), 200)
  await person.refuse()
  t.equal(await person.call(), 200)
  t.match(server.counts, { authorize: 1, refresh: 1, register: 0 })
})

test('tokens that are revoked are of no use', async (t) => {
  const server = await serve(t)
  const store = new TokenStore(t.testdir({}), server.url)
  t.equal(await clientOf(server, { store }).call(), 200)
  const grant = await store.load()
  if (grant === undefined) throw new Error('there are tokens')
  const requests = openRequests(t, server.url)
  t.equal(await revoke(requests, grant, {}), true)
  t.equal(server.counts.revoke, 2)
  t.equal(await revoke(requests, { ...grant, refreshToken: undefined }, {}), true)
  t.equal(server.counts.revoke, 3)
  const headers = { authorization: `Bearer ${grant.accessToken}` }
  t.equal((await fetch(server.url, { method: 'POST', headers })).status, 401)
  t.equal(await clientOf(server, { store }).call(), 200)
  t.match(server.counts, { refresh: 0, authorize: 2 })
})
