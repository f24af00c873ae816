// The paths that the listener serves.

import { test } from 'tap'
import {
  findRoute,
  leadsToServer,
  nowhere,
  pathOf,
  RouteTable
} from '../../lib/http-server/routes.ts'

test('a path leads to the same with and without a slash at the end', async (t) => {
  const cases: [string, { kind: string; server?: string }][] = [
    ['/mcp', { kind: 'mcp', server: '' }],
    ['/messages', { kind: 'messages', server: '' }],
    ['/status', { kind: 'status' }],
    ['/healthz', { kind: 'healthz' }],
    ['/readyz', { kind: 'readyz' }],
    ['/servers/fetch/mcp', { kind: 'mcp', server: 'fetch' }],
    ['/servers/fetch/messages', { kind: 'messages', server: 'fetch' }],
    ['/servers/a%20b%2Fc/mcp', { kind: 'mcp', server: 'a b/c' }],
    ['/servers/a%20b/c/mcp', { kind: 'mcp', server: 'a b/c' }],
    ['/servers/mcp/mcp/messages', { kind: 'messages', server: 'mcp/mcp' }]
  ]
  for (const [path, { kind, server = '' }] of cases) {
    const route = { kind, server, endpoint: '' }
    t.strictSame(findRoute(path), route, path)
    t.strictSame(findRoute(`${path}/`, ''), route, `${path}/`)
    t.strictSame(findRoute(path, '/base'), route, `${path}, with the base path stripped`)
    t.strictSame(findRoute(`/base${path}`, '/base'), route, `/base${path}`)
  }
})

test('other paths lead nowhere', async (t) => {
  const paths = [
    '/',
    '',
    '/mcp//',
    '//mcp',
    '/MCP',
    '/mcpx',
    '/x/mcp',
    '/servers/mcp',
    '/servers//mcp'
  ]
  const servers = ['/servers/fetch', '/servers/fetch/', '/servers/a//b/mcp', '/servers//a/mcp']
  servers.push('/servers/a/b', '/servers/fetch/status', '/servers/a/b/status')
  for (const path of [...paths, ...servers, '/servers/%E9/mcp', '/servers/%/mcp', '/base/mcp']) {
    t.equal(findRoute(path, ''), nowhere, path)
  }
  t.equal(findRoute('/basement/mcp', '/base'), nowhere)
})

test('any path that ends with /messages/ takes POSTs, because the query names the session', async (t) => {
  for (const path of ['/x/messages/', '/servers//messages', '/x/y/messages', '/base/messages/']) {
    t.match(findRoute(path), { kind: 'messages', server: '' }, path)
  }
  t.equal(findRoute('/x/messagesx'), nowhere)
})

test('the endpoint of an event stream is /messages/ beside it', async (t) => {
  // The path that the client uses, the path that reaches us, our base path, and the path for POSTs.
  const cases: [string, string, string | undefined, string][] = [
    ['/sse', '/sse', undefined, '/messages/'],
    ['/sse/', '/sse/', undefined, '/messages/'],
    ['/servers/a%20b/sse', '/servers/a%20b/sse', undefined, '/servers/a%20b/messages/'],
    ['/servers/a%20b/sse/', '/servers/a%20b/sse/', undefined, '/servers/a%20b/messages/'],
    ['/servers/a/b/sse', '/servers/a/b/sse', undefined, '/servers/a/b/messages/'],
    ['/servers/a%2Fb/sse/', '/servers/a%2Fb/sse/', undefined, '/servers/a%2Fb/messages/'],
    ['/x/servers/a/b/sse', '/servers/a/b/sse', '/x', '/x/servers/a/b/messages/'],
    ['/x/sse', '/sse', undefined, '/x/messages/'],
    ['/x/y/servers/f/sse/', '/servers/f/sse/', undefined, '/x/y/servers/f/messages/'],
    ['/sse/', '/sse/', '', '/messages/'],
    ['/servers/f/sse', '/servers/f/sse', '', '/servers/f/messages/'],
    ['/x/sse', '/sse', '/x', '/x/messages/'],
    ['/x/sse/', '/x/sse/', '/x', '/x/messages/'],
    ['/x/servers/f/sse', '/servers/f/sse', '/x', '/x/servers/f/messages/'],
    ['/x/servers/f/sse/', '/x/servers/f/sse/', '/x', '/x/servers/f/messages/']
  ]
  for (const [asked, reached, basePath, expected] of cases) {
    const route = findRoute(reached, basePath)
    t.equal(route.kind, 'sse')
    t.equal(
      new URL(route.endpoint, `http://any${asked}`).pathname,
      expected,
      `${asked} by ${reached}`
    )
  }
})

test('a route leads to a server unless it is about the proxy', async (t) => {
  for (const word of ['mcp', 'sse', 'messages'])
    t.ok(leadsToServer(findRoute(`/${word}`, '')), word)
  for (const word of ['status', 'healthz', 'readyz', 'other']) {
    t.notOk(leadsToServer(findRoute(`/${word}`, '')), word)
  }
})

test('the path of a server has its name', async (t) => {
  t.equal(pathOf('', ''), '/')
  t.equal(pathOf('', '/base'), '/base/')
  t.equal(pathOf('a b/c', ''), '/servers/a%20b%2Fc/')
  t.equal(pathOf('fetch', '/base'), '/base/servers/fetch/')
})

test('a removed server that still has calls is found at its path for them only', async (t) => {
  const options = { basePath: '', metricsPath: undefined, servers: ['kept'], hasMetadata: false }
  const table = new RouteTable(options)
  t.match(table.find('/servers/kept/mcp'), { kind: 'mcp', server: 'kept' })
  t.equal(table.find('/servers/gone/mcp'), nowhere)
  const isGone = (server: string): boolean => server === 'gone'
  t.match(table.findEnding('/servers/gone/mcp', isGone), { kind: 'mcp', server: 'gone' })
  t.equal(table.findEnding('/servers/other/mcp', isGone), nowhere)
  t.equal(table.findEnding('/servers/gone/sse', isGone), nowhere)
  t.equal(
    table.findEnding('/servers/gone/mcp', () => false),
    nowhere
  )
})
