// What a server that is started anew must be told.

import t from 'tap'
import { SessionState } from '../../lib/conversation/session-state.ts'
import { parseFrame } from '../../lib/message/frame.ts'
import { notification, request } from '../helpers.ts'

const said = (opening: SessionState): unknown[] =>
  opening.frames.map(({ method, id }) => (id === undefined ? method : `${method} ${id}`))

t.test('what opened the conversation is kept in order, and nothing else', async (t) => {
  const opening = new SessionState()
  t.strictSame(said(opening), [])
  opening.note(request(1, 'initialize'))
  opening.note(notification('notifications/initialized'))
  opening.note(request(2, 'tools/list'))
  opening.note(notification('notifications/cancelled'))
  t.strictSame(said(opening), ['initialize 1', 'notifications/initialized'])
})

t.test('of log levels the last one counts', async (t) => {
  const opening = new SessionState()
  opening.note(request(1, 'logging/setLevel', { level: 'debug' }))
  opening.note(request(2, 'logging/setLevel', { level: 'error' }))
  t.strictSame(said(opening), ['logging/setLevel 2'])
})

t.test('subscriptions count while they stand', async (t) => {
  const opening = new SessionState()
  opening.note(request(1, 'resources/subscribe', { uri: 'a:1' }))
  opening.note(request(2, 'resources/subscribe', { uri: 'a:2' }))
  opening.note(request(3, 'resources/unsubscribe', { uri: 'a:1' }))
  opening.note(request(4, 'resources/unsubscribe', { uri: 'a:3' }))
  t.strictSame(said(opening), ['resources/subscribe 2'])
})

t.test('a frame is kept byte for byte, and apart from the chunk that it came in', async (t) => {
  const chunk = Buffer.alloc(100_000, ' ')
  const size = chunk.write('{"jsonrpc": "2.0", "id":1.0, "method":"initialize"}')
  const opening = new SessionState()
  opening.note(parseFrame(chunk.subarray(0, size)))
  const [kept] = opening.frames
  t.equal(String(kept), chunk.toString('utf8', 0, size))
  t.not(kept?.bytes.buffer, chunk.buffer)
})
