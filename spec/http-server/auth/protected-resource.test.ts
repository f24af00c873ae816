// The servers of a listener as protected resources: their metadata, what a refusal tells a client, and
// for which server a token counts.

import { test } from 'tap'
import type { Test } from 'tap'
import { sseClient } from '../../../fixtures/clients/raw.js'
import type { HttpClient } from '../../../fixtures/clients/raw.js'
import { issuerAuth } from '../../../lib/http-server/auth/issuer-auth.ts'
import type { IssuerAuthOptions } from '../../../lib/http-server/auth/issuer-auth.ts'
import { tokenAuth } from '../../../lib/http-server/auth/token-auth.ts'
import { listen } from '../../../lib/http-server/listener.ts'
import type { ListenerOptions } from '../../../lib/http-server/listener.ts'
import { getJson, sendRequest, serve } from '../helpers.ts'
import type { Served } from '../helpers.ts'
import { startIssuer } from './small-issuer.ts'
import type { Claims, SmallIssuer } from './small-issuer.ts'

const publicUrl = 'https://mcp.example.com'
const wellKnown = '.well-known/oauth-protected-resource'
const ping = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping' })

interface Guarded extends Served {
  issuer: SmallIssuer
  /** Resolves to the header of a new token. */
  bearer(claims?: Claims): Promise<{ authorization: string }>
  /** Resolves to the status of a GET with a token, and to its header `WWW-Authenticate`. */
  get(path: string, claims?: Claims): Promise<[status: number, challenge: string | undefined]>
}

/** Serves the default server and `fetch`, which needs the scopes `a` and `b`. */
async function guard(
  t: Test,
  options: ListenerOptions = {},
  more: Partial<IssuerAuthOptions> = {}
): Promise<Guarded> {
  const issuer = await startIssuer(t)
  const scopes = { fetch: ['a', 'b'] }
  const auth = issuerAuth({ issuers: [issuer.url], scopes, ...more })
  const served = await serve(t, { auth, publicUrl, servers: ['', 'fetch'], ...options })
  const bearer: Guarded['bearer'] = async (claims) => ({
    authorization: `Bearer ${await issuer.sign({ aud: publicUrl, scope: 'a b', ...claims })}`
  })
  return {
    ...served,
    issuer,
    bearer,
    async get(path, claims) {
      const headers = claims === undefined ? {} : await bearer(claims)
      const { statusCode = 0, headers: sent } = await sendRequest(
        t,
        served.listener,
        'GET',
        path,
        headers
      )
      return [statusCode, sent['www-authenticate']]
    }
  }
}

test('each endpoint has metadata at its well-known path, and so has the proxy', async (t) => {
  const { listener, issuer } = await guard(t)
  const common = { authorization_servers: [issuer.url], bearer_methods_supported: ['header'] }
  const scopes_supported = ['a', 'b']
  const documents: [string, object][] = [
    ['', { resource: publicUrl, ...common, scopes_supported }],
    ['/', { resource: publicUrl, ...common, scopes_supported }],
    ['/mcp', { resource: `${publicUrl}/mcp`, ...common }],
    ['/mcp/', { resource: `${publicUrl}/mcp`, ...common }],
    ['/sse', { resource: `${publicUrl}/sse`, ...common }],
    [
      '/servers/fetch/mcp',
      { resource: `${publicUrl}/servers/fetch/mcp`, ...common, scopes_supported }
    ],
    [
      '/servers/fetch/sse',
      { resource: `${publicUrl}/servers/fetch/sse`, ...common, scopes_supported }
    ]
  ]
  for (const [path, document] of documents) {
    t.strictSame(await getJson(t, listener, wellKnown + path), [200, document], path)
  }
  for (const path of [
    '/status',
    '/messages/',
    '/servers/other/mcp',
    'mcp',
    '/x',
    `/${wellKnown}`
  ]) {
    t.match(await getJson(t, listener, wellKnown + path), [401], path)
  }
  const { statusCode } = await sendRequest(t, listener, 'POST', wellKnown)
  t.equal(statusCode, 405)
})

test('web pages of every origin can read the metadata, and nothing else', async (t) => {
  const { listener } = await guard(t, { allowOrigins: ['https://app.example'] })
  const headers = { origin: 'https://any.example', 'sec-fetch-site': 'cross-site' }
  for (const method of ['GET', 'OPTIONS']) {
    const { statusCode, headers: sent } = await sendRequest(
      t,
      listener,
      method,
      `${wellKnown}/mcp`,
      headers
    )
    t.equal(statusCode, method === 'GET' ? 200 : 204)
    t.equal(sent['access-control-allow-origin'], '*')
  }
  t.equal((await sendRequest(t, listener, 'GET', 'mcp', headers)).statusCode, 403)
  const host = { host: 'evil.example' }
  t.equal((await sendRequest(t, listener, 'GET', wellKnown, host)).statusCode, 403)
  const own = await sendRequest(t, listener, 'GET', 'mcp', { origin: 'https://app.example' })
  t.equal(own.statusCode, 401)
  t.equal(own.headers['access-control-expose-headers'], 'Mcp-Session-Id, WWW-Authenticate')
  const chosen = await guard(t, { allowOrigins: ['*'], exposeHeaders: ['X-Own'] })
  const sent = await sendRequest(t, chosen.listener, 'GET', 'mcp', headers)
  t.equal(sent.headers['access-control-expose-headers'], 'X-Own, WWW-Authenticate')
})

test('without an issuer there is no metadata', async (t) => {
  const { listener } = await serve(t, { auth: tokenAuth({ token: 'x' }) })
  for (const path of ['', '/mcp']) t.match(await getJson(t, listener, wellKnown + path), [401])
  const open = await serve(t)
  t.match(await getJson(t, open.listener, wellKnown), [404])
})

test('a refusal says where the metadata is, and which scopes are needed', async (t) => {
  const { get } = await guard(t)
  const at = (path: string): string => `resource_metadata="${publicUrl}/${wellKnown}${path}"`
  t.strictSame(await get('mcp'), [401, `Bearer ${at('/mcp')}`])
  t.strictSame(await get('sse'), [401, `Bearer ${at('/sse')}`])
  t.strictSame(await get('messages/?session_id=x'), [401, `Bearer ${at('/sse')}`])
  for (const path of ['status', 'none', 'servers/other/mcp']) {
    t.strictSame(await get(path), [401, `Bearer ${at('')}`])
  }
  const scope = 'scope="a b"'
  t.strictSame(await get('servers/fetch/mcp'), [
    401,
    `Bearer ${at('/servers/fetch/mcp')}, ${scope}`
  ])
  t.strictSame(await get('mcp', { exp: 1 }), [401, `Bearer error="invalid_token", ${at('/mcp')}`])
  for (const claims of [
    { scope: 'a' },
    { scope: 'b c' },
    { scope: 'ab a,b' },
    { scope: undefined }
  ]) {
    t.strictSame(await get('servers/fetch/mcp', claims), [
      403,
      `Bearer error="insufficient_scope", ${at('/servers/fetch/mcp')}, ${scope}`
    ])
  }
  t.match(await get('servers/fetch/mcp', { scope: 'c b a' }), [400])
  t.match(await get('mcp', { scope: undefined }), [400], 'the default server needs no scope')
})

test('a token counts for the server that its audience names', async (t) => {
  const { get } = await guard(t)
  const statusOf = async (path: string, aud: unknown): Promise<number> =>
    (await get(path, { aud }))[0]
  const fetchServer = `${publicUrl}/servers/fetch`
  for (const aud of [publicUrl, `${publicUrl}/`, 'HTTPS://MCP.Example.com', ['x', publicUrl]]) {
    t.equal(await statusOf('mcp', aud), 400, String(aud))
    t.equal(await statusOf('servers/fetch/mcp', aud), 400, String(aud))
    t.equal(await statusOf('status', aud), 200, String(aud))
  }
  for (const aud of [`${publicUrl}/mcp`, `${publicUrl}/sse`, `${publicUrl}/mcp/`]) {
    t.equal(await statusOf('mcp', aud), 400, aud)
    t.equal(await statusOf('servers/fetch/mcp', aud), 401, aud)
    t.equal(await statusOf('status', aud), 200, aud)
  }
  for (const aud of [fetchServer, `${fetchServer}/mcp`, `${fetchServer}/sse`]) {
    t.equal(await statusOf('mcp', aud), 401, aud)
    t.equal(await statusOf('servers/fetch/mcp', aud), 400, aud)
    t.equal(await statusOf('status', aud), 200, aud)
  }
  for (const aud of [
    'https://mcp.example.com.evil.example',
    'https://mcp.example.com/MCP',
    'https://mcp.example.com/servers/fetch/../../mcp',
    'https://mcp.example.com//',
    'http://mcp.example.com',
    'https://mcp.example.com:443',
    'https://user@mcp.example.com',
    'mcp.example.com',
    'other',
    [],
    {}
  ]) {
    for (const path of ['mcp', 'servers/fetch/mcp', 'status', 'none']) {
      t.equal(await statusOf(path, aud), 401, `${JSON.stringify(aud)} at ${path}`)
    }
  }
})

test('a POST without the id of a connection needs an audience of this proxy', async (t) => {
  const { client, bearer } = await guard(t)
  const post = async (aud: string): Promise<number> =>
    (await client({ path: 'messages/', headers: await bearer({ aud }) }).post(ping)).status
  t.equal(await post(publicUrl), 404)
  t.equal(await post('other'), 401)
})

test('a configured audience takes the place of the URLs', async (t) => {
  const { get, listener } = await guard(t, {}, { audience: 'api://mcp' })
  t.match(await get('mcp', { aud: 'api://mcp' }), [400])
  t.match(await get('servers/fetch/mcp', { aud: 'api://mcp' }), [400])
  t.match(await get('mcp', {}), [401], 'the public URL')
  t.match(await getJson(t, listener, `${wellKnown}/mcp`), [200, { resource: `${publicUrl}/mcp` }])
})

test('the public URL is that of the listener if there is no other', async (t) => {
  const { listener, get } = await guard(t, { publicUrl: undefined })
  const resource = `${listener.url}mcp`
  t.match(await getJson(t, listener, `${wellKnown}/mcp`), [200, { resource }])
  t.match(await get('mcp', { aud: resource }), [400])
  const under = await guard(t, { publicUrl: undefined, basePath: '/tools/' })
  t.match(await getJson(t, under.listener, `${wellKnown}/tools/mcp`), [
    200,
    { resource: `${under.listener.url}tools/mcp` }
  ])
})

test('the path of the public URL is the base path', async (t) => {
  const { listener, bearer } = await guard(t, { publicUrl: `${publicUrl}/tools/` })
  const resource = `${publicUrl}/tools/mcp`
  for (const path of [
    `${wellKnown}/tools/mcp`,
    `tools/${wellKnown}/mcp`,
    `tools/${wellKnown}/tools/mcp`,
    `${wellKnown}/mcp`
  ]) {
    t.match(await getJson(t, listener, path), [200, { resource }], path)
  }
  for (const path of [`${wellKnown}/tools`, `${wellKnown}/tools/`, `tools/${wellKnown}`]) {
    t.match(await getJson(t, listener, path), [200, { resource: `${publicUrl}/tools` }], path)
  }
  const headers = await bearer({ aud: `${publicUrl}/tools` })
  const stream = await sseClient(new URL('tools/sse', listener.url), { headers })
  t.teardown(() => stream.close())
  t.match(stream.endpoint, /\/tools\/messages\/\?session_id=/)
})

test('a public URL that is no URL is an error, and nothing listens', async (t) => {
  const auth = tokenAuth({ token: 'x' })
  const listening = listen({ auth, publicUrl: 'mcp.example.com' }, () => {})
  await t.rejects(listening, {
    code: 'ERR_CONFIG',
    message: 'the public URL "mcp.example.com" is no URL'
  })
})

test('the header Host changes nothing in the metadata', async (t) => {
  const { listener } = await guard(t, { publicUrl: undefined, allowHosts: ['evil.example'] })
  const host = 'evil.example'
  const { headers } = await sendRequest(t, listener, 'GET', 'mcp', { host })
  t.match(headers['www-authenticate'], `resource_metadata="${listener.url}${wellKnown}/mcp"`)
})

test('a session belongs to an issuer and a subject', async (t) => {
  const issuer = await startIssuer(t)
  const other = await startIssuer(t)
  const both = issuerAuth({ issuers: [issuer.url, other.url] })
  const served = await serve(t, { auth: both, publicUrl })
  const clientOf = async (of: SmallIssuer, claims: Claims = {}): Promise<HttpClient> => {
    const token = await of.sign({ aud: publicUrl, ...claims })
    return served.client({ headers: { authorization: `Bearer ${token}` } })
  }
  const alice = await clientOf(issuer)
  await alice.initialize()
  t.equal(served.contexts[0]?.principal, `${issuer.url}#alice`)
  const strangers: [SmallIssuer, Claims][] = [
    [other, {}],
    [issuer, { sub: 'bob' }],
    [issuer, { sub: undefined, client_id: 'alice' }]
  ]
  for (const [of, claims] of strangers) {
    const thief = await clientOf(of, claims)
    thief.sessionId = alice.sessionId
    t.match(await thief.post(ping), { status: 404 })
    t.match(await thief.delete(), { status: 404 })
    t.equal((await thief.open('GET')).statusCode, 404)
  }
  const renewed = await clientOf(issuer, { jti: 'other' })
  renewed.sessionId = alice.sessionId
  t.match(await renewed.post(ping), { status: 200 }, 'another token of the same user')
})

test('a token for one server cannot send to a connection of another', async (t) => {
  const { listener, bearer, client } = await guard(t)
  const headers = await bearer()
  const stream = await sseClient(new URL('servers/fetch/sse', listener.url), { headers })
  t.teardown(() => stream.close())
  const query = stream.endpoint.replace(/^.*\?/, '?')
  const post = async (path: string, claims: Claims): Promise<number> => {
    const made = client({ path: path + query, headers: await bearer(claims) })
    return (await made.post(ping)).status
  }
  for (const path of ['messages/', 'servers/fetch/messages/', 'x/messages']) {
    t.equal(await post(path, { aud: `${publicUrl}/mcp` }), 401, path)
    t.equal(await post(path, { scope: '' }), 403, path)
    t.equal(await post(path, { aud: `${publicUrl}/servers/fetch/sse` }), 202, path)
  }
})
