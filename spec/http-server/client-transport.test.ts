// What the transports of sessions share. Their backpressure is tested with each of them.

import { PassThrough, Writable } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import { test } from 'tap'
import { SessionTransport } from '../../lib/http-server/session/accept-session.ts'
import { makeFrame } from '../../lib/message/frame.ts'
import { KeptLog } from '../helpers.ts'
import { FakeServer, json, respondAsUsual, serve, until } from './helpers.ts'

/** A server whose code throws when it gets the method `odd`. */
const oddServer = (): FakeServer =>
  new FakeServer((message, server) => {
    if (message.method === 'odd') throw new Error('secret')
    respondAsUsual(message, server)
  })

/**
 * Node 26 and later catch an exception in a stream that another stream is piped to, and destroy the
 * stream with it. The transport then learns of the exception only after it has taken the frame.
 */
const nodeCatches = ((): boolean => {
  const source = new PassThrough({ objectMode: true })
  const target = new Writable({
    objectMode: true,
    write() {
      throw new Error('caught')
    }
  })
  source.pipe(target.once('error', () => {}))
  try {
    source.resume().push('')
    return true
  } catch {
    return false
  }
})()

const internal = { code: -32603, message: /^internal error/ }

test('an exception while a frame is taken is a 500 for its request, and ends the session', async (t) => {
  const log = new KeptLog()
  const { session, listener } = await serve(t, { log }, oddServer)
  const other = await session()
  for (const message of [{ id: 'x', method: 'odd' }, { method: 'odd' }]) {
    const { client, server } = await session()
    const stream = await client.openGet()
    const call = client.post(json({ id: 1, method: 'tools/call' }))
    await server.got('tools/call')
    const { status, text } = await client.post(json(message))
    if (nodeCatches && message.id === undefined) t.equal(status, 202)
    else {
      t.equal(status, 500)
      t.match(JSON.parse(text), { id: message.id ?? null, error: internal })
    }
    t.notMatch(text, 'secret')
    t.match(JSON.parse((await call).text), { id: 1, error: internal }, 'no call waits for ever')
    await stream.closed
    t.ok(server.destroyed)
    t.equal((await client.post(json({ id: 2, method: 'ping' }))).status, 404)
  }
  const line = 'error: POST /mcp: internal error: secret'
  const errors = log.lines.filter((line) => line.startsWith('error'))
  if (!nodeCatches) t.strictSame(errors, [line, line])
  t.match(await other.client.request('ping'), { result: {} }, 'other sessions go on')
  t.equal(listener.sessions, 1)
})

test('an exception while a frame is taken ends an HTTP+SSE connection in the same way', async (t) => {
  const log = new KeptLog()
  const { sse, listener } = await serve(t, { log }, oddServer)
  const { client, server } = await sse()
  await client.post(json({ id: 1, method: 'tools/call' }))
  await server.got('tools/call')
  const { status, text } = await client.post(json({ id: 'x', method: 'odd' }))
  await client.closed
  await until(() => listener.sessions === 0)
  if (nodeCatches) {
    t.equal(status, 202)
    t.match(
      [...client.messages],
      [1, 'x'].map((id) => ({ id, error: internal }))
    )
    return
  }
  t.equal(status, 500)
  t.match(JSON.parse(text), { id: 'x', error: internal })
  t.match([...client.messages], [{ id: 1, error: internal }])
  t.match(log.lines.join('\n'), 'error: POST /messages/: internal error: secret')
})

test('a client waits after a large frame until the buffer is empty', async (t) => {
  const transport = new SessionTransport({ id: 'x' })
  t.teardown(() => transport.destroy())
  const large = makeFrame({
    jsonrpc: '2.0',
    method: 'x',
    params: { text: 'x'.repeat(1024 * 1024) }
  })
  const small = makeFrame({ jsonrpc: '2.0', method: 'x' })
  transport.receive(small)
  t.ok(transport.hasRoom)
  transport.receive(large)
  t.notOk(transport.hasRoom)
  let hasRoom = false
  transport.whenRoom(() => (hasRoom = true))
  await turn()
  t.notOk(hasRoom)
  t.equal(transport.read(), small)
  await turn()
  t.notOk(hasRoom, 'the large frame is still there')
  t.equal(transport.read(), large)
  t.ok(hasRoom)
  t.ok(transport.hasRoom)
})

test('a large frame that is read at once does not make the client wait', async (t) => {
  const transport = new SessionTransport({ id: 'x' })
  t.teardown(() => transport.destroy())
  transport.on('data', () => {})
  await turn()
  transport.receive(
    makeFrame({ jsonrpc: '2.0', method: 'x', params: { text: 'x'.repeat(1024 * 1024) } })
  )
  t.ok(transport.hasRoom)
})
