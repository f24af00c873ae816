// Messages of a client joined to calls.

import t from 'tap'
import { ProxyError } from '../../lib/errors.ts'
import { makeFrame } from '../../lib/message/frame.ts'
import type { Frame } from '../../lib/message/frame.ts'
import { parseFrame } from '../../lib/message/parse-frame.ts'
import { errorFrame } from '../../lib/message/refusal.ts'
import type { FactClient } from '../../lib/streams/facts.ts'
import { Calls, targetOf } from '../../lib/watchers/calls.ts'
import type { EndedCall } from '../../lib/watchers/calls.ts'

const client: FactClient = { server: '', session: 'x', kind: 'session' }

interface Watched {
  ended: EndedCall[]
  calls: Calls
  /** The client sends a message, as JSON. */
  say(text: string): void
  answer(frame: Frame, delivered?: boolean): void
}

function watch(): Watched {
  const ended: EndedCall[] = []
  const calls = new Calls((call) => ended.push({ ...call }))
  return {
    ended,
    calls,
    say: (text) =>
      calls.onMessage({ client, from: 'client', frame: frameOf(text), delivered: true }),
    answer: (frame, delivered = true) =>
      calls.onMessage({ client, from: 'server', frame, delivered })
  }
}

const frameOf = (text: string): Frame =>
  parseFrame(Buffer.from(text.replace('{', '{"jsonrpc":"2.0",')))
const result = (id: number, value = {}): Frame => makeFrame({ jsonrpc: '2.0', id, result: value })

t.test('a call ends with its response', async (t) => {
  const { ended, say, answer } = watch()
  say('{"id":1,"method":"ping"}')
  say('{"id":2,"method":"tools/call","params":{"name":"a","arguments":{"secret":1}}}')
  say('{"id":3,"method":"tools/call","params":{"name":"b"}}')
  say('{"id":4,"method":"x"}')
  say('{"id":5,"method":"y"}')
  say('{"method":"notifications/initialized"}')
  t.strictSame(ended, [])
  answer(frameOf('{"method":"notifications/message","params":{}}'))
  answer(result(2, { content: [], isError: true }))
  answer(result(3, { content: [] }))
  answer(result(1))
  answer(frameOf('{"id":4,"error":{"code":-32602,"message":"no"}}'))
  answer(errorFrame(5, new ProxyError('ERR_SERVER_EXITED', 'gone')))
  answer(result(6), true)
  const request = '{"jsonrpc":"2.0","id":1,"method":"ping"}'
  t.match(ended, [
    { client, method: 'tools/call', name: 'a', outcome: 'tool_error' },
    { method: 'tools/call', name: 'b', outcome: 'ok' },
    {
      method: 'ping',
      outcome: 'ok',
      bytesIn: request.length,
      bytesOut: result(1).bytes.length
    },
    { method: 'x', outcome: 'error', error: -32602 },
    { method: 'y', outcome: 'error', error: 'ERR_SERVER_EXITED' }
  ])
  t.equal(ended.length, 5)
  for (const { duration } of ended) t.ok(duration >= 0 && duration < 10_000)
})

t.test(
  'a call ends when the client cancels it, and its late response counts no more',
  async (t) => {
    const { ended, say, answer } = watch()
    say('{"id":1,"method":"x"}')
    say('{"method":"notifications/cancelled","params":{"requestId":2}}')
    say('{"method":"notifications/cancelled","params":{}}')
    t.strictSame(ended, [])
    say('{"method":"notifications/cancelled","params":{"requestId":1}}')
    answer(result(1), false)
    t.match(ended, [{ method: 'x', outcome: 'cancelled', bytesOut: 0 }])
    t.equal(ended.length, 1)
  }
)

t.test('a response that the client does not get is undelivered', async (t) => {
  const { ended, say, answer } = watch()
  say('{"id":1,"method":"x"}')
  answer(result(1), false)
  t.match(ended, [{ outcome: 'undelivered' }])
})

t.test('calls end with their client, before it', async (t) => {
  const { ended, calls, say, answer } = watch()
  calls.onOpen({ type: 'open', client })
  say('{"id":1,"method":"x"}')
  say('{"id":2,"method":"y"}')
  answer(result(1))
  const session = calls.onEnd({ type: 'end', client })
  t.match(ended, [{ outcome: 'ok' }, { method: 'y', outcome: 'closed', error: undefined }])
  const bytesIn = 2 * '{"jsonrpc":"2.0","id":1,"method":"x"}'.length
  const { length } = result(1).bytes
  t.match(session, { client, outcome: 'ok', error: undefined, bytesIn, bytesOut: length })

  say('{"id":3,"method":"z"}')
  const error = new ProxyError('ERR_SERVER_EXITED', 'gone')
  t.match(calls.onEnd({ type: 'end', client, error }), { outcome: 'error', error: error.code })
  t.match(ended.at(-1), { method: 'z', outcome: 'error', error: 'ERR_SERVER_EXITED' })
  const other = { ...client }
  const end = calls.onEnd({ type: 'end', client: other, error: new Error('abort') })
  t.match(end, { outcome: 'ok', bytesIn: 0 }, 'it had come before this watched')
})

t.test('a call ends when another one takes its id', async (t) => {
  const { ended, calls, say, answer } = watch()
  say('{"id":1,"method":"x"}')
  say('{"id":1,"method":"y"}')
  t.match(ended, [{ method: 'x', outcome: 'closed' }])
  t.equal(calls.inFlight, 1)
  answer(result(1))
  t.match(ended.at(-1), { method: 'y', outcome: 'ok' })
  t.equal(ended.length, 2)
  t.equal(calls.inFlight, 0)
})

t.test('calls without a response are not kept without end', async (t) => {
  const { ended, say } = watch()
  for (let id = 0; id < 10_001; id++) say(`{"id":${id},"method":"m${id}"}`)
  t.match(ended, [{ method: 'm0', outcome: 'closed' }])
  t.equal(ended.length, 1)
})

t.test('the name is that of the tool, the prompt or the resource, without secrets', async (t) => {
  const targets: [method: string, params: Record<string, unknown>, name: string | undefined][] = [
    ['tools/call', { name: 'a', arguments: { name: 'b' } }, 'a'],
    ['prompts/get', { name: 'p' }, 'p'],
    ['tools/call', {}, undefined],
    ['tools/call', { name: 7 }, undefined],
    ['resources/read', { uri: 'file:///a/b' }, 'file:///a/b'],
    ['resources/read', {}, undefined],
    ['resources/subscribe', { uri: 'https://h/a?token=t#f' }, 'https://h/a'],
    ['resources/unsubscribe', { uri: 'db://user:pass@host/t' }, 'db://host/t'],
    ['resources/read', { uri: 'x://a#b?c' }, 'x://a'],
    ['tools/list', { name: 'a', uri: 'b' }, undefined]
  ]
  for (const [method, params, name] of targets) {
    const { name: found, method: own } = targetOf(
      makeFrame({ jsonrpc: '2.0', id: 1, method, params })
    )
    t.equal(own, method)
    t.equal(found, name, `${method} ${JSON.stringify(params)}`)
  }
  t.equal(targetOf(result(1)).method, '')
})

t.test('of a long name, a call keeps the start', async (t) => {
  const nameOf = (method: string, params: object): string | undefined =>
    targetOf(frameOf(JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }))).name
  for (const length of [1023, 1024, 1025, 1_000_000]) {
    const name = 'n'.repeat(length)
    const start = name.slice(0, 1024)
    t.equal(nameOf('tools/call', { name }), start)
    t.equal(nameOf('resources/read', { uri: name }), start)
  }
})
