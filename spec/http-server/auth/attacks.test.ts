// Attacks on a listener with an issuer: a client that tries to confuse the metadata or the issuers, and a
// client that tries to take over the session of another.

import { createServer } from 'node:http'
import { test } from 'tap'
import type { Test } from 'tap'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { sseClient } from '../../../fixtures/clients/raw.js'
import { issuerAuth } from '../../../lib/http-server/auth/issuer-auth.ts'
import { listenLocally } from '../../helpers.ts'
import { rawConnection, serve } from '../helpers.ts'
import type { Served } from '../helpers.ts'
import { inSeconds, startIssuer } from './small-issuer.ts'
import type { Claims, SmallIssuer } from './small-issuer.ts'

const publicUrl = 'https://mcp.example.com'
const wellKnown = '/.well-known/oauth-protected-resource'

interface Guarded extends Served {
  /** An issuer that all trust. */
  issuer: SmallIssuer
  /** Another issuer that the listener accepts. The attacker controls it. */
  evil: SmallIssuer
  bearer(of: SmallIssuer, claims?: Claims): Promise<{ authorization: string }>
  /** Resolves to the response to one request, written by hand. */
  send(lines: string[]): Promise<string>
}

async function guard(t: Test): Promise<Guarded> {
  const issuer = await startIssuer(t)
  const evil = await startIssuer(t)
  const auth = issuerAuth({ issuers: [issuer.url, evil.url] })
  const served = await serve(t, { auth, publicUrl, servers: ['', 'fetch'] })
  return {
    ...served,
    issuer,
    evil,
    bearer: async (of, claims) => ({
      authorization: `Bearer ${await of.sign({ aud: publicUrl, ...claims })}`
    }),
    async send(lines) {
      const { socket, text } = rawConnection(t, served.listener)
      socket.write(`${[...lines, 'Connection: close'].join('\r\n')}\r\n\r\n`)
      await text.ended
      return text.all
    }
  }
}

test('no header and no path makes the metadata name another resource', async (t) => {
  const { listener, send } = await guard(t)
  const { host } = new URL(listener.url)
  const evil = 'evil.example'
  const heads = [
    [`GET ${wellKnown}/mcp HTTP/1.1`, `Host: ${host}`, `X-Forwarded-Host: ${evil}`],
    [`GET ${wellKnown}/mcp HTTP/1.1`, `Host: ${host}`, `Forwarded: host=${evil};proto=http`],
    [`GET ${wellKnown}/mcp HTTP/1.1`, `Host: ${host}`, `X-Forwarded-Prefix: /${evil}`],
    [`GET ${wellKnown}/mcp HTTP/1.1`, `Host: ${host}`, `X-Original-URL: //${evil}/mcp`],
    [`GET http://${evil}${wellKnown}/mcp HTTP/1.1`, `Host: ${host}`],
    [`GET ${wellKnown}/mcp?resource=https://${evil} HTTP/1.1`, `Host: ${host}`],
    [`GET ${wellKnown}/mcp HTTP/1.0`]
  ]
  for (const head of heads) {
    const text = await send(head)
    if (text.startsWith('HTTP/1.1 200')) t.match(text, `"resource":"${publicUrl}/mcp"`, head.join())
    else t.match(text, /^HTTP\/1\.1 403/, head.join())
    t.notMatch(text, evil)
  }
  const paths = [
    `/${evil}/mcp`,
    `//${evil}/mcp`,
    `/servers/fetch/../../mcp`,
    `/servers/%2e%2e/mcp`,
    `/servers/fetch%2f..%2f/mcp`,
    `/mcp/../sse`,
    `\\mcp`,
    `/mcp%00`,
    `/mcp;${evil}`,
    `@${evil}/mcp`,
    `${wellKnown}/mcp`
  ]
  for (const path of paths) {
    const text = await send([`GET ${wellKnown}${path} HTTP/1.1`, `Host: ${host}`])
    t.match(text, /^HTTP\/1\.1 (401|400) /, path)
    t.notMatch(text.replace(/\r\n\r\n.*$/s, ''), evil, path)
  }
})

test('one issuer cannot speak for another', async (t) => {
  const { issuer, evil, client, bearer } = await guard(t)
  // Even with the same name for its key.
  const [key = {}] = evil.keys
  evil.keys.push({ ...key, kid: String(issuer.keys[0]?.kid) })
  const forged: Claims[] = [
    { iss: issuer.url },
    { iss: [issuer.url, evil.url] },
    { iss: { toString: issuer.url } },
    { iss: '__proto__' },
    { iss: `${evil.url}#`, sub: 'x' },
    { sub: ['alice'] }
  ]
  for (const claims of forged) {
    const { status } = await client().post('{}', await bearer(evil, claims))
    t.equal(status, 401, JSON.stringify(claims))
  }
  t.equal((await client().post('{}', await bearer(evil))).status, 400, 'its own tokens count')
})

test('a token cannot bring its key, nor make the proxy fetch one', async (t) => {
  const { issuer, client } = await guard(t)
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true })
  const jwk = await exportJWK(publicKey)
  let requests = 0
  const http = createServer((_request, response) => {
    requests++
    response.end(JSON.stringify({ keys: [{ ...jwk, kid: 'x' }], issuer: issuer.url }))
  })
  const url = `http://127.0.0.1:${await listenLocally(t, http)}/keys`
  const kid = String(issuer.keys[0]?.kid)
  for (const header of [
    { jwk },
    { jku: url },
    { jku: url, kid: 'x' },
    { x5u: url },
    { kid: url },
    { kid, jwk, jku: url },
    { crit: ['exp'], exp: 1 }
  ]) {
    const claims = { iss: issuer.url, sub: 'alice', aud: publicUrl, exp: inSeconds(60) }
    const token = await new SignJWT(claims)
      .setProtectedHeader({ alg: 'ES256', ...header })
      .sign(privateKey, { crit: { exp: true } })
    const { status } = await client().post('{}', { authorization: `Bearer ${token}` })
    t.equal(status, 401, JSON.stringify(header))
  }
  t.equal(requests, 0)
})

const ping = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping' })

test('a session cannot be taken over, and a thief does not learn that it exists', async (t) => {
  const { issuer, evil, client, bearer, servers } = await guard(t)
  const alice = client({ headers: await bearer(issuer) })
  await alice.initialize()
  const stream = await alice.openGet()
  await servers[0]?.notify('notifications/secret', { text: 's3cret' })
  const event = await stream.events.until(({ message }) => message?.method.endsWith('secret'))
  stream.close()
  const thieves = [
    {},
    { authorization: 'Bearer x' },
    await bearer(issuer, { sub: 'bob' }),
    await bearer(evil),
    await bearer(issuer, { sub: undefined, client_id: 'alice' }),
    await bearer(issuer, { exp: inSeconds(-60) })
  ]
  for (const headers of thieves) {
    const outcomes = await Promise.all(
      [alice.sessionId, '0'.repeat(32)].map(async (id) => {
        const sent = { ...headers, 'mcp-session-id': id }
        const replay = { ...sent, accept: 'text/event-stream', 'last-event-id': event?.id }
        const thief = client()
        const responses = [
          await thief.post(ping, sent),
          await thief.post(ping, { ...sent, 'mcp-protocol-version': '2025-11-25' }),
          await thief.delete(sent)
        ]
        for (const more of [sent, replay]) {
          const { statusCode = 0 } = await thief.open('GET', undefined, more)
          responses.push({ status: statusCode, headers: {}, text: '' })
        }
        return responses.map(({ status, text }) => ({ status, text }))
      })
    )
    const [own = [], unknown] = outcomes
    t.strictSame(own, unknown, 'the same as for an id that nobody has')
    t.ok(own.every(({ status }) => status === 401 || status === 404))
    t.notMatch(JSON.stringify(own), /s3cret/)
  }
  t.match(await alice.post(ping), { status: 200 }, 'the session goes on')
})

test('a token counts only in its header', async (t) => {
  const { issuer, bearer, send, listener } = await guard(t)
  const { authorization } = await bearer(issuer)
  const token = authorization.slice('Bearer '.length)
  const host = `Host: ${new URL(listener.url).host}`
  for (const head of [
    [`GET /status?access_token=${token} HTTP/1.1`, host],
    ['GET /status HTTP/1.1', host, `Cookie: access_token=${token}`],
    ['GET /status HTTP/1.1', host, `X-Authorization: ${authorization}`],
    ['GET /status HTTP/1.1', host, `Proxy-Authorization: ${authorization}`],
    ['GET /status HTTP/1.1', host, 'Authorization: Bearer x', `Authorization: ${authorization}`],
    ['GET /status HTTP/1.1', host, `Authorization: Bearer x, ${authorization}`],
    ['GET /status HTTP/1.1', host, `Authorization: ${authorization} x`],
    ['GET /status HTTP/1.1', host, `Authorization: ${authorization},`]
  ]) {
    t.match(await send(head), /^HTTP\/1\.1 (401|400) /, head.join().slice(0, 60))
  }
  t.match(await send(['GET /status HTTP/1.1', host, `Authorization: ${authorization}`]), / 200 OK/)
})

test('the connection of another user over HTTP+SSE takes no POSTs', async (t) => {
  const { issuer, evil, listener, client, bearer, servers } = await guard(t)
  const alice = await sseClient(new URL('sse', listener.url), { headers: await bearer(issuer) })
  t.teardown(() => alice.close())
  for (const headers of [await bearer(evil), await bearer(issuer, { sub: 'bob' }), {}]) {
    const thief = client({ path: alice.endpoint, headers })
    const { status } = await thief.post(ping)
    t.ok(status === 404 || status === 401)
  }
  t.strictSame([...(servers[0]?.received ?? [])], [])
})
