// Facts made into the entries of the traffic page.

import t from 'tap'
import { ProxyError } from '../../lib/errors.ts'
import { maxSessions, Traffic } from '../../lib/inspect/traffic.ts'
import type { Client } from '../../lib/inspect/traffic.ts'
import { maxText, toJson } from '../../lib/inspect/ring.ts'
import { makeFrame } from '../../lib/message/frame.ts'
import { parseFrame } from '../../lib/message/parse-frame.ts'
import type { FactClient } from '../../lib/streams/facts.ts'
import { notification, request, response } from '../helpers.ts'

const alice: FactClient = {
  server: 'a',
  session: 'abcdefgh-secret',
  kind: 'session',
  principal: 'alice',
  address: '192.0.2.1'
}

const open = (): Traffic => new Traffic(0)
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- a missing member fails the test
const entriesOf = ({ ring }: Traffic): any[] =>
  Array.from({ length: ring.end - ring.start }, (_, index) =>
    JSON.parse(toJson(ring.at(ring.start + index)))
  )
const say = (
  traffic: Traffic,
  from: 'client' | 'server',
  frame: ReturnType<typeof request>,
  time: number,
  client: Client = alice,
  delivered = true
): void => traffic.onMessage(client, { from, frame, delivered }, time)

t.test('a session opens and ends, and its id is not in the entries', async (t) => {
  const traffic = open()
  traffic.onSession({ type: 'open', client: alice }, 1)
  traffic.onSession({ type: 'open', client: alice }, 2)
  const error = new ProxyError('ERR_TIMEOUT', 'x')
  traffic.onSession({ type: 'end', client: alice, error }, 3)
  traffic.onSession({ type: 'end', client: alice, error: new Error('x') }, 4)
  const who = { session: 1, kind: 'session', id: 'abcdefgh', server: 'a', principal: 'alice' }
  t.match(entriesOf(traffic), [
    { seq: 0, time: 1, type: 'open', ...who, address: '192.0.2.1' },
    { seq: 1, time: 3, type: 'end', ...who, error: 'ERR_TIMEOUT' },
    { seq: 2, time: 4, type: 'end', error: undefined }
  ])
  t.notMatch(JSON.stringify(entriesOf(traffic)), 'secret')
  t.match(traffic.sessions, [who])
  traffic.onSession({ type: 'end', client: { ...alice } })
  t.equal(traffic.ring.end, 3, 'the end of an unknown client is no entry')
})

t.test('a response has the method of its request, and the time since', async (t) => {
  const traffic = open()
  say(traffic, 'client', request(1, 'tools/call', { name: 'fetch' }), 10)
  say(traffic, 'server', request(1, 'sampling/createMessage'), 11)
  say(traffic, 'client', response(1), 12)
  say(traffic, 'server', response(1, { content: [] }), 14.5)
  say(traffic, 'server', response(1), 15)
  t.match(entriesOf(traffic).slice(1), [
    { seq: 1, time: 10, from: 'client', kind: 'request', method: 'tools/call', name: 'fetch' },
    { from: 'server', kind: 'request', method: 'sampling/createMessage' },
    { from: 'client', kind: 'response', method: 'sampling/createMessage', call: 2, took: 1 },
    { from: 'server', kind: 'response', method: 'tools/call', name: 'fetch', call: 1, took: 4.5 },
    { from: 'server', kind: 'response', method: undefined, call: undefined }
  ])
})

t.test('progress and cancellations belong to their request', async (t) => {
  const traffic = open()
  const params = { name: 'fetch', _meta: { progressToken: 't' } }
  say(traffic, 'client', request(1, 'tools/call', params), 1)
  say(traffic, 'server', notification('notifications/progress', { progressToken: 't' }), 2)
  say(traffic, 'server', notification('notifications/progress', { progressToken: 'other' }), 3)
  say(traffic, 'client', notification('notifications/cancelled', { requestId: 1 }), 4)
  say(traffic, 'client', notification('notifications/cancelled', { requestId: 2 }), 5)
  say(traffic, 'client', notification('notifications/cancelled'), 5)
  say(traffic, 'client', request(3, 'ping'), 6)
  say(traffic, 'client', notification('notifications/cancelled', { requestId: 3 }), 7)
  t.strictSame(
    entriesOf(traffic).map(({ call, name }) => [call, name]),
    [
      [undefined, undefined],
      [undefined, 'fetch'],
      [1, 'fetch'],
      [undefined, undefined],
      [1, 'fetch'],
      [undefined, undefined],
      [undefined, undefined],
      [undefined, undefined],
      [7, undefined]
    ]
  )
})

t.test('a client reports progress of a request of the server', async (t) => {
  const traffic = open()
  const params = { _meta: { progressToken: 5 } }
  say(traffic, 'server', request(1, 'sampling/createMessage', params), 1)
  say(traffic, 'client', notification('notifications/progress', { progressToken: 5 }), 2)
  t.equal(entriesOf(traffic)[2].call, 1)
})

t.test('an entry says what went wrong', async (t) => {
  const traffic = open()
  const answer = (text: string): void => {
    say(traffic, 'client', request(1, 'tools/call', { name: 'a' }), 1)
    say(traffic, 'server', parseFrame(Buffer.from(`{"jsonrpc":"2.0","id":1,${text}}`)), 2)
  }
  answer('"error":{"code":-32000,"message":"x"}')
  answer('"result":{"isError":true}')
  answer('"result":{}')
  const closed = makeFrame({ jsonrpc: '2.0', id: 1, error: { code: -32000, message: 'x' } })
  Object.assign(closed, { failure: new ProxyError('ERR_CLOSED', 'x') })
  say(traffic, 'client', request(1, 'ping'), 1)
  say(traffic, 'server', closed, 2, alice, false)
  const responses = entriesOf(traffic).filter(({ kind }) => kind === 'response')
  t.strictSame(
    responses.map(({ error }) => error),
    [-32000, 'tool error', undefined, 'ERR_CLOSED']
  )
  t.strictSame(
    responses.map(({ undelivered }) => undelivered),
    [undefined, undefined, undefined, true]
  )
})

t.test('clients without a session are together if they have everything in common', async (t) => {
  const traffic = open()
  const modern = { ...alice, kind: 'modern' as const, address: '' }
  for (const session of ['1', '2', '3']) {
    const client = { ...modern, session }
    traffic.onSession({ type: 'open', client })
    say(traffic, 'client', request(1, 'ping'), 10, client)
    say(traffic, 'server', response(1), 10 + Number(session), client)
    traffic.onSession({ type: 'end', client })
  }
  say(traffic, 'client', request(1, 'ping'), 20, { ...modern, principal: 'bob' })
  const entries = entriesOf(traffic)
  t.strictSame(
    entries
      .map(({ type, session }) => `${type} ${session}`)
      .filter((text) => /open|end/.test(text)),
    ['open 1', 'open 2']
  )
  t.strictSame(
    entries.filter(({ took }) => took).map(({ took }) => took),
    [1, 2, 3],
    'the ids of each POST are its own'
  )
  t.match(entries[0], { kind: 'modern', id: '', address: undefined })
})

t.test('a long message is cut', async (t) => {
  const traffic = open()
  const chunk = Buffer.from(
    `{"jsonrpc":"2.0","method":"a","params":{"x":"${'x'.repeat(maxText)}"}}`
  )
  const frame = parseFrame(chunk)
  say(traffic, 'client', frame, 1)
  const exact = `{"jsonrpc":"2.0","method":"a","params":{"x":"${'x'.repeat(maxText - 48)}"}}`
  t.equal(exact.length, maxText)
  say(traffic, 'client', parseFrame(Buffer.from(exact)), 1)
  const [, cut, whole] = entriesOf(traffic)
  t.match(cut, { size: frame.bytes.length, cut: true })
  t.equal(cut.text.length, maxText)
  t.equal(whole.cut, undefined)
})

t.test(
  'only the last sessions have names, and only the last requests are waited for',
  async (t) => {
    const traffic = open()
    for (let index = 0; index <= maxSessions; index++) {
      traffic.onSession({ type: 'open', client: { ...alice } })
    }
    t.equal(traffic.sessions.length, maxSessions)
    t.equal(traffic.sessions[0]?.session, 2)
    for (let id = 0; id <= 10_000; id++) say(traffic, 'client', request(id, 'ping'), 1)
    say(traffic, 'server', response(0), 2)
    say(traffic, 'server', response(1), 2)
    t.strictSame(
      entriesOf(traffic)
        .slice(-2)
        .map(({ took }) => took),
      [undefined, 1]
    )
  }
)

t.test('a refusal has the request without its query', async (t) => {
  const traffic = open()
  const error = new ProxyError('ERR_FORBIDDEN', 'the host\nis wrong')
  traffic.onRefusal({
    error,
    address: '192.0.2.1',
    httpMethod: 'POST',
    path: '/messages/?session_id=secret',
    session: 'secret'
  })
  traffic.onRefusal({ error, address: '', server: 'a', httpMethod: undefined })
  t.match(entriesOf(traffic), [
    {
      type: 'refusal',
      error: 'ERR_FORBIDDEN',
      message: 'the host | is wrong',
      request: 'POST /messages/',
      address: '192.0.2.1'
    },
    { type: 'refusal', server: 'a', address: undefined, request: undefined }
  ])
  t.notMatch(JSON.stringify(entriesOf(traffic)), 'secret')
})

t.test('a process has its start, its lines on stderr, and its exit', async (t) => {
  const traffic = open()
  const about = { server: 'a', pid: 7, command: 'x' }
  traffic.onProcess({ type: 'start', ...about })
  traffic.onProcess({ type: 'stderr', ...about, line: 'hello' })
  traffic.onProcess({ type: 'exit', ...about, exitCode: 0, signal: null })
  traffic.onProcess({ type: 'exit', ...about, exitCode: null, signal: 'SIGKILL' })
  t.match(entriesOf(traffic), [
    { type: 'start', ...about, end: undefined },
    { type: 'stderr', ...about, line: 'hello' },
    { type: 'exit', ...about, end: '0' },
    { type: 'exit', ...about, end: 'SIGKILL' }
  ])
})

t.test('times are those of the clock', async (t) => {
  const traffic = open()
  traffic.onProcess({ type: 'start', server: '', pid: 1, command: 'x' })
  traffic.onMessage(alice, { from: 'client', frame: request(1, 'ping'), delivered: true })
  for (const { time } of entriesOf(traffic)) t.ok(Math.abs(time - Date.now()) < 2000)
})
