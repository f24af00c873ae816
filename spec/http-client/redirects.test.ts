// Redirects: which of them a request follows.

import { test } from 'tap'
import type { Json, ServerExchange } from '../../fixtures/servers/http.js'
import { opening, overHttp, sent, serve, shown } from './helpers.ts'

test('a redirect within the origin is followed with the same headers and body', async (t) => {
  const headers = { 'x-api-key': 'k' }
  const { server, initialize, ask, transport, closed } = await overHttp(t, {}, { headers })
  const move =
    (status: number) =>
    (...args: [Json, ServerExchange] | [ServerExchange]): unknown => {
      const exchange = args.at(-1) as ServerExchange
      if (exchange.entry.url === '/mcp') return exchange.status(307, 'x', { location: '?once' })
      if (exchange.entry.url !== '/mcp?once') return exchange.byDefault()
      return exchange.status(status, 'moved', { location: `${server.url}?twice` })
    }
  Object.assign(server.script, { onPost: move(308), onGet: move(302), onDelete: move(307) })
  await initialize()
  await server.received.until(({ method, url }) => method === 'GET' && url === '/mcp?twice')
  t.match(await ask('tools/list', { a: 1 }), { result: { params: { a: 1 } } })
  transport.end()
  t.equal(await closed, undefined)
  t.equal(server.sessions.size, 0)
  for (const { headers } of server.received) t.equal(headers['x-api-key'], 'k')
  const posts = sent(server, 'POST')
  t.equal(posts.length, 9)
  t.equal(posts[0]?.body, posts[2]?.body)
})

test('a redirect to another origin is an error that names the target without its query', async (t) => {
  const other = await serve(t)
  const redirects: [number, string, string][] = [
    [307, `${other.url}?key=secret`, other.url],
    [308, 'https://user:secret@example.com/mcp#secret', 'https://example.com/mcp'],
    [301, '/other', '[self]/other'],
    [302, '/other', '[self]/other'],
    [303, '/other', '[self]/other'],
    [307, 'http://', 'nowhere']
  ]
  for (const [status, location, to] of redirects) {
    const { server, transport, closed } = await overHttp(t, {
      onPost: (_message, exchange) => exchange.status(status, 'moved', { location })
    })
    transport.write(opening())
    const origin = `http://127.0.0.1:${server.port}`
    t.strictSame(shown(await closed), {
      code: 'ERR_HTTP_STATUS',
      text:
        `${server.url} redirects to ${to.replace('[self]', origin)} (${status}): ` +
        'use that URL if you trust it'
    })
    t.equal(server.requests.length, 1)
  }
  t.strictSame([...other.requests], [])
})

test('the client follows five redirects and no more', async (t) => {
  const { server, transport, closed } = await overHttp(t, {
    onPost: (_message, { status }) => status(307, '', { location: '/mcp' })
  })
  transport.write(opening())
  t.match(shown(await closed), { text: /redirects to .*\/mcp \(307\)/ })
  t.equal(server.requests.length, 6)
})

test('302 without a location is an error like others', async (t) => {
  const { transport, closed } = await overHttp(t, {
    onPost: (_message, { status }) => status(302, 'no location')
  })
  transport.write(opening())
  t.match(shown(await closed), { text: /answered 302: no location$/ })
})
