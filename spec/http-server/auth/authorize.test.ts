// A listener with authorization: which requests need a token, and to which principal a session belongs.

import { test } from 'tap'
import type { Test } from 'tap'
import { sseClient } from '../../../fixtures/clients/raw.js'
import type { HttpClient } from '../../../fixtures/clients/raw.js'
import type { Auth, Grant } from '../../../lib/http-server/auth/auth.ts'
import { tokenAuth } from '../../../lib/http-server/auth/token-auth.ts'
import type { ListenerOptions } from '../../../lib/http-server/listener.ts'
import { KeptLog } from '../../helpers.ts'
import { bodyOf, headersOf } from '../../modern.ts'
import { rawConnection, sendRequest, serve, until } from '../helpers.ts'
import type { Served } from '../helpers.ts'

const bearer = (token: string): { authorization: string } => ({ authorization: `Bearer ${token}` })

interface Guarded extends Served {
  /** A client with the token of this principal. */
  as(name: 'alice' | 'bob', path?: string): HttpClient
}

/** Serves the principals `alice` and `bob`, whose tokens are `token-alice` and `token-bob`. */
async function guard(t: Test, options: ListenerOptions = {}): Promise<Guarded> {
  const file = `${t.testdir({ tokens: 'alice:token-alice\nbob:token-bob\n' })}/tokens`
  const served = await serve(t, { auth: tokenAuth({ file }), ...options })
  return {
    ...served,
    as: (name, path = 'mcp') => served.client({ path, headers: bearer(`token-${name}`) })
  }
}

const ping = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping' })

test('a request without a valid token gets 401, and no server starts', async (t) => {
  const { client, servers } = await guard(t)
  const { status, headers, text } = await client().post(ping)
  t.equal(status, 401)
  t.equal(headers['www-authenticate'], 'Bearer')
  t.strictSame(JSON.parse(text), {
    jsonrpc: '2.0',
    id: null,
    error: { code: -32600, message: 'send a token: Authorization: Bearer TOKEN' }
  })
  for (const authorization of [
    'Basic YTpi',
    'Bearer',
    'Bearer ',
    'Bearer a b',
    'token-alice',
    ''
  ]) {
    const { status, headers } = await client().post(ping, { authorization })
    t.strictSame([status, headers['www-authenticate']], [401, 'Bearer'], authorization)
  }
  for (const token of ['token-alic', 'token-alice2', 'TOKEN-ALICE', 'alice:token-alice']) {
    const { status, headers, text } = await client().post(ping, bearer(token))
    t.strictSame(
      [status, headers['www-authenticate']],
      [401, 'Bearer error="invalid_token"'],
      token
    )
    t.equal(JSON.parse(text).error.message, 'the token is not valid')
  }
  t.equal(servers.length, 0)
})

test('the scheme is read without regard to case', async (t) => {
  const { client, contexts } = await guard(t)
  for (const authorization of [
    'Bearer token-alice',
    'bearer token-alice',
    'BEARER  token-alice '
  ]) {
    const made = client({ headers: { authorization } })
    t.match(await made.initialize(), { result: {} })
  }
  t.strictSame(
    contexts.map(({ principal }) => principal),
    ['alice', 'alice', 'alice']
  )
})

test('every path but those of health checks needs a token', async (t) => {
  const { listener } = await guard(t)
  const statusOf = async (method: string, path: string, token?: string): Promise<unknown> =>
    (await sendRequest(t, listener, method, path, token === undefined ? {} : bearer(token)))
      .statusCode
  for (const path of ['mcp', 'sse', 'messages/?session_id=1', 'status', 'servers/x/mcp', 'none']) {
    t.equal(await statusOf('GET', path), 401, path)
    t.equal(await statusOf('GET', path, 'wrong'), 401, path)
  }
  t.equal(await statusOf('DELETE', 'mcp'), 401)
  for (const path of ['healthz', 'readyz', 'healthz/']) {
    t.equal(await statusOf('GET', path), 200, path)
    t.equal(await statusOf('GET', path, 'wrong'), 200, path)
  }
  t.equal(await statusOf('GET', 'status', 'token-bob'), 200)
  t.equal(await statusOf('GET', 'none', 'token-bob'), 404)
  t.equal(await statusOf('GET', 'servers/x/mcp', 'token-bob'), 404)
})

test('the origin is checked before the token, and a preflight needs no token', async (t) => {
  const { listener } = await guard(t, { allowOrigins: ['https://app.example'] })
  const origin = 'https://app.example'
  const foreign = await sendRequest(t, listener, 'GET', 'mcp', { origin: 'https://evil.example' })
  t.equal(foreign.statusCode, 403)
  const preflight = await sendRequest(t, listener, 'OPTIONS', 'mcp', { origin })
  t.equal(preflight.statusCode, 204)
  const refused = await sendRequest(t, listener, 'GET', 'mcp', { origin })
  t.equal(refused.statusCode, 401)
  t.equal(refused.headers['access-control-allow-origin'], origin)
})

test('a session of Streamable HTTP is unknown to other principals', async (t) => {
  const { as, servers } = await guard(t)
  const alice = as('alice')
  await alice.initialize()
  const bob = as('bob')
  bob.sessionId = alice.sessionId
  const unknown = { status: 404, text: /there is no such session/ }
  t.match(await bob.post(ping), unknown)
  t.match(await bob.delete(), unknown)
  t.equal((await bob.open('GET')).statusCode, 404)
  t.equal((await bob.open('GET', undefined, { 'last-event-id': '1-0' })).statusCode, 404)
  t.equal((await alice.post(ping)).status, 200, 'the session goes on')
  t.equal((await alice.delete()).status, 204)
  t.equal(servers.length, 1)
})

test('a connection of HTTP+SSE is unknown to other principals', async (t) => {
  const { listener, as, contexts } = await guard(t)
  const alice = await sseClient(new URL('sse', listener.url), { headers: bearer('token-alice') })
  t.teardown(() => alice.close())
  t.equal(contexts[0]?.principal, 'alice')
  const bob = as('bob', alice.endpoint)
  t.match(await bob.post(ping), { status: 404, text: /there is no such session/ })
  t.match(await alice.initialize(), { result: {} })
})

test('requests without a session carry the principal too', async (t) => {
  const { as, contexts } = await guard(t)
  const method = 'tools/list'
  void as('bob')
    .post(bodyOf('1', method), headersOf(method))
    .catch(() => {})
  while (contexts.length === 0) await new Promise((resolve) => setTimeout(resolve, 10))
  t.match(contexts, [{ kind: 'modern', principal: 'bob' }])
})

/** An authorization that counts its checks. The token is the name of the principal. */
function counting(): { auth: Auth; checks: string[] } {
  const checks: string[] = []
  const check = (token: string): Promise<Grant> => {
    checks.push(token)
    return new Promise((resolve) => setTimeout(() => resolve({ principal: token }), 20))
  }
  return { auth: { check }, checks }
}

test('a token is checked once, also for many requests at the same time', async (t) => {
  const { auth, checks } = counting()
  const { listener } = await serve(t, { auth })
  const get = async (token: string): Promise<unknown> =>
    (await sendRequest(t, listener, 'GET', 'status', bearer(token))).statusCode
  t.strictSame(await Promise.all(['a', 'a', 'b', 'a'].map(get)), [200, 200, 200, 200])
  t.equal(await get('b'), 200)
  t.strictSame(checks, ['a', 'b'])
})

test('the ways to write a header do not fill the memory', async (t) => {
  const { auth, checks } = counting()
  const { listener } = await serve(t, { auth, maxTokens: 2 })
  const get = async (authorization: string): Promise<unknown> =>
    (await sendRequest(t, listener, 'GET', 'status', { authorization })).statusCode
  t.equal(await get('Bearer a'), 200)
  for (const header of ['bearer b', 'BEARER b', 'Bearer  b', 'Bearer   b ']) {
    t.equal(await get(header), 200, header)
  }
  t.equal(await get('Bearer a'), 200)
  t.strictSame(checks, ['a', 'b'])
})

test('the listener remembers at most `maxTokens` tokens', async (t) => {
  for (const [maxTokens, again] of [
    [2, ['a']],
    [3, []],
    [0, []]
  ] as const) {
    const { auth, checks } = counting()
    const { listener } = await serve(t, { auth, maxTokens })
    for (const token of ['a', 'b', 'c', 'c', 'b', 'a']) {
      await sendRequest(t, listener, 'GET', 'status', bearer(token))
    }
    t.strictSame(checks, ['a', 'b', 'c', ...again], String(maxTokens))
  }
})

test('a client that leaves during the check of its token causes nothing', async (t) => {
  let finish: ((grant: Grant) => void) | undefined
  const check = (): Promise<Grant> => new Promise((resolve) => (finish = resolve))
  const { listener, contexts } = await serve(t, { auth: { check } })
  const { socket } = rawConnection(t, listener)
  const host = new URL(listener.url).host
  socket.write(`GET /sse HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer x\r\n\r\n`)
  await until(() => finish !== undefined)
  socket.destroy()
  await new Promise((resolve) => setTimeout(resolve, 50))
  finish?.({ principal: 'x' })
  await new Promise((resolve) => setTimeout(resolve, 50))
  t.equal(contexts.length, 0)
  t.equal(listener.sessions, 0)
})

test('an authorization that fails lets nobody in, and its reason is not shown', async (t) => {
  const log = new KeptLog()
  const check = (): never => {
    throw new TypeError('hidden')
  }
  const { client } = await serve(t, { auth: { check }, log })
  const { status, headers, text } = await client().post(ping, bearer('x'))
  t.equal(status, 500)
  t.equal(headers['www-authenticate'], undefined)
  t.notMatch(text, /hidden/)
  t.match(log.lines, [/^error: POST \/mcp: internal error: hidden/])
})

test('a POST without the id of a connection is refused', async (t) => {
  const { as } = await guard(t)
  t.match(await as('alice', 'messages/').post(ping), { status: 404 })
})
