// The checks that the command line and the config file have in common.

import t from 'tap'
import {
  isHeaderName,
  isHeaderValue,
  isServerName,
  parseHttpUrl,
  toUrlConfig
} from '../../lib/config/checks.ts'

t.test('only absolute http and https URLs are accepted', async (t) => {
  t.equal(parseHttpUrl('http://localhost:8080/sse')?.href, 'http://localhost:8080/sse')
  t.equal(parseHttpUrl('HTTPS://Example.com/mcp')?.href, 'https://example.com/mcp')
  for (const text of [
    '',
    'example.com',
    'ws://a',
    'http:a',
    'http://',
    'http:///a',
    'http://a b/',
    'http://a\tb/',
    'http://a:99999',
    'file:///a'
  ]) {
    t.equal(parseHttpUrl(text), undefined, text)
  }
})

t.test('a server name must be fit for a segment of a path', async (t) => {
  for (const name of ['fetch', 'a b', 'a.b', 'é', '😀', '...', 'microsoft/markitdown', '../a']) {
    t.ok(isServerName(name), name)
  }
  for (const name of ['', '.', '..', 'a\ud800']) t.notOk(isServerName(name), JSON.stringify(name))
})

t.test('header names and values have the characters that HTTP allows', async (t) => {
  t.ok(isHeaderName('X-Api-Key'))
  for (const name of ['', 'a b', 'a:', 'é', 'a\n'])
    t.notOk(isHeaderName(name), JSON.stringify(name))
  for (const value of ['', 'Bearer a', 'a\tb', 'é']) t.ok(isHeaderValue(value), value)
  for (const value of ['a\nb', 'a\0', '→', 'a\r'])
    t.notOk(isHeaderValue(value), JSON.stringify(value))
})

t.test('of headers with one name the last counts, without regard to case', async (t) => {
  const { headers } = toUrlConfig(
    new URL('http://a/'),
    [
      ['X-Key', '1'],
      ['Other', '2'],
      ['x-key', '3']
    ],
    'auto'
  )
  t.strictSame(headers, { 'x-key': '3', Other: '2' })
})

t.test('a user name and password in the URL become a header', async (t) => {
  const url = new URL('https://us%65r:p%40ss@example.com/mcp?a=b')
  const config = toUrlConfig(url, [], 'sse')
  t.equal(config.url.href, 'https://example.com/mcp?a=b')
  t.equal(config.transport, 'sse')
  t.strictSame(config.headers, { Authorization: `Basic ${btoa('user:p@ss')}` })
  t.equal(url.username, 'us%65r', 'the URL that was given stays as it is')

  const alone = toUrlConfig(new URL('https://:p%zz@example.com/'), [], 'auto')
  t.strictSame(alone.headers, { Authorization: `Basic ${btoa(':p%zz')}` })
})

t.test('an explicit header wins over a user name and password in the URL', async (t) => {
  const config = toUrlConfig(new URL('https://u:p@a/'), [['authorization', 'Bearer x']], 'auto')
  t.equal(config.url.href, 'https://a/')
  t.strictSame(config.headers, { authorization: 'Bearer x' })
})
