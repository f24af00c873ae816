// Which requests the listener serves, by `Host` and `Origin`.

import type { IncomingHttpHeaders } from 'node:http'
import { test } from 'tap'
import { ProxyError } from '../../lib/errors.ts'
import { isLoopback, OriginPolicy } from '../../lib/http-server/origin-policy.ts'
import type { OriginPolicyOptions } from '../../lib/http-server/origin-policy.ts'

type Options = Omit<OriginPolicyOptions, 'address'>

/** A policy for a host that is its own address. */
const policyOf = (options: Options): OriginPolicy =>
  new OriginPolicy({ ...options, address: options.host })

/** Which of these `Host` values are served. */
function served(options: Options, hosts: string[]): string[] {
  const policy = policyOf(options)
  return hosts.filter((host) => passes(policy, { host }))
}

function passes(policy: OriginPolicy, headers: IncomingHttpHeaders): boolean {
  try {
    policy.check(headers)
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
  '[::1]:80:80',
  '[::1',
  '[::1]evil.example.com',
  '[fe80::1%lo]',
  '127.0.0.1.example.com',
  '127.0.0.2',
  '[::2]:80',
  ''
]

test('a listener on a loopback address serves only loopback names', async (t) => {
  for (const host of ['127.0.0.1', '::1']) {
    t.strictSame(served({ host }, [...local, ...foreign]), local, host)
  }
  t.strictSame(served({ host: '127.0.0.2' }, ['127.0.0.2:80', '127.0.0.3', '127.0.0.1']), [
    '127.0.0.2:80',
    '127.0.0.1'
  ])
})

test('the names of a loopback listener include its host as configured and its address', async (t) => {
  for (const [host, address, names] of [
    ['LOCALHOST', '127.0.0.1', ['localhost']],
    ['my-machine', '127.0.1.1', ['My-Machine:80', '127.0.1.1']],
    ['0:0:0:0:0:0:0:1', '::1', ['[0:0:0:0:0:0:0:1]', '[::1]:80']],
    ['::ffff:127.0.0.1', '::ffff:127.0.0.1', ['[::ffff:127.0.0.1]', '[::FFFF:7F00:1]:80']]
  ] as const) {
    const policy = new OriginPolicy({ host, address })
    for (const name of [...names, ...local])
      t.ok(passes(policy, { host: name }), `${host}: ${name}`)
    for (const name of foreign) t.notOk(passes(policy, { host: name }), `${host}: ${name}`)
  }
})

test('an address is loopback by its value, not by its spelling', async (t) => {
  for (const address of ['127.0.0.1', '127.255.0.9', '::1', '0:0:0:0:0:0:0:1']) {
    t.ok(isLoopback(address), address)
  }
  for (const address of ['::ffff:127.0.0.1', '::ffff:7f00:1']) t.ok(isLoopback(address), address)
  for (const address of ['0.0.0.0', '128.0.0.1', '10.0.0.1', '::', '::2', '::ffff:10.0.0.1']) {
    t.notOk(isLoopback(address), address)
  }
})

test('a listener on a loopback address serves allowed names too', async (t) => {
  const allowHosts = ['Proxy.example.com', 'fd00::1', '[fd00::2]']
  const names = ['proxy.example.com', 'proxy.EXAMPLE.com:443', '[fd00::1]:80', '[fd00::2]']
  t.strictSame(served({ host: '127.0.0.1', allowHosts }, [...names, ...local]), [
    ...names,
    ...local
  ])
  t.strictSame(served({ host: '127.0.0.1', allowHosts }, foreign), [])
})

test('a listener on another address serves every name, or only the allowed ones', async (t) => {
  t.strictSame(served({ host: '0.0.0.0' }, [...local, ...foreign]), [...local, ...foreign])
  const allowHosts = ['proxy.example.com']
  t.strictSame(served({ host: '0.0.0.0', allowHosts }, [...local, 'proxy.example.com:1']), [
    'proxy.example.com:1'
  ])
})

test('a request without Host is refused where Host is checked', async (t) => {
  t.notOk(passes(policyOf({ host: '127.0.0.1' }), {}))
  t.ok(passes(policyOf({ host: '::' }), {}))
})

test('an earlier request makes no difference to a later one', async (t) => {
  const policy = policyOf({ host: '127.0.0.1', allowHosts: ['proxy.example.com'] })
  const hosts = [
    'localhost:8080',
    'example.com',
    'localhost:8080',
    'example.com',
    'proxy.example.com'
  ]
  t.strictSame(
    [...hosts, ...hosts].map((host) => passes(policy, { host })),
    [true, false, true, false, true, true, false, true, false, true]
  )
  const host = 'localhost:8080'
  for (const name of [host, 'proxy.example.com']) {
    t.ok(passes(policy, { host: name, origin: `http://${name}` }))
    t.notOk(
      passes(policy, { host: name, origin: 'http://example.com' }),
      'their pages are refused too'
    )
    t.equal(passes(policy, { host: name, origin: `http://${host}` }), name === host)
  }
  t.notOk(passes(policy, {}))
})

test('pages of other origins are refused', async (t) => {
  const policy = policyOf({ host: '127.0.0.1', allowOrigins: ['https://App.example.com'] })
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
  for (const origin of allowed) t.ok(passes(policy, { host, origin }), origin)
  for (const origin of refused) t.notOk(passes(policy, { host, origin }), origin)
  t.ok(passes(policy, { host }), 'a client that is no browser')
})

test('where every Host is served, an Origin that equals it is still refused', async (t) => {
  const headers = { host: 'rebound.example.com', origin: 'http://rebound.example.com' }
  t.notOk(passes(policyOf({ host: '0.0.0.0' }), headers))
  t.ok(passes(policyOf({ host: '0.0.0.0', allowHosts: ['rebound.example.com'] }), headers))
  t.ok(passes(policyOf({ host: '0.0.0.0', allowOrigins: ['*'] }), headers))
})

test('pages of allowed origins may read the responses', async (t) => {
  const origin = 'https://app.example.com'
  const some = policyOf({
    host: '::',
    allowOrigins: [origin],
    exposeHeaders: ['X-One', 'X-Two']
  })
  t.strictSame(some.headers({ origin }), {
    vary: 'Origin',
    'access-control-allow-origin': origin,
    'access-control-expose-headers': 'X-One, X-Two'
  })
  t.strictSame(some.headers({}), { vary: 'Origin' }, 'caches must know that the Origin matters')
  t.strictSame(some.headers({ origin: 'https://example.com' }), { vary: 'Origin' })

  const any = policyOf({ host: '::', allowOrigins: ['*'] })
  t.strictSame(any.headers({ origin }), {
    vary: 'Origin',
    'access-control-allow-origin': '*',
    'access-control-expose-headers': 'Mcp-Session-Id'
  })
  t.strictSame(policyOf({ host: '::' }).headers({ origin }), {}, 'none')
})

test('the response to a preflight names what may be sent', async (t) => {
  const origin = 'https://app.example.com'
  const policy = policyOf({ host: '::', allowOrigins: [origin] })
  t.match(policy.preflight({ origin, 'access-control-request-headers': 'authorization, x-y' }), {
    'access-control-allow-origin': origin,
    'access-control-allow-methods': 'GET, POST, DELETE, OPTIONS',
    'access-control-allow-headers': 'authorization, x-y',
    'access-control-max-age': '86400'
  })
  t.match(policy.preflight({ origin }), { 'access-control-allow-headers': '*' })
})

test('a request that another web page caused is refused, even without Origin', async (t) => {
  const host = 'localhost:8080'
  for (const allowOrigins of [[], ['https://app.example.com'], ['*']]) {
    const policy = policyOf({ host: '127.0.0.1', allowOrigins })
    for (const site of ['cross-site', 'same-site', 'Cross-Site', 'anything', '']) {
      t.notOk(passes(policy, { host, 'sec-fetch-site': site }), site)
    }
    for (const site of ['none', 'same-origin']) {
      t.ok(passes(policy, { host, 'sec-fetch-site': site }), site)
    }
    t.ok(passes(policy, { host, origin: `http://${host}`, 'sec-fetch-site': 'same-origin' }))
  }
  const policy = policyOf({ host: '127.0.0.1', allowOrigins: ['https://app.example.com'] })
  const origin = 'https://app.example.com'
  t.ok(passes(policy, { host, origin, 'sec-fetch-site': 'cross-site' }), 'an allowed origin')
})

test('a refusal repeats only the start of a header, without control characters', async (t) => {
  const policy = policyOf({ host: '127.0.0.1' })
  const long = `\u009b${'x'.repeat(1_000_000)}`
  for (const headers of [{ host: long }, { host: 'localhost', origin: long }]) {
    const began = performance.now()
    let message = ''
    try {
      policy.check(headers)
    } catch (error) {
      ;({ message } = error as Error)
    }
    t.match(message, /\\u009bx/)
    t.ok(message.length < 300)
    t.ok(performance.now() - began < 50)
  }
})
