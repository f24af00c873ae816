// Calls as curl lines. A real shell must give curl exactly the message, whatever is in it.

import t from 'tap'
import { curlLine, maxArgument, quote, withoutCurl } from '../../../lib/inspect/page/model/curl.ts'
import type { CurlTarget } from '../../../lib/inspect/page/model/curl.ts'
import { entry, session } from '../entries.ts'
import { parseWords } from '../texts.js'

const target: CurlTarget = { url: 'http://127.0.0.1:1/mcp', needsToken: false, session: undefined }
const variables = { MCP_URL: 'http://u/', MCP_SESSION: 'id', MCP_TOKEN: 'secret' }

const nasty = [
  `'`,
  `''"'"'`,
  '$(touch /tmp/pwned)',
  '`id`',
  '${IFS}',
  '\\',
  "\\'",
  '!! !x',
  'a\nb',
  'a\r\nb',
  '\t',
  '\u0003\u001b[2J',
  '\u007f',
  '\u009b31m',
  '\u202e\u2028',
  '\ud83d',
  '😀 é',
  '; rm -rf / #',
  '%s %n',
  '@/etc/passwd',
  '-o /etc/x',
  '~ * ? [a]',
  '&& || | > <'
]

t.test('a shell gives curl the message as it is', async (t) => {
  for (const text of nasty) {
    const message = {
      jsonrpc: '2.0',
      id: text,
      method: 'tools/call',
      params: { name: text, [text]: text }
    }
    for (const json of [JSON.stringify(message), JSON.stringify(message, null, '\t')]) {
      const line = curlLine(entry({ text: json }), target)
      t.match(line, /^[\x20-\x7e\xa1-\u02ff]*$/, 'one line without control characters')
      const words = parseWords(line, variables)
      t.equal(words[0], 'curl')
      t.equal(words[1], target.url)
      t.equal(words.at(-2), '--data-raw')
      t.strictSame(JSON.parse(words.at(-1) as string), message)
    }
  }
})

t.test('raw control characters in strings become escapes', async (t) => {
  const text = '{"jsonrpc":"2.0","method":"a\u007f\u009b\u202e"}'
  t.match(curlLine(entry({ text }), target), '"a\\u007f\\u009b\\u202e"')
})

t.test('a URL and a name cannot leave their quotes', async (t) => {
  for (const text of nasty) t.equal(parseWords(quote(`x${text}`)).length, 1)
  const url = `http://u/'; touch x; '`
  t.equal(parseWords(curlLine(entry(), { ...target, url }))[1], url)
})

t.test('secrets are variables', async (t) => {
  const line = curlLine(entry(), { url: undefined, needsToken: true, session: session() })
  const words = parseWords(line, variables)
  t.equal(words[1], 'http://u/')
  t.ok(words.includes('Authorization: Bearer secret'))
  t.ok(words.includes('Mcp-Session-Id: id'))
  const initialize = entry({ text: '{"method":"initialize"}' })
  t.notMatch(curlLine(initialize, { ...target, session: session() }), 'Mcp-Session-Id')
  for (const kind of ['modern', 'stateless'] as const) {
    t.notMatch(curlLine(entry(), { ...target, session: session({ kind }) }), 'Mcp-Session-Id')
  }
  t.match(curlLine(entry({ text: 'x' }), { ...target, session: session() }), 'Mcp-Session-Id')
})

t.test('a message of 2026-07-28 has its headers', async (t) => {
  const _meta = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' }
  const text = JSON.stringify({ method: 'tools/call', params: { name: 'a', _meta } })
  const headers = (name?: string): string[] =>
    parseWords(curlLine(entry({ text, name }), target)).filter((word) => /^M[cC][pP]-/.test(word))
  t.strictSame(headers('a b'), [
    'MCP-Protocol-Version: 2026-07-28',
    'Mcp-Method: tools/call',
    'Mcp-Name: a b'
  ])
  t.equal(headers('é')[2], 'Mcp-Name: =?base64?w6k=?=')
  t.equal(headers('=?base64?x')[2], 'Mcp-Name: =?base64?PT9iYXNlNjQ/eA==?=')
  t.equal(headers().length, 2)
})

t.test('not all messages can be sent', async (t) => {
  t.equal(withoutCurl(entry()), undefined)
  t.equal(withoutCurl(entry({ text: 'x'.repeat(maxArgument) })), undefined)
  t.match(withoutCurl(entry({ text: 'x'.repeat(maxArgument + 1) })), 'too long')
  t.match(withoutCurl(entry({ cut: true })), 'too long')
  t.match(withoutCurl(entry({ from: 'server' })), 'only messages of a client')
  t.match(withoutCurl(entry({ kind: 'response' })), 'only messages of a client')
})
