// The filter of the traffic page.

import t from 'tap'
import { isError, parseFilter } from '../../../lib/inspect/page/model/filter.ts'
import type { AnyEntry } from '../../../lib/inspect/entries.ts'
import { entry, session } from '../entries.ts'

const call = entry({ method: 'tools/call', name: 'fetch', text: '{"url":"http://a.b/C?x=1"}' })
const answer = entry({
  from: 'server',
  kind: 'response',
  method: 'tools/call',
  error: -32000,
  text: '{"error":1}'
})
const bare = entry({ from: 'server', kind: 'notification', method: undefined, session: 2 })
const line: AnyEntry = {
  seq: 1,
  time: 0,
  type: 'stderr',
  server: 'git',
  pid: 7,
  command: 'x',
  line: 'Oh no'
}
const start: AnyEntry = { seq: 1, time: 0, type: 'start', server: '', pid: 77, command: 'uvx' }
const exit: AnyEntry = { ...start, type: 'exit', end: 'SIGKILL' }
const refusal: AnyEntry = {
  seq: 1,
  time: 0,
  type: 'refusal',
  error: 'ERR_FORBIDDEN',
  message: 'no host'
}
const opened: AnyEntry = { seq: 1, time: 0, type: 'open', ...session({ principal: 'alice' }) }
const all: Record<string, AnyEntry> = { call, answer, bare, line, start, exit, refusal, opened }

const known = { ...session({ principal: 'alice', server: 'git' }), client: 'Claude 1.0' }
const names = {
  sessionOf: (entry: AnyEntry) => ('session' in entry && entry.session === 1 ? known : undefined)
}
const found = (text: string): string =>
  Object.keys(all)
    .filter((name) => parseFilter(text, names)(all[name] as AnyEntry))
    .join(' ')

t.test('each word must match', async (t) => {
  const everything = Object.keys(all).join(' ')
  const cases: Record<string, string> = {
    '': everything,
    '""': everything,
    'method:': everything,
    FETCH: 'call',
    'http://a.b/c?x': 'call',
    '"http://a.b/C?x=1"': 'call',
    '"url" fetch': 'call',
    'fetch nothing': '',
    '-http://a.b/c?x method:tools': 'answer',
    '-fetch is:message': 'answer bare',
    'method:TOOLS/call': 'call answer',
    'tool:etc': 'call',
    'name:fetch': 'call',
    'session:1': 'call answer opened',
    'session:2': '',
    'session:alice': 'call answer opened',
    'session:claude': 'call answer opened',
    'session:bob': '',
    'session:abcdef': 'call answer opened',
    'server:git': 'call answer line',
    'server:default': 'start exit opened',
    'error:-32000': 'answer',
    'error:forbidden': 'refusal',
    'is:error': 'answer exit refusal',
    'is:request': 'call',
    'is:response': 'answer',
    'is:notification': 'bare',
    'is:client': 'call',
    'is:server': 'answer bare',
    'is:message': 'call answer bare',
    'is:stderr': 'line',
    'is:process': 'start exit',
    'is:session': 'opened',
    'is:refusal': 'refusal',
    'is:nonsense': '',
    '"oh no"': 'line',
    '"no host': 'refusal',
    forbidden: 'refusal',
    uvx: 'start exit',
    alice: 'opened',
    '.*': '',
    '[': ''
  }
  for (const [text, names] of Object.entries(cases)) t.equal(found(text), names, text)
})

t.test('members that are missing do not match', async (t) => {
  const empty: AnyEntry = { ...start, type: 'stderr' }
  t.notOk(parseFilter('x', names)(empty))
  t.ok(parseFilter('default', names)({ ...opened, id: 'default', principal: undefined }))
  t.ok(parseFilter('post', names)({ ...refusal, request: 'POST /mcp' }))
})

t.test('what went wrong is an error', async (t) => {
  t.notOk(isError(call))
  t.notOk(isError({ ...exit, end: '0' }))
  t.ok(isError({ ...exit, end: '1' }))
})
