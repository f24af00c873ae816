// Which URL is what.

import { test } from 'tap'
import { findRoute, pathOf } from '../../lib/http-server/routes.ts'

test('a path has one meaning, with or without a slash at the end', async (t) => {
  const cases: [string, object][] = [
    ['/mcp', { kind: 'mcp', server: '' }],
    ['/messages', { kind: 'messages', server: '' }],
    ['/status', { kind: 'status' }],
    ['/healthz', { kind: 'healthz' }],
    ['/readyz', { kind: 'readyz' }],
    ['/servers/fetch/mcp', { kind: 'mcp', server: 'fetch' }],
    ['/servers/fetch/messages', { kind: 'messages', server: 'fetch' }],
    ['/servers/a%20b%2Fc/mcp', { kind: 'mcp', server: 'a b/c' }]
  ]
  for (const [path, route] of cases) {
    t.strictSame(findRoute(path, ''), route, path)
    t.strictSame(findRoute(`${path}/`, ''), route, `${path}/`)
    t.strictSame(findRoute(path, '/base'), route, `${path}, the base path stripped on the way`)
    t.strictSame(findRoute(`/base${path}`, '/base'), route, `/base${path}`)
  }
})

test('other paths mean nothing', async (t) => {
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
  const servers = ['/servers/fetch', '/servers/fetch/', '/servers/a/b/mcp', '/servers/fetch/status']
  for (const path of [...paths, ...servers, '/servers/%E9/mcp', '/servers/%/mcp', '/base/mcp']) {
    t.equal(findRoute(path, ''), undefined, path)
  }
  t.equal(findRoute('/basement/mcp', '/base'), undefined)
})

test('the endpoint of an event stream leads to /messages/ beside it', async (t) => {
  // What the client asks for, what of it reaches us, our base path, and where its POSTs must go.
  const cases: [string, string, string, string][] = [
    ['/sse', '/sse', '', '/messages/'],
    ['/sse/', '/sse/', '', '/messages/'],
    ['/servers/a%20b/sse', '/servers/a%20b/sse', '', '/servers/a%20b/messages/'],
    ['/servers/a%20b/sse/', '/servers/a%20b/sse/', '', '/servers/a%20b/messages/'],
    ['/x/sse', '/sse', '', '/x/messages/'],
    ['/x/y/servers/f/sse/', '/servers/f/sse/', '', '/x/y/servers/f/messages/'],
    ['/x/sse', '/sse', '/x', '/x/messages/'],
    ['/x/sse/', '/x/sse/', '/x', '/x/messages/'],
    ['/x/servers/f/sse', '/servers/f/sse', '/x', '/x/servers/f/messages/'],
    ['/x/servers/f/sse/', '/x/servers/f/sse/', '/x', '/x/servers/f/messages/']
  ]
  for (const [asked, reached, basePath, expected] of cases) {
    const route = findRoute(reached, basePath)
    t.match(route, { kind: 'sse' })
    const { endpoint } = route as { endpoint: string }
    t.equal(new URL(endpoint, `http://any${asked}`).pathname, expected, `${asked} by ${reached}`)
  }
})

test('a server is reached under its name', async (t) => {
  t.equal(pathOf('', ''), '/')
  t.equal(pathOf('', '/base'), '/base/')
  t.equal(pathOf('a b/c', ''), '/servers/a%20b%2Fc/')
  t.equal(pathOf('fetch', '/base'), '/base/servers/fetch/')
})
