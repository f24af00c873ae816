// The buffers of the transports in a session.

import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { SessionTransport } from '../../lib/http-server/session/accept-session.ts'
import { connectChild } from '../../lib/stdio/connect-child.ts'
import type { ChildTransport } from '../../lib/stdio/connect-child.ts'
import { reconnect } from '../../lib/wrappers/reconnect.ts'
import { notification, script, until } from '../helpers.ts'

t.test('transports that nobody reads hold one frame each', async (t) => {
  const line = `JSON.stringify({ jsonrpc: '2.0', method: 'x', params: { text: 'x'.repeat(2e6) } })`
  const source = `const line = ${line}; for (let n = 0; n < 50; n++) console.log(line)`
  let child: ChildTransport | undefined
  const server = reconnect(() => (child = connectChild(script(source))))
  t.teardown(() => server.destroy())
  server.on('error', () => {})
  await until(() => child?.readableLength === 1)
  await sleep(200)
  t.equal(child?.readableLength, 1)
  t.equal(server.readableLength, 1)
})

t.test('transports that nobody takes frames from accept two frames at a time', async (t) => {
  const frame = notification('x')
  const session = new SessionTransport({ id: 'x', maxReplay: 1 })
  const server = reconnect(() => connectChild(script('setInterval(() => {}, 1000)')))
  for (const transport of [session, server]) {
    t.teardown(() => transport.destroy())
    transport.on('error', () => {})
    t.equal(transport.writableHighWaterMark, 2)
  }
  t.ok(session.write(frame), 'the store keeps it')
  t.ok(session.write(frame), 'it waits')
  t.notOk(session.write(frame))
})
