// Who may speak to the listener.

import { test } from 'tap'
import { ProxyError } from '../../lib/errors.ts'
import { OriginPolicy } from '../../lib/http-server/origin-policy.ts'
import type { OriginPolicyOptions } from '../../lib/http-server/origin-policy.ts'

/** Which of these `Host` values are served. */
function served(options: OriginPolicyOptions, hosts: string[]): string[] {
  const access = new OriginPolicy(options)
  return hosts.filter((host) => passes(access, { host }))
}

function passes(access: OriginPolicy, headers: { host?: string; origin?: string }): boolean {
  try {
    access.check(headers)
    return true
  } catch (error) {
    if (error instanceof ProxyError && error.code === 'ERR_FORBIDDEN') return false
    throw error
  }
}

const local = [
  'localhost',
  'localhost:8080',
  'LOCALHOST:1',
  '127.0.0.1',
  '127.0.0.1:8080',
  '[::1]:80'
]
const foreign = [
  'example.com',
  'example.com:8080',
  'localhost.example.com',
  'localhost:80:80',
  '127.0.0.1.example.com',
  '127.0.0.2',
  '[::2]:80',
  ''
]

test('on a loopback address only loopback names are served', async (t) => {
  for (const host of ['127.0.0.1', 'localhost', '::1']) {
    t.strictSame(served({ host }, [...local, ...foreign]), local, host)
  }
  t.strictSame(served({ host: '127.0.0.2' }, ['127.0.0.2:80', '127.0.0.3', '127.0.0.1']), [
    '127.0.0.2:80',
    '127.0.0.1'
  ])
})

test('names that are allowed are served on a loopback address as well', async (t) => {
  const allowHosts = ['Proxy.example.com', 'fd00::1', '[fd00::2]']
  const names = ['proxy.example.com', 'proxy.EXAMPLE.com:443', '[fd00::1]:80', '[fd00::2]']
  t.strictSame(served({ host: '127.0.0.1', allowHosts }, [...names, ...local]), [
    ...names,
    ...local
  ])
  t.strictSame(served({ host: '127.0.0.1', allowHosts }, foreign), [])
})

test('on other addresses any name is served, or else those that are allowed alone', async (t) => {
  t.strictSame(served({ host: '0.0.0.0' }, [...local, ...foreign]), [...local, ...foreign])
  const allowHosts = ['proxy.example.com']
  t.strictSame(served({ host: '0.0.0.0', allowHosts }, [...local, 'proxy.example.com:1']), [
    'proxy.example.com:1'
  ])
})

test('a request without Host comes from no browser, but is not served where Host is checked', async (t) => {
  t.notOk(passes(new OriginPolicy({ host: '127.0.0.1' }), {}))
  t.ok(passes(new OriginPolicy({ host: '::' }), {}))
})

test('who was served before makes no difference to who comes after', async (t) => {
  const access = new OriginPolicy({ host: '127.0.0.1', allowHosts: ['proxy.example.com'] })
  const hosts = [
    'localhost:8080',
    'example.com',
    'localhost:8080',
    'example.com',
    'proxy.example.com'
  ]
  t.strictSame(
    [...hosts, ...hosts].map((host) => passes(access, { host })),
    [true, false, true, false, true, true, false, true, false, true]
  )
  const host = 'localhost:8080'
  for (const name of [host, 'proxy.example.com']) {
    t.ok(passes(access, { host: name, origin: `http://${name}` }))
    t.notOk(passes(access, { host: name, origin: 'http://example.com' }), 'nor to their pages')
    t.equal(passes(access, { host: name, origin: `http://${host}` }), name === host)
  }
  t.notOk(passes(access, {}))
})

test('the pages of strangers are refused', async (t) => {
  const access = new OriginPolicy({ host: '127.0.0.1', allowOrigins: ['https://App.example.com'] })
  const host = 'localhost:8080'
  const allowed = ['https://app.example.com', 'https://APP.example.com', 'http://localhost:8080']
  const refused = [
    'http://app.example.com',
    'https://app.example.com:8443',
    'https://example.com',
    'http://localhost:3000',
    'http://127.0.0.1:8080',
    'null',
    '',
    'localhost:8080'
  ]
  for (const origin of allowed) t.ok(passes(access, { host, origin }), origin)
  for (const origin of refused) t.notOk(passes(access, { host, origin }), origin)
  t.ok(passes(access, { host }), 'no browser at all')
})

test('where any Host is served, one that equals the Origin proves nothing', async (t) => {
  const headers = { host: 'rebound.example.com', origin: 'http://rebound.example.com' }
  t.notOk(passes(new OriginPolicy({ host: '0.0.0.0' }), headers))
  t.ok(passes(new OriginPolicy({ host: '0.0.0.0', allowHosts: ['rebound.example.com'] }), headers))
  t.ok(passes(new OriginPolicy({ host: '0.0.0.0', allowOrigins: ['*'] }), headers))
})

test('pages that are allowed may read the answers', async (t) => {
  const origin = 'https://app.example.com'
  const some = new OriginPolicy({
    host: '::',
    allowOrigins: [origin],
    exposeHeaders: ['X-One', 'X-Two']
  })
  t.strictSame(some.headers({ origin }), {
    vary: 'Origin',
    'access-control-allow-origin': origin,
    'access-control-expose-headers': 'X-One, X-Two'
  })
  t.strictSame(some.headers({}), { vary: 'Origin' }, 'caches must tell them apart')
  t.strictSame(some.headers({ origin: 'https://example.com' }), { vary: 'Origin' })

  const any = new OriginPolicy({ host: '::', allowOrigins: ['*'] })
  t.strictSame(any.headers({ origin }), {
    vary: 'Origin',
    'access-control-allow-origin': '*',
    'access-control-expose-headers': 'Mcp-Session-Id'
  })
  t.strictSame(new OriginPolicy({ host: '::' }).headers({ origin }), {}, 'none')
})

test('a preflight is told what may be sent', async (t) => {
  const origin = 'https://app.example.com'
  const access = new OriginPolicy({ host: '::', allowOrigins: [origin] })
  t.match(access.preflight({ origin, 'access-control-request-headers': 'authorization, x-y' }), {
    'access-control-allow-origin': origin,
    'access-control-allow-methods': 'GET, POST, DELETE, OPTIONS',
    'access-control-allow-headers': 'authorization, x-y',
    'access-control-max-age': '86400'
  })
  t.match(access.preflight({ origin }), { 'access-control-allow-headers': '*' })
})
