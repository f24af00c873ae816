// The messages that restore a session on a new server.

import t from 'tap'
import { SessionState } from '../../lib/conversation/session-state.ts'
import { parseFrame } from '../../lib/message/parse-frame.ts'
import { KeptLog, notification, request } from '../helpers.ts'

const kept = (state: SessionState): unknown[] =>
  state.frames.map(({ method, id }) => (id === undefined ? method : `${method} ${id}`))

t.test('the frames of the initialization are kept in order, and no others', async (t) => {
  const state = new SessionState()
  t.strictSame(kept(state), [])
  state.note(request(1, 'initialize'))
  state.note(notification('notifications/initialized'))
  state.note(request(2, 'tools/list'))
  state.note(notification('notifications/cancelled'))
  t.strictSame(kept(state), ['initialize 1', 'notifications/initialized'])
})

t.test('only the last log level is kept', async (t) => {
  const state = new SessionState()
  state.note(request(1, 'logging/setLevel', { level: 'debug' }))
  state.note(request(2, 'logging/setLevel', { level: 'error' }))
  t.strictSame(kept(state), ['logging/setLevel 2'])
})

t.test('a subscription is kept until the client ends it', async (t) => {
  const state = new SessionState()
  state.note(request(1, 'resources/subscribe', { uri: 'a:1' }))
  state.note(request(2, 'resources/subscribe', { uri: 'a:2' }))
  state.note(request(3, 'resources/unsubscribe', { uri: 'a:1' }))
  state.note(request(4, 'resources/unsubscribe', { uri: 'a:3' }))
  t.strictSame(kept(state), ['resources/subscribe 2'])
})

t.test('a frame is kept byte for byte, without the chunk that it came in', async (t) => {
  const chunk = Buffer.alloc(100_000, ' ')
  const size = chunk.write('{"jsonrpc": "2.0", "id":1.0, "method":"initialize"}')
  const state = new SessionState()
  state.note(parseFrame(chunk.subarray(0, size)))
  const [frame] = state.frames
  t.equal(String(frame), chunk.toString('utf8', 0, size))
  t.not(frame?.bytes.buffer, chunk.buffer)
})

const subscribe = (uri: unknown, id = 1) => request(id, 'resources/subscribe', { uri })

t.test('1000 subscriptions are kept, and the log says once that others are not', async (t) => {
  const log = new KeptLog()
  const state = new SessionState(log)
  for (let n = 0; n < 1002; n++) state.note(subscribe(`a:${n}`))
  t.equal(state.frames.length, 1000)
  t.strictSame(
    [...log.lines],
    ['warn: too many subscriptions: some will not be restored on a new server']
  )
  state.note(request(2, 'resources/unsubscribe', { uri: 'a:1' }))
  state.note(subscribe('a:2'))
  state.note(subscribe('b:1'))
  t.equal(state.frames.length, 1000)
  t.match(state.frames.at(-1)?.message(), { params: { uri: 'b:1' } })
})

t.test('subscriptions of 1 MiB together are kept', async (t) => {
  const state = new SessionState()
  for (let n = 0; n < 20; n++) state.note(subscribe(`a:${n}${'x'.repeat(100_000)}`))
  t.equal(state.frames.length, 10)
})

t.test('a URI that is no string harms nothing', async (t) => {
  const state = new SessionState()
  state.note(subscribe({ toString: 1 }))
  state.note(request(2, 'resources/unsubscribe', { uri: [] }))
  t.strictSame(kept(state), [])
})
