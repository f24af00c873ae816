// The sign-in of a person, against an authorization server that behaves and misbehaves.

import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import tap, { test } from 'tap'
import { browse } from '../../../../fixtures/servers/authorization.js'
import { SignIn } from '../../../../lib/http-client/auth/sign-in.ts'
import { Callback } from '../../../../lib/http-client/auth/sign-in/callback.ts'
import { failure, start } from './helpers.ts'

tap.setTimeout(120_000)

test('a refused request leads to one sign-in, and later requests use its token', async (t) => {
  const { server, shown, call } = await start(t)
  t.equal(await call(), 202)
  t.equal(await call(), 202)
  t.match(server.counts, { authorize: 1, token: 1, register: 1, mcp: 3 })
  const query = Object.fromEntries((shown[0] as URL).searchParams)
  t.match(query, {
    response_type: 'code',
    code_challenge_method: 'S256',
    resource: server.url.href,
    scope: 'read'
  })
  t.notOk('prompt' in query)
  const registered = server.asked.find(({ path }) => path === '/register')
  t.match(JSON.parse(registered?.body ?? ''), {
    application_type: 'native',
    redirect_uris: [query.redirect_uri],
    grant_types: ['authorization_code', 'refresh_token'],
    token_endpoint_auth_method: 'none'
  })
})

test('requests at the same time share one sign-in', async (t) => {
  const { server, call } = await start(t)
  t.strictSame(await Promise.all([call(), call(), call()]), [202, 202, 202])
  t.equal(server.counts.authorize, 1)
})

test('a token is refreshed before it expires, and refresh tokens rotate', async (t) => {
  const { server, call } = await start(t, { token: { expires_in: 0 } })
  await call()
  server.script.token = {}
  t.equal(await call(), 202)
  server.access.clear()
  t.equal(await call(), 202, 'a token that the server refuses is refreshed too')
  t.match(server.counts, { authorize: 1, refresh: 2 })
})

test('a response without a refresh token keeps the one before', async (t) => {
  const { server, call } = await start(t, { token: { expires_in: undefined } })
  await call()
  server.access.clear()
  server.script.token = { refresh_token: undefined, expires_in: 0 }
  await call()
  for (const line of server.refreshes.values()) line.used = false
  t.equal(await call(), 202)
  t.match(server.counts, { authorize: 1, refresh: 2 })
})

test('a revoked refresh token leads to one new sign-in with the same registration', async (t) => {
  const { server, call } = await start(t)
  await call()
  server.access.clear()
  server.refreshes.clear()
  t.equal(await call(), 202)
  t.match(server.counts, { authorize: 2, refresh: 1, register: 1 })
})

test('an expired token without a refresh token sends the request without a token', async (t) => {
  const { server, signIn, call } = await start(t, {
    token: { expires_in: 0, refresh_token: undefined }
  })
  await call()
  const fresh = new SignIn({
    server: server.url,
    env: {},
    show: () => t.fail('nobody is asked'),
    store: {
      load: () => Promise.resolve({ ...stored, expiresAt: 1 }),
      save: () => Promise.resolve(),
      exclusively: (work) => work()
    }
  })
  t.equal(await fresh.authorize(undefined), undefined)
  t.ok(signIn)
})

const stored = {
  issuer: 'http://127.0.0.1',
  tokenEndpoint: 'http://127.0.0.1/token',
  resource: 'http://127.0.0.1/mcp',
  registration: { clientId: 'a', method: 'none' as const },
  port: 0,
  accessToken: 'access-1'
}

test('a token from another process is used', async (t) => {
  const { server, signIn } = await start(
    t,
    {},
    {
      store: {
        load: () => Promise.resolve(stored),
        save: () => Promise.resolve(),
        exclusively: (work) => work()
      }
    }
  )
  t.equal(await signIn.authorize(undefined), 'Bearer access-1')
  signIn.refused('Bearer access-0', {})
  t.equal(await signIn.authorize(undefined), 'Bearer access-1', 'an older token was refused')
  t.equal(server.counts.token, 0)
})

test('a token that another process got while this one waited is used', async (t) => {
  let loads = 0
  const { server, signIn } = await start(
    t,
    {},
    {
      store: {
        load: () => Promise.resolve(loads++ === 0 ? undefined : stored),
        save: () => Promise.resolve(),
        exclusively: (work) => work()
      }
    }
  )
  t.equal(await signIn.authorize(undefined), undefined)
  signIn.refused(undefined, {})
  t.equal(await signIn.authorize(undefined), 'Bearer access-1')
  t.equal(server.asked.length, 0)
})

test('a refresh that fails for a while is an error without a sign-in', async (t) => {
  const started = await start(t)
  const { server, call } = started
  await call()
  server.access.clear()
  server.script.handle = (_req, res, { pathname }) => {
    if (pathname !== '/token') return false
    res.writeHead(503)
    res.end()
    return true
  }
  t.match(await failure(t, started), 'the token could not be refreshed: HTTP status 503')
  t.equal(server.counts.authorize, 1)
})

test('a missing scope leads to a sign-in with the union of the scopes', async (t) => {
  const { server, shown, call } = await start(t)
  await call()
  server.script.needs = ['write', 'admin']
  t.equal(await call(), 202)
  t.equal(shown.at(-1)?.searchParams.get('scope'), 'read write admin')
  t.equal(server.counts.authorize, 3)
})

test('a 403 for another reason leads to no sign-in', async (t) => {
  const { signIn } = await start(t)
  t.equal(signIn.insufficient(undefined, { 'www-authenticate': 'Bearer error="x"' }), false)
})

test('the scope is that of the challenge, and offline_access only if the server lists it', async (t) => {
  const challenge = 'Bearer scope="a b"'
  const metadata = { scopes_supported: ['offline_access'] }
  const one = await start(t, { challenge, metadata })
  await one.call()
  t.equal(one.shown[0]?.searchParams.get('scope'), 'a b offline_access')
  t.equal(one.shown[0]?.searchParams.get('prompt'), 'consent')
  const two = await start(t, { resource: { scopes_supported: undefined } })
  await two.call()
  t.equal(two.shown[0]?.searchParams.has('scope'), false)
})

test('a client that the user gave is used, and its secret as the server takes it', async (t) => {
  const options = { clientId: 'my-id', clientSecret: 's-e' }
  const basic = await start(t, {}, options)
  t.equal(await basic.call(), 202)
  t.equal(basic.server.counts.register, 0)
  const sent = basic.server.asked.find(({ path }) => path === '/token')?.headers.authorization
  t.equal(sent, `Basic ${Buffer.from('my-id:s-e').toString('base64')}`)

  const metadata = { token_endpoint_auth_methods_supported: ['client_secret_post'] }
  const post = await start(t, { metadata }, options)
  await post.call()
  const body = post.server.asked.find(({ path }) => path === '/token')?.body
  t.match(body, 'client_id=my-id&client_secret=s-e')

  const open = await start(t, {}, { clientId: 'my-id' })
  await open.call()
  t.match(open.server.asked.find(({ path }) => path === '/token')?.body, 'client_id=my-id')
})

test('the URL of a metadata document is the client id where the server reads such documents', async (t) => {
  const clientMetadataUrl = 'https://example.com/client.json'
  const metadata = { client_id_metadata_document_supported: true }
  const { server, shown, call } = await start(t, { metadata }, { clientMetadataUrl })
  await call()
  t.equal(shown[0]?.searchParams.get('client_id'), clientMetadataUrl)
  t.equal(server.counts.register, 0)
})

test('a client that the server does not know any more is registered again', async (t) => {
  const { server, call } = await start(t)
  await call()
  server.access.clear()
  server.script.handle = (_req, res, { pathname }, body) => {
    if (pathname !== '/token' || !body.includes('refresh_token')) return false
    res.writeHead(401)
    res.end('{"error":"invalid_client"}')
    return true
  }
  t.equal(await call(), 202)
  t.match(server.counts, { authorize: 2, register: 2 })
})

test('a registration whose secret has expired is not used again', async (t) => {
  const { server, signIn } = await start(t, {
    handle: (_req, res, { pathname }) => {
      if (pathname !== '/register') return false
      server.counts.register++
      const client_secret_expires_at = Math.floor(Date.now() / 1000) - 1
      res.end(JSON.stringify({ client_id: 'a', client_secret: 'b', client_secret_expires_at }))
      return true
    }
  })
  await signIn.signIn()
  await signIn.signIn()
  t.equal(server.counts.register, 2)
})

test('a registration may bring a secret', async (t) => {
  const metadata = { token_endpoint_auth_methods_supported: ['client_secret_post'] }
  const { server, call } = await start(t, { metadata })
  t.equal(await call(), 202)
  t.match(server.asked.find(({ path }) => path === '/token')?.body, 'client_secret=secret-')
  const both = ['client_secret_basic', 'client_secret_post']
  for (const methods of [both, both.slice(0, 1)]) {
    const { server, call } = await start(t, {
      metadata: { token_endpoint_auth_methods_supported: methods }
    })
    t.equal(await call(), 202)
    const token = server.asked.find(({ path }) => path === '/token')
    t.equal(token?.body.includes('client_secret='), methods === both, 'in the body, if it may be')
  }
  const other = await start(t, {
    handle: (_req, res, { pathname }) => {
      if (pathname !== '/register') return false
      res.writeHead(200, { 'content-type': 'application/json' })
      res.end('{"client_id":"a","client_secret":"b"}')
      return true
    }
  })
  t.equal(await other.call(), 202, 'the status 200 counts too, and no end of the secret')
})

test('a registration that fails says why', async (t) => {
  const handle = (
    _req: unknown,
    res: { writeHead: (n: number) => void; end: (s: string) => void },
    url: URL
  ): boolean => {
    if (url.pathname !== '/register') return false
    res.writeHead(400)
    res.end('{"error":"invalid_redirect_uri","error_description":"not\\nhere"}')
    return true
  }
  const started = await start(t, { handle })
  t.match(await failure(t, started), 'the registration failed: invalid_redirect_uri (not here)')
  for (const body of ['null', 'not JSON', '{"client_id":5}', '{"client_id":""}']) {
    const odd = await start(t, {
      handle: (_req, res, { pathname }) => {
        if (pathname === '/register') res.end(body)
        return pathname === '/register'
      }
    })
    t.match(await failure(t, odd), 'the registration failed: the response has no client_id')
  }
  const none = await start(t, { metadata: { registration_endpoint: undefined } })
  t.match(
    await failure(t, none),
    'registers no clients (see --client-id and --client-metadata-url)'
  )
})

test('an answer with another issuer, without one or with an error is refused', async (t) => {
  const other = await start(t, {
    answer: { iss: 'https://evil.example', error: 'x', code: undefined }
  })
  const text = await failure(t, other)
  t.match(text, /the authorization server refused: .*"iss"/)
  const none = await start(t, { answer: { iss: undefined } })
  t.match(await failure(t, none), '"iss"')
  const denied = await start(t, {
    answer: { code: undefined, error: 'access_denied', error_description: 'no' }
  })
  t.match(await failure(t, denied), 'the authorization server refused: access_denied (no)')
  t.equal(other.server.counts.token + none.server.counts.token, 0)
})

test('a server without the authorization code, or without PKCE, is refused', async (t) => {
  const without = await start(t, { metadata: { authorization_endpoint: undefined } })
  t.match(await failure(t, without), 'has no authorization_endpoint')
  for (const code_challenge_methods_supported of [undefined, ['plain']]) {
    const started = await start(t, { metadata: { code_challenge_methods_supported } })
    t.match(await failure(t, started), 'does not offer PKCE with S256')
  }
})

test('an authorization endpoint that is no web page is never opened', async (t) => {
  for (const authorization_endpoint of ['file:///bin/sh', 'javascript:alert(1)', 'x']) {
    const started = await start(t, { metadata: { authorization_endpoint } })
    t.match(await failure(t, started), 'has a wrong authorization_endpoint')
    t.strictSame(started.shown, [])
  }
})

test('after a failed sign-in, the server is asked again whether it needs a token', async (t) => {
  let isOpen = false
  const started = await start(t, {
    metadata: { registration_endpoint: undefined },
    handle: (_req, res, { pathname }) => {
      if (pathname === '/mcp' && isOpen) res.writeHead(202).end()
      return pathname === '/mcp' && isOpen
    }
  })
  for (let attempt = 0; attempt < 2; attempt++) {
    t.match(await failure(t, started), 'registers no clients')
  }
  isOpen = true
  t.equal(await started.call(), 202)
})

test('a token that is no bearer token is refused', async (t) => {
  const started = await start(t, { token: { token_type: 'mac' } })
  t.match(await failure(t, started), 'the authorization server refused: ')
})

test('a token that cannot be in a header is refused', async (t) => {
  for (const access_token of ['a\r\nX-Other: b', 'é']) {
    const started = await start(t, { token: { access_token } })
    t.match(await failure(t, started), 'a character that no header can have')
  }
})

test('a clock that is five minutes off does no harm', async (t) => {
  for (const offset of [-300, 300]) {
    const { server, call } = await start(t, {}, { clientId: 'my-id' })
    const now = Math.floor(Date.now() / 1000) + offset
    const claims = { iss: server.origin, aud: 'my-id', sub: 'me', iat: now, exp: now + 60 }
    const parts = [{ alg: 'RS256' }, claims, {}]
    const idToken = parts.map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    server.script.token = { id_token: idToken.join('.') }
    t.equal(await call(), 202)
  }
})

test('a token endpoint that breaks off is an error', async (t) => {
  const started = await start(t, {
    handle: (req, _res, { pathname }) => {
      if (pathname !== '/token') return false
      req.socket.destroy()
      return true
    }
  })
  t.match(await failure(t, started), /cannot reach .*\/token/)
})

test('nobody who signs in in time is an error', async (t) => {
  const started = await start(t, {}, { show: () => {}, loginTimeout: 50 })
  t.match(await failure(t, started), 'nobody signed in within 0.05 s (see --login-timeout)')
})

test('without a time limit the sign-in waits', async (t) => {
  const { call } = await start(t, {}, { loginTimeout: 0, connectTimeout: 0 })
  t.equal(await call(), 202)
})

test('a sign-in stops when no request waits for it any more', async (t) => {
  const shown = deferred<URL>()
  const { signIn } = await start(t, {}, { show: (url) => shown.resolve(url) })
  signIn.refused(undefined, {})
  const controller = new AbortController()
  const waiting = signIn.authorize(undefined, controller.signal)
  const back = new URL((await shown.promise).searchParams.get('redirect_uri') as string)
  controller.abort()
  await t.rejects(waiting, { name: 'AbortError' })
  await sleep(50)
  await t.rejects(fetch(back), 'nothing listens any more')
})

test('a sign-in can be asked for', async (t) => {
  const { server, signIn, call } = await start(t)
  await signIn.signIn()
  t.equal(await call(), 202)
  await signIn.signIn()
  t.match(server.counts, { authorize: 2, mcp: 1, register: 1 })
})

test('the listener answers only the browser with the right state', async (t) => {
  const show = async (url: URL): Promise<void> => {
    const back = new URL(url.searchParams.get('redirect_uri') as string)
    const { status, text } = await browse(new URL(`${back.href}?state=wrong&code=a`))
    t.equal(status, 400)
    t.match(text, 'not the answer')
    t.equal((await browse(new URL('/favicon.ico', back))).status, 404)
    const page = await browse(url)
    t.match(page.text, 'You have signed in.')
    t.equal(page.headers.get('cache-control'), 'no-store')
    await sleep(100)
    await t.rejects(fetch(back), 'nothing listens any more')
    done.resolve(undefined)
  }
  const done = deferred<undefined>()
  const { call } = await start(t, {}, { show: (url) => void show(url) })
  t.equal(await call(), 202)
  await done.promise
})

test('a port that is not free is an error, and the port of a registration is not needed', async (t) => {
  const busy = createServer()
  await once(busy.listen(0, '127.0.0.1'), 'listening')
  t.teardown(() => busy.close())
  const { port } = busy.address() as AddressInfo
  await t.rejects(Callback.open(port), {
    code: 'ERR_LISTEN',
    message: `cannot listen on port ${port} for the browser (see --callback-port)`
  })
  const { server, signIn, shown } = await start(t)
  await signIn.signIn()
  const { port: used } = new URL(shown[0]?.searchParams.get('redirect_uri') ?? '')
  const other = createServer()
  await once(other.listen(Number(used), '127.0.0.1'), 'listening')
  t.teardown(() => other.close())
  await signIn.signIn()
  t.equal(server.counts.register, 2, 'the proxy registers the new port')
})

interface Deferred<T> {
  promise: Promise<T>
  resolve(value: T): void
}

function deferred<T>(): Deferred<T> {
  let resolve: (value: T) => void = () => {}
  const promise = new Promise<T>((settle) => (resolve = settle))
  return { promise, resolve: (value) => resolve(value) }
}
