// The clients that are connected.

import { test } from 'tap'
import type { Test } from 'tap'
import { SessionTransport } from '../../lib/http-server/accept-session.ts'
import { SseConnection } from '../../lib/http-server/accept-sse.ts'
import { Sessions } from '../../lib/http-server/sessions.ts'
import { parseFrame } from '../../lib/message/parse-frame.ts'
import { exchangeOver } from './helpers.ts'

function session(t: Test, id: string): SessionTransport {
  const made = new SessionTransport({ id })
  t.teardown(() => made.destroy())
  return made
}

async function connection(t: Test, id: string): Promise<SseConnection> {
  const { response } = await exchangeOver(t)
  return new SseConnection({ id, response, endpoint: 'messages/' })
}

const closed = (client: SessionTransport | SseConnection): Promise<void> =>
  new Promise((resolve) => client.once('close', () => resolve()))

test('a client is found by its id, at its server, as what it is', async (t) => {
  const clients = new Sessions(0)
  const one = session(t, 'one')
  const two = await connection(t, 'two')
  clients.add(one, 'server')
  clients.add(two, '')
  t.equal(clients.session('one', 'server'), one)
  t.equal(clients.connection('two', ''), two)
  t.ok(clients.has('one'))
  const code = 'ERR_SESSION_UNKNOWN'
  t.throws(() => clients.session('one', ''), { code }, 'at another server')
  t.throws(() => clients.connection('two', 'server'), { code }, 'at another server')
  t.throws(() => clients.session('two', ''), { code }, 'over another transport')
  t.throws(() => clients.connection('one', 'server'), { code }, 'over another transport')
  t.throws(() => clients.session('three', ''), { code })
})

test('a client is forgotten when it ends', async (t) => {
  const clients = new Sessions(0)
  const client = session(t, 'one')
  clients.add(client, '')
  const end = closed(client)
  client.destroy()
  t.throws(() => clients.session('one', ''), { code: 'ERR_SESSION_UNKNOWN' }, 'at once')
  await end
  t.notOk(clients.has('one'))
  t.equal(clients.size, 0)
})

test('there is room for as many as the limit says', async (t) => {
  const clients = new Sessions(2)
  for (const id of ['one', 'two']) {
    clients.makeRoom()
    clients.add(session(t, id), '')
  }
  t.throws(() => clients.makeRoom(), { code: 'ERR_SESSIONS_FULL', message: /^2 sessions are open/ })
  const client = clients.session('one', '')
  const end = closed(client)
  client.destroy()
  await end
  clients.makeRoom()
})

test('draining ends idle clients at once, and the others when the time is up', async (t) => {
  const clients = new Sessions(0)
  const idle = session(t, 'idle')
  const busy = session(t, 'busy')
  const { response, text } = await exchangeOver(t)
  busy.post(
    response,
    { frames: [parseFrame(Buffer.from('{"jsonrpc":"2.0","id":7,"method":"x"}'))], batch: false },
    { json: true, events: true }
  )
  clients.add(idle, '')
  clients.add(busy, '')
  const drained = clients.drain(50)
  t.ok(idle.destroyed)
  t.notOk(busy.destroyed)
  await drained
  t.ok(busy.destroyed)
  t.equal(clients.size, 0)
  t.ok(await text.until('"id":7,"error"'), 'the one who waits is told')
})
