// The cookies of servers: which are kept, and where they go.

import { test } from 'tap'
import { CookieJar } from '../../../lib/http-client/connections/cookies.ts'
import { overHttp } from '../helpers.ts'

const origin = new URL('https://a.example/mcp')

/** Stores cookies, and returns the header for a URL. */
async function given(
  lines: string | string[],
  to: string | URL = origin,
  from: string | URL = origin,
  now?: () => number
): Promise<string | undefined> {
  const jar = new CookieJar(now)
  jar.store(new URL(from), lines)
  return jar.header(new URL(to))
}

test('cookies go back to the origin that set them, and to no other', async (t) => {
  t.equal(await given(['a=1; HttpOnly', 'b=2; SameSite=None', 'c']), 'a=1; b=2; c')
  for (const other of ['https://a.example:444/', 'http://a.example/', 'https://b.a.example/']) {
    t.equal(await given('a=1', other), undefined, other)
    t.equal(await given('a=1; Domain=a.example', other), undefined, other)
  }
  t.equal(await given('a=1; Domain=.example'), 'a=1')
  t.equal(await given('a=1; Domain=b.example'), undefined)
  t.equal(await given('a=1; Domain=.xample'), undefined)
})

test('a cookie has a path', async (t) => {
  const paths: [cookie: string, from: string, to: string, goes: boolean][] = [
    ['a=1', '/x/mcp', '/x/mcp', true],
    ['a=1', '/x/mcp', '/x/y/z', true],
    ['a=1', '/x/mcp', '/mcp', false],
    ['a=1; Path=/', '/x/mcp', '/', true],
    ['a=1; Path=/x', '/mcp', '/x', true],
    ['a=1; Path=/x', '/mcp', '/xy', false],
    ['a=1; Path=/x/', '/mcp', '/x/y', true],
    ['a=1; Path=relative', '/x/mcp', '/other', true]
  ]
  for (const [cookie, from, to, goes] of paths) {
    const header = await given(cookie, new URL(to, origin), new URL(from, origin))
    t.equal(header, goes ? 'a=1' : undefined, `${cookie}: ${from} ${to}`)
  }
})

test('a secure cookie needs https, and so do names that promise it', async (t) => {
  const plain = 'http://a.example/mcp'
  t.equal(await given('a=1; Secure'), 'a=1')
  t.equal(await given('a=1; Secure', plain, plain), undefined)
  t.equal(await given('__Secure-a=1'), undefined)
  t.equal(await given('__Secure-a=1; Secure'), '__Secure-a=1')
  t.equal(await given('__Host-a=1; Secure; Path=/'), '__Host-a=1')
  t.equal(await given('__Host-a=1; Secure; Path=/mcp'), undefined)
  t.equal(await given('__Host-a=1; Secure; Path=/; Domain=a.example'), undefined)
})

test('a cookie ends when the server says so', async (t) => {
  let now = 1_000_000
  const jar = new CookieJar(() => now)
  jar.store(origin, ['a=1; Max-Age=10', 'b=2; Expires=Thu, 01 Jan 1970 01:00:00 GMT', 'c=3'])
  t.equal(await jar.header(origin), 'a=1; b=2; c=3')
  now += 10_000
  t.equal(await jar.header(origin), 'b=2; c=3')
  now = 3_600_000
  t.equal(await jar.header(origin), 'c=3')
  for (const end of ['Max-Age=0', 'Max-Age=-1', 'Expires=Thu, 01 Jan 1970 00:00:00 GMT']) {
    t.equal(await given(['a=1', 'b=2', `a=3; ${end}`]), 'b=2', end)
  }
  t.equal(await given('a=1; Max-Age=5; Expires=Thu, 01 Jan 1970 00:00:00 GMT'), 'a=1')
  t.equal(await given('a=1; Expires=never; Max-Age=x'), 'a=1')
})

test('a cookie replaces the one with the same name and path', async (t) => {
  t.equal(await given(['a=1', 'a=2', 'a=3; Path=/mcp']), 'a=2; a=3')
})

test('the number and the size of cookies are limited', async (t) => {
  const many = Array.from({ length: 60 }, (_, index) => `c${index}=${index}`)
  const kept = (await given(many))?.split('; ') ?? []
  t.equal(kept.length, 50)
  t.equal(kept[0], 'c10=10', 'the oldest are gone')
  t.equal(await given([`a=${'x'.repeat(4096)}`, 'b=\u0001', 'c=1']), 'c=1')
})

test('requests of a transport have the cookies of earlier responses', async (t) => {
  const { server, initialize, ask } = await overHttp(t, {}, { headers: { Cookie: 'own=1' } })
  const cookies = (): unknown => server.received.at(-1)?.headers.cookie
  server.script.onPost = (_message, { res, byDefault }) => {
    res.setHeader('set-cookie', ['node=a; Path=/', 'gone=1; Max-Age=0'])
    byDefault()
  }
  await initialize()
  t.equal(server.received[0]?.headers.cookie, 'own=1')
  server.script.onPost = (_message, { res, byDefault }) => {
    res.setHeader('set-cookie', 'node=a; Max-Age=0; Path=/')
    byDefault()
  }
  await ask('tools/list')
  const sent = server.received.filter(({ method }) => method === 'POST')
  t.equal(sent.at(-1)?.headers.cookie, 'own=1; node=a')
  await ask('tools/list')
  t.equal(cookies(), 'own=1')
})

test('a cookie of a redirect counts for the next request, and no header is sent without one', async (t) => {
  const { server, initialize, ask } = await overHttp(t)
  await initialize()
  let count = 0
  server.script.onPost = (_message, { res, byDefault }) => {
    if (count++ > 0) {
      byDefault()
      return
    }
    res.writeHead(307, {
      location: '/mcp?again',
      'set-cookie': ['a=1; Path=/', 'x=1; Path=/other']
    })
    res.end()
  }
  await ask('tools/list')
  const sent = server.received.filter(({ method }) => method === 'POST')
  t.equal(sent.at(-1)?.headers.cookie, 'a=1')
  t.equal(sent.at(-2)?.headers.cookie, undefined)
  server.script.onPost = (_message, { res, byDefault }) => {
    res.setHeader('set-cookie', 'a=1; Max-Age=0; Path=/')
    byDefault()
  }
  await ask('tools/list')
  await ask('tools/list')
  t.notOk('cookie' in (server.received.at(-1)?.headers ?? {}))
})
