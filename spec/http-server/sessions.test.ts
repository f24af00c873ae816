// The open sessions.

import { test } from 'tap'
import type { Test } from 'tap'
import { SessionTransport } from '../../lib/http-server/session/accept-session.ts'
import { SseConnection } from '../../lib/http-server/accept-sse.ts'
import { Sessions } from '../../lib/http-server/sessions.ts'
import { parseFrame } from '../../lib/message/parse-frame.ts'
import { countTimers, receiveRequest } from './helpers.ts'

function session(t: Test, id: string): SessionTransport {
  const made = new SessionTransport({ id })
  t.teardown(() => made.destroy())
  return made
}

async function connection(t: Test, id: string): Promise<SseConnection> {
  const { response } = await receiveRequest(t)
  return new SseConnection({ id, response, endpoint: 'messages/' })
}

const closed = (client: SessionTransport | SseConnection): Promise<void> =>
  new Promise((resolve) => client.once('close', () => resolve()))

test('an id ends with the name of the replica, and its start is random', async (t) => {
  const sessions = new Sessions(0, undefined, 'mcp-0')
  const ids = [sessions.createId(), sessions.createId()]
  for (const id of ids) t.match(id, /^[0-9a-f]{32}\.mcp-0$/)
  t.not(ids[0], ids[1])
  t.match(new Sessions(0).createId(), /^[0-9a-f]{32}$/)
})

test('a session is found by its id, its server and its transport', async (t) => {
  const sessions = new Sessions(0)
  const one = session(t, 'one')
  const two = await connection(t, 'two')
  sessions.add(one, 'server')
  sessions.add(two, '')
  t.equal(sessions.session('one', 'server'), one)
  t.equal(sessions.connection('two'), two)
  t.ok(sessions.has('one'))
  const code = 'ERR_SESSION_UNKNOWN'
  t.throws(() => sessions.session('one', ''), { code }, 'at another server')
  t.throws(() => sessions.session('two', ''), { code }, 'over another transport')
  t.throws(() => sessions.connection('one'), { code }, 'over another transport')
  t.throws(() => sessions.session('three', ''), { code })
})

test('the timer of the deadlines stops with the last session', async (t) => {
  const sessions = new Sessions(0)
  const [one, two] = [session(t, 'one'), session(t, 'two')]
  sessions.add(one, '')
  sessions.add(two, '')
  const before = countTimers()
  sessions.deadlines.add({ pending: true, expire: () => {} })
  t.equal(countTimers(), before + 1)
  one.destroy()
  await closed(one)
  // The clock of the session has stopped, and the deadlines go on.
  t.equal(countTimers(), before)
  two.destroy()
  await closed(two)
  t.equal(countTimers(), before - 2)
})

test('a session is forgotten when it ends', async (t) => {
  const sessions = new Sessions(0)
  const client = session(t, 'one')
  sessions.add(client, '')
  const end = closed(client)
  client.destroy()
  t.throws(
    () => sessions.session('one', ''),
    { code: 'ERR_SESSION_UNKNOWN' },
    'before it has closed'
  )
  await end
  t.notOk(sessions.has('one'))
  t.equal(sessions.size, 0)
})

test('each session gets a new id that is hard to guess', async (t) => {
  const sessions = new Sessions(0)
  const ids = new Set(Array.from({ length: 100 }, () => sessions.createId()))
  t.equal(ids.size, 100)
  for (const id of ids) t.match(id, /^[0-9a-f]{32}$/)
})

test('no more sessions open than the limit allows', async (t) => {
  const sessions = new Sessions(2)
  for (const id of ['one', 'two']) {
    sessions.createId()
    sessions.add(session(t, id), '')
  }
  t.throws(() => sessions.createId(), {
    code: 'ERR_SESSIONS_FULL',
    message: /^2 sessions are open/
  })
  const client = sessions.session('one', '')
  const end = closed(client)
  client.destroy()
  await end
  sessions.createId()
})

test('draining ends idle sessions at once, and the others after the timeout', async (t) => {
  const sessions = new Sessions(0)
  const idle = session(t, 'idle')
  const busy = session(t, 'busy')
  const { response, text } = await receiveRequest(t)
  busy.post(
    response,
    { frames: [parseFrame(Buffer.from('{"jsonrpc":"2.0","id":7,"method":"x"}'))], batch: false },
    { json: true, events: true }
  )
  sessions.add(idle, '')
  sessions.add(busy, '')
  const drained = sessions.drain(50)
  t.ok(idle.destroyed)
  t.notOk(busy.destroyed)
  await drained
  t.ok(busy.destroyed)
  t.equal(sessions.size, 0)
  t.ok(await text.until('"id":7,"error"'), 'its call gets an error')
})

test('the servers of closed sessions count as open sessions while they exit', async (t) => {
  let exiting = 0
  const sessions = new Sessions(2, () => exiting)
  const one = session(t, 'one')
  sessions.add(one, '')
  exiting = 1
  t.throws(() => sessions.createId(), { code: 'ERR_SESSIONS_FULL', message: /^2 sessions/ })
  exiting = 0
  t.ok(sessions.createId())
})
