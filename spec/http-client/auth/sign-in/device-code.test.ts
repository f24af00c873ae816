// A sign-in with a code on another device.

import tap, { test } from 'tap'
import { failure, start } from './helpers.ts'

tap.setTimeout(120_000)

// The tests only wait, for seconds, so they run beside one another.
tap.jobs = 3
const beside = { buffered: true }

test('without a browser, the person gets a code where the server offers it', beside, async (t) => {
  const device = { interval: 1, user_code: 'AB\u202eCD' }
  const pending = ['authorization_pending']
  const { server, shown, codes, call } = await start(t, { device, pending }, { browser: false })
  t.equal(await call(), 202)
  t.equal(shown[0]?.href, `${server.origin}/enter`)
  t.strictSame(codes, ['AB\\u202eCD'], 'no character of the code changes the line')
  t.match(server.counts, { authorize: 0, token: 2, register: 1 })
  const registered = server.asked.find(({ path }) => path === '/register')
  t.match(registered?.body, 'urn:ietf:params:oauth:grant-type:device_code')
  t.match(server.asked.find(({ path }) => path === '/device')?.body, /resource=.*scope=read/)
  server.access.clear()
  t.equal(await call(), 202, 'the token is refreshed')
  server.access.clear()
  server.refreshes.clear()
  t.equal(await call(), 202)
  t.match(server.counts, { authorize: 0, register: 1, refresh: 2 })
})

test('the proxy asks less often if the server wants it', beside, async (t) => {
  const device = { interval: 0.001, verification_uri_complete: undefined as string | undefined }
  const started = await start(t, { device, pending: ['slow_down'] }, { browser: false })
  const { server, shown, call } = started
  device.verification_uri_complete = `${server.origin}/enter?user_code=ABCD-EFGH`
  const begun = Date.now()
  t.equal(await call(), 202)
  t.ok(Date.now() - begun >= 7000, 'one second, then six')
  t.equal(shown[0]?.href, device.verification_uri_complete)
})

test('a code that is refused, wrong or late is an error', beside, async (t) => {
  const interval = 1
  const refused = await start(
    t,
    { device: { interval }, pending: ['access_denied'] },
    { browser: false }
  )
  t.match(await failure(t, refused), 'the authorization server refused: access_denied')
  const wrong: [Record<string, unknown>, string | RegExp][] = [
    [{ device_code: 5 }, 'device_code'],
    [{ verification_uri: 'x' }, 'an address that is not a URL'],
    [{ verification_uri: 'file:///x' }, 'does not use https'],
    [{ interval, expires_in: 0.1 }, 'the code has expired']
  ]
  for (const [device, message] of wrong) {
    const started = await start(t, { device }, { browser: false })
    t.match(await failure(t, started), message)
  }
  const odd = await start(
    t,
    {
      device: {},
      handle: (_req, res, { pathname }) => {
        if (pathname !== '/device') return false
        const description = { toString: 1, valueOf: 1 }
        res.writeHead(400, { 'content-type': 'application/json' })
        res.end(JSON.stringify({ error: 'no', error_description: description }))
        return true
      }
    },
    { browser: false }
  )
  t.match(await failure(t, odd), /the authorization server refused: no$/)
  const late = await start(t, { device: {} }, { browser: false, loginTimeout: 50 })
  t.match(await failure(t, late), 'nobody signed in within 0.05 s')
})
