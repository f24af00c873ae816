// Advisories about OAuth: a server that lets a client send its secrets elsewhere, and a token that was
// issued for another server.

import type { Duplex } from 'node:stream'
import t from 'tap'
import type { Test } from 'tap'
import { startAuthorizationServer } from '../../fixtures/servers/authorization.js'
import type { AuthorizationFixture } from '../../fixtures/servers/authorization.js'
import { startHttpServer } from '../../fixtures/servers/http.js'
import type { HttpServer, Script } from '../../fixtures/servers/http.js'
import { connectHttp } from '../../lib/http-client/connect-http.ts'
import type { Grant } from '../../lib/http-client/auth/sign-in/grant.ts'
import { revoke } from '../../lib/http-client/auth/sign-in/revoke.ts'
import { SignIn } from '../../lib/http-client/auth/sign-in.ts'
import type { GrantStore } from '../../lib/http-client/auth/sign-in.ts'
import { connectSse } from '../../lib/http-client/connect-sse.ts'
import { issuerAuth } from '../../lib/http-server/auth/issuer-auth.ts'
import { watch } from '../helpers.ts'
import { failure, openRequests, start } from '../http-client/auth/sign-in/helpers.ts'
import { opening } from '../http-client/helpers.ts'
import { startIssuer } from '../http-server/auth/small-issuer.ts'
import { serve } from '../http-server/helpers.ts'

const machine = { show: undefined, clientId: 'my-id', clientSecret: 'my-secret' }

/** An authorization server of the attacker. */
async function startEvil(t: Test): Promise<AuthorizationFixture> {
  const evil = await startAuthorizationServer()
  t.teardown(() => evil.close())
  return evil
}

/** Nothing but the metadata was asked for, without a secret. */
function gotNothing(t: Test, evil: AuthorizationFixture): void {
  t.strictSame(
    evil.asked.filter(({ method, path }) => method !== 'GET' || !path.startsWith('/.well-known/')),
    []
  )
  const all = JSON.stringify(evil.asked.map(({ body, headers }) => [body, headers]))
  t.notMatch(all, /my-secret|my-id|bXktaWQ6|refresh-|access-|authorization/)
}

t.test('CVE-2026-104850: the server does not choose who gets the secret of a client', async (t) => {
  const evil = await startEvil(t)
  const resource = { authorization_servers: [evil.origin] }
  const pinned = { ...machine, clientCredentials: true, clientIssuer: 'https://auth.example.com/' }
  const first = await start(t, { resource }, pinned)
  t.match(
    await failure(t, first),
    `is ${evil.origin}, but the client belongs to https://auth.example.com/`
  )
  gotNothing(t, evil)

  // A server that turns hostile after the first sign-in.
  const later = await start(t, {}, { ...machine, clientCredentials: true })
  t.equal(await later.call(), 202)
  later.server.script.resource = resource
  later.server.access.clear()
  t.match(await failure(t, later), `the client belongs to ${later.server.origin}`)
  t.equal(later.server.counts.token, 1)
  gotNothing(t, evil)

  // A sign-in at the wrong server, before the user said which one is right.
  let grant: Grant | undefined
  const store: GrantStore = {
    load: () => Promise.resolve(grant),
    save: (saved) => Promise.resolve(void (grant = saved)),
    exclusively: (work) => work()
  }
  const { show: _, ...client } = { ...machine, store }
  const wrong = await start(t, { token: { expires_in: 0 } }, client)
  t.equal(await wrong.call(), 202)
  const { server } = wrong
  const signIn = new SignIn({ ...client, server: server.url, env: {}, clientIssuer: evil.origin })
  t.equal(await signIn.authorize(undefined), undefined)
  signIn.refused(undefined, {})
  await t.rejects(signIn.authorize(undefined), { message: /the client belongs to/ })
  t.match(server.counts, { token: 1, refresh: 0, revoke: 0 })

  // The sign-out after it.
  const requests = openRequests(t, server.url)
  const signOut = revoke(requests, grant as Grant, { ...client, clientIssuer: evil.origin })
  await t.rejects(signOut, { message: /the client belongs to/ })
  t.match(server.counts, { token: 1, refresh: 0, revoke: 0 })
})

t.test('GHSA-qx49-fqc8-xw99: nor by metadata in the name of another issuer', async (t) => {
  const real = await startEvil(t)
  for (const issuer of [real.origin, `${real.origin}/`]) {
    const hostile = await start(t, { challenge: 'Bearer', metadata: { issuer } }, machine)
    // There is no metadata of the resource, so its origin is the issuer.
    hostile.server.script.handle = (_req, res, { pathname }) => {
      if (!pathname.startsWith('/.well-known/oauth-protected-resource')) return false
      res.writeHead(404).end()
      return true
    }
    t.match(await failure(t, hostile), 'is of another issuer')
    t.match(hostile.server.counts, { token: 0, register: 0, authorize: 0 })
  }
  gotNothing(t, real)
})

t.test('CVE-2026-123272: a server gets no token for another resource', async (t) => {
  for (const resource of ['https://other.example/mcp', 'http://127.0.0.1:1/mcp', '', 7]) {
    const hostile = await start(t, { resource: { resource } })
    t.match(await failure(t, hostile), 'is for another resource')
    t.match(hostile.server.counts, { token: 0, register: 0, authorize: 0 })
    t.strictSame(hostile.shown, [])
  }
})

const secret = { 'X-API-Key': 'my-secret', Authorization: 'Bearer my-secret' }

/** Connects to a server that redirects each request to another origin. That one must get none. */
async function redirects(
  t: Test,
  status: number,
  route: keyof Script,
  connect: (server: HttpServer) => Duplex
): Promise<void> {
  const other = await startHttpServer()
  t.teardown(() => other.close())
  const move = (...args: unknown[]): void => {
    const exchange = args.at(-1) as {
      status: (code: number, body: string, headers: object) => void
    }
    exchange.status(status, 'moved', { location: other.url })
  }
  const server = await startHttpServer({ [route]: move })
  t.teardown(() => server.close())
  const transport = connect(server)
  t.teardown(() => transport.destroy())
  const { answer } = watch(transport)
  transport.write(opening())
  const outcome = await answer('init').catch((error: Error) => error.message)
  t.match(JSON.stringify(outcome), /redirects to .* use that URL if you trust it/)
  t.ok(server.requests.length > 0)
  t.strictSame([...other.requests], [], `${status}`)
}

t.test('CVE-2026-116685: a redirect takes no header and no body to another origin', async (t) => {
  for (const status of [301, 302, 303, 307, 308]) {
    const options = { headers: secret, env: {} }
    const sse = ({ sseUrl: url }: HttpServer): Duplex => connectSse({ url, ...options })
    await redirects(t, status, 'onPost', ({ url }) => connectHttp({ url, ...options }))
    await redirects(t, status, 'onSse', sse)
    await redirects(t, status, 'onMessage', sse)
  }
})

t.test('CVE-2026-111769: nor does one of the authorization server', async (t) => {
  const evil = await startEvil(t)
  const moved = ['/token', '/register', '/.well-known/oauth-authorization-server']
  for (const path of moved) {
    for (const status of [302, 307, 308]) {
      const options = path === '/register' ? {} : { ...machine, clientCredentials: true }
      const started = await start(t, {}, options)
      started.server.script.handle = (_req, res, { pathname }) => {
        if (pathname !== path) return false
        res.writeHead(status, { location: evil.origin + path }).end()
        return true
      }
      await failure(t, started)
      t.strictSame(evil.asked, [], `${path} ${status}`)
    }
  }
  // The refresh token of an earlier sign-in.
  const signedIn = await start(t, { token: { expires_in: 0 } })
  t.equal(await signedIn.call(), 202)
  signedIn.server.script.handle = (_req, res, { pathname }) => {
    if (pathname !== '/token') return false
    res.writeHead(307, { location: `${evil.origin}/token` }).end()
    return true
  }
  await failure(t, signedIn)
  t.strictSame(evil.asked, [])
})

/** Each advisory, and the claims of a token that is good for another service only. */
const foreign = {
  'GHSA-rvq5-wwqv-78pq': [{ aud: 'https://other.example/mcp' }, { aud: ['other', 'third'] }],
  'GHSA-w4fh-qvv9-3v23': [
    {},
    { aud: [] },
    { aud: 'https://mcp.example.com.other.example' },
    { aud: 'https://mcp.example.com:8443' },
    { resource: 'https://mcp.example.com' },
    { azp: 'https://mcp.example.com', client_id: 'https://mcp.example.com' }
  ]
}
for (const [id, claims] of Object.entries(foreign)) {
  t.test(`${id}: a token that its issuer made for another service is refused`, async (t) => {
    const issuer = await startIssuer(t)
    const auth = issuerAuth({ issuers: [issuer.url] })
    const served = await serve(t, { auth, publicUrl: 'https://mcp.example.com' })
    for (const one of claims) {
      const headers = { authorization: `Bearer ${await issuer.sign(one)}` }
      await t.rejects(served.client({ headers }).initialize(), { message: /HTTP 401/ })
    }
    t.equal(served.servers.length, 0)
    const token = await issuer.sign({ aud: 'https://mcp.example.com/mcp' })
    await served.client({ headers: { authorization: `Bearer ${token}` } }).initialize()
    t.equal(served.servers.length, 1, 'its own token counts')
  })
}
