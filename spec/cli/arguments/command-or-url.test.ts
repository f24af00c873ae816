// The URL that decides the mode.

import t from 'tap'
import { client, mistake, server, sse } from '../parse.ts'

t.test('the URL may come from SSE_URL', async (t) => {
  t.match(await client([], { SSE_URL: sse }), { server: { url: { href: sse } } })
  t.match(await client(['', '--debug'], { SSE_URL: sse }), { logLevel: 'DEBUG' })
  t.match(await server(['uvx'], { SSE_URL: sse }), { default: { command: 'uvx' } })
  await mistake(t, [], 'SSE_URL must be a URL like http://host:8080/mcp', { SSE_URL: 'hidden' })
})

t.test('a word that begins like a URL and is none is a usage error', async (t) => {
  const message = 'this is not a URL: write it like http://host:8080/mcp'
  const words = [
    'http://',
    'https://u:hidden@a:99999',
    'http://a b/',
    'http:/a',
    'http:///x',
    'http://?x',
    'http:a',
    'http://u:hidden@/x',
    'http://a\tb/',
    'http://[::1/'
  ]
  for (const word of words) {
    await mistake(t, [word], message)
    await mistake(t, [], 'SSE_URL must be a URL like http://host:8080/mcp', { SSE_URL: word })
    await mistake(t, [sse, '--token-url', word], /^--token-url needs a URL like https:\/\/auth/)
  }
})

t.test('a URL of another scheme is a usage error', async (t) => {
  const message =
    'the URL of a server begins with http:// or https://: write it like http://host:8080/mcp'
  await mistake(t, ['ws://a'], message)
  await mistake(t, ['file:///hidden'], message)
})

t.test('spaces and line breaks around the URL are ignored', async (t) => {
  t.match(await client([` ${sse}\n`]), { server: { url: { href: sse } } })
  t.match(await client([], { SSE_URL: `${sse}\n` }), { server: { url: { href: sse } } })
})
