// The built command with a real issuer, `oidc-provider`: JWTs, opaque tokens, new keys, and an issuer that
// is away.

import { writeFileSync } from 'node:fs'
import t from 'tap'
import type { Test } from 'tap'
import { httpClient } from '../../fixtures/clients/raw.js'
import type { HttpClient } from '../../fixtures/clients/raw.js'
import { startIssuer as startRealIssuer } from '../../fixtures/servers/issuer.js'
import type { Issuer } from '../../fixtures/servers/issuer.js'
import { demo, openShell } from './run.ts'
import type { Serving } from './run.ts'

t.setTimeout(180_000)

const shell = openShell(t)
const publicUrl = 'https://mcp.example.com'

async function startIssuer(t: Test): Promise<Issuer> {
  const issuer = await startRealIssuer({ clients: ['alice', 'bob', 'proxy'] })
  t.teardown(() => issuer.stop())
  return issuer
}

const serve = (issuer: Issuer, flags = '', env = {}): Promise<Serving> =>
  shell.serve(`mcp-proxy --auth-issuer ${issuer.url} --public-url ${publicUrl} ${flags} ${demo}`, {
    env
  })

function clientWith(t: Test, { url }: Serving, token: string): HttpClient {
  const client = httpClient(`${url}mcp`, { headers: { authorization: `Bearer ${token}` } })
  t.teardown(() => client.close())
  return client
}

const statusOf = async ({ url }: Serving, token: string, path = 'status'): Promise<number> =>
  (await fetch(url + path, { headers: { authorization: `Bearer ${token}` } })).status

t.test('a client finds the issuer, and comes in with a token for this proxy only', async (t) => {
  const issuer = await startIssuer(t)
  const proxy = await serve(issuer, '--debug')
  const refused = await fetch(`${proxy.url}mcp`, { method: 'POST' })
  const challenge = refused.headers.get('www-authenticate') ?? ''
  t.equal(refused.status, 401)
  const [, found = ''] = /resource_metadata="([^"]*)"/.exec(challenge) ?? []
  t.equal(found, `${publicUrl}/.well-known/oauth-protected-resource/mcp`)
  const metadata = await fetch(found.replace(`${publicUrl}/`, proxy.url))
  t.match(await metadata.json(), {
    resource: `${publicUrl}/mcp`,
    authorization_servers: [issuer.url]
  })
  const resource = `${publicUrl}/mcp`
  const client = clientWith(t, proxy, await issuer.token('alice', resource))
  t.match(await client.initialize(), { result: {} })
  const other = await issuer.token('alice', 'https://other.example')
  t.equal(await statusOf(proxy, other), 401, 'another audience')
  const thief = clientWith(t, proxy, await issuer.token('bob', publicUrl))
  thief.sessionId = client.sessionId
  t.match(await thief.post('{"jsonrpc":"2.0","id":1,"method":"ping"}'), { status: 404 })
  const renewed = await issuer.token('alice', publicUrl)
  client.headers.authorization = `Bearer ${renewed}`
  t.match(await client.request('ping'), { result: {} }, 'a new token of the same client')
  const { stderr } = await proxy.kill()
  t.notMatch(stderr, /s3cret|eyJ/, 'no token is logged')
  t.notMatch(stderr, other)
})

t.test('keys are replaced while clients call, and no call fails', async (t) => {
  const issuer = await startIssuer(t)
  const proxy = await serve(issuer)
  let token = await issuer.token('alice', publicUrl)
  const statuses: number[] = []
  let isDone = false
  const callers = Array.from({ length: 8 }, async () => {
    while (!isDone) statuses.push(await statusOf(proxy, token))
  })
  for (let count = 0; count < 3; count++) {
    await issuer.rotate()
    token = await issuer.token('alice', publicUrl)
    t.equal(await statusOf(proxy, token), 200)
  }
  isDone = true
  await Promise.all(callers)
  t.ok(statuses.length > 20)
  t.strictSame([...new Set(statuses)], [200])
  await proxy.kill()
})

t.test('while the issuer is away nobody new comes in, and it is told', async (t) => {
  const issuer = await startIssuer(t)
  const token = await issuer.token('alice', publicUrl)
  await issuer.stop()
  const proxy = await serve(issuer)
  await proxy.log.until((line) => line.includes('cannot get the keys of'))
  t.equal(await statusOf(proxy, token), 503)
  t.equal(await statusOf(proxy, 'x.y.z'), 401)
  await issuer.start()
  t.equal(await statusOf(proxy, token), 200)
  const later = await issuer.token('bob', publicUrl)
  await issuer.stop()
  t.equal(await statusOf(proxy, token), 200, 'a token that was checked')
  t.equal(await statusOf(proxy, later), 200, 'a new token with a known key')
  await proxy.kill()
})

t.test('a server asks for its scope', async (t) => {
  const issuer = await startIssuer(t)
  const proxy = await serve(issuer, '--auth-scope default=mcp:use')
  const initialize = async (scope: string): Promise<string | null> => {
    const authorization = `Bearer ${await issuer.token('alice', publicUrl, scope)}`
    const response = await fetch(`${proxy.url}mcp`, { headers: { authorization } })
    return response.status === 403 ? response.headers.get('www-authenticate') : null
  }
  t.equal(await initialize('mcp:use mcp:other'), null)
  t.match(await initialize('mcp:other'), /error="insufficient_scope".*scope="mcp:use"/)
  await proxy.kill()
})

t.test(
  'opaque tokens are checked by asking, and count for a moment after they are revoked',
  async (t) => {
    const issuer = await startIssuer(t)
    writeFileSync(`${shell.directory}/credentials`, 'proxy:s3cret-proxy\n')
    const url = `--auth-introspection ${issuer.url}/token/introspection --introspection-age 1s`
    const file = '--auth-introspection-file credentials'
    const resource = `${publicUrl}/opaque`
    const proxy = await serve(issuer, `--debug ${url} ${file}`)
    const token = await issuer.token('alice', resource)
    t.notMatch(token, /\./, 'it is no JWT')
    const client = clientWith(t, proxy, token)
    t.match(await client.initialize(), { result: {} })
    const stream = await client.openGet()
    t.equal(await statusOf(proxy, 'other-token'), 401)
    await issuer.revoke('alice', token)
    await stream.closed
    t.equal(await statusOf(proxy, token), 401)
    const { stderr } = await proxy.kill()
    t.notMatch(stderr, /s3cret/)
    t.notMatch(stderr, token)
    const env = { MCP_PROXY_INTROSPECTION: 'proxy:s3cret-proxy' }
    const again = await serve(issuer, url, env)
    t.equal(await statusOf(again, await issuer.token('bob', resource)), 200)
    await again.kill()
  }
)
