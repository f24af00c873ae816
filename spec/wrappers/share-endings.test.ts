// A shared server's beginnings and ends: who hears of them, and what.

import { once } from 'node:events'
import t from 'tap'
import type { Test } from 'tap'
import { ProxyError } from '../../lib/errors.ts'
import type { Frame } from '../../lib/message/frame.ts'
import { share } from '../../lib/wrappers/share.ts'
import type { SharedServer, ShareOptions } from '../../lib/wrappers/share.ts'
import { clientOn, frameOf, TextServer, turn } from './text-server.ts'
import type { Client } from './text-server.ts'

const crash = new ProxyError('ERR_SERVER_EXITED', 'the server has crashed')

interface Shared {
  /** All that were started. */
  servers: TextServer[]
  shared: SharedServer
  connect(hears?: (frame: Frame) => boolean): Client
}

function shareMany(t: Test, options?: ShareOptions): Shared {
  const servers: TextServer[] = []
  const shared = share(() => {
    const server = new TextServer()
    servers.push(server)
    return server
  }, options)
  t.teardown(() => shared.destroy())
  return { servers, shared, connect: (hears) => clientOn(shared.port(hears)) }
}

const last = (servers: TextServer[]): TextServer => servers.at(-1) as TextServer

/** An opening that the test ends. */
function heldOpening(): { open: ShareOptions['open']; end: () => void; fail: (e: Error) => void } {
  let end = (): void => {}
  let fail = (_error: Error): void => {}
  const opened = new Promise<void>((resolve, reject) => {
    end = resolve
    fail = reject
  })
  return { open: () => opened, end: () => end(), fail: (error) => fail(error) }
}

t.test('a server is started when the first client needs it, and but once', async (t) => {
  const { servers, connect } = shareMany(t)
  const [one, other] = [connect(), connect()]
  await turn()
  t.equal(servers.length, 0)
  await Promise.all([one, other].map(({ send }) => send({ id: 1, method: 'x' })))
  t.equal(servers.length, 1)
  t.equal(last(servers).received.length, 2)
})

t.test('nothing reaches a server before it has been opened', async (t) => {
  const { open, end } = heldOpening()
  const { servers, connect } = shareMany(t, { open })
  const client = connect()
  const [gone, goneInBetween] = [connect(), connect()]
  client.port.write(frameOf({ id: 1, method: 'x' }))
  gone.port.write(frameOf({ id: 1, method: 'not any more' }))
  gone.port.destroy()
  await turn()
  const server = last(servers)
  t.equal(server.received.length, 0)
  goneInBetween.port.write(frameOf({ id: 1, method: 'not any more' }))
  goneInBetween.port.destroy()
  end()
  await server.got('x')
  t.equal(server.received.length, 1)
  server.say({ id: server.received[0]?.id, result: {} })
  await client.answer(1)
})

t.test(
  'an opening that fails is the answer to those who waited, and to nobody after',
  async (t) => {
    let attempt = 0
    const refusal = new ProxyError('ERR_LEGACY_SERVER', 'not here')
    const open = (): Promise<void> =>
      ++attempt === 1 ? Promise.reject(refusal) : Promise.resolve()
    const { servers, connect } = shareMany(t, { open })
    const client = connect()
    await client.send('{"jsonrpc":"2.0","id":1.0,"method":"x"}')
    t.equal(await client.closed, refusal)
    t.strictSame(client.texts(), [
      '{"jsonrpc":"2.0","id":1.0,"error":{"code":-32600,"message":"not here"}}'
    ])
    const server = last(servers)
    if (!server.closed) await once(server, 'close')
    await connect().send({ id: 1, method: 'x' })
    t.equal(servers.length, 2)
    t.equal(last(servers).received.length, 1)
  }
)

t.test('a server that could not be opened is not followed before it has gone', async (t) => {
  const server = new TextServer()
  let leave = (): void => {}
  server._destroy = (error, callback) => (leave = () => callback(error))
  const refusal = new ProxyError('ERR_TIMEOUT', 'too slow')
  let started = 0
  const shared = share(
    () => {
      started++
      return server
    },
    { open: () => Promise.reject(refusal) }
  )
  for (const client of [clientOn(shared.port()), clientOn(shared.port())]) {
    await client.send({ id: 1, method: 'x' })
    t.equal(await client.closed, refusal)
    t.equal(client.frames[0]?.errorCode, -32000)
  }
  t.equal(started, 1)
  leave()
})

t.test('a server that leaves as soon as it is open has not been opened', async (t) => {
  const { connect } = shareMany(t, {
    open: async (server) => {
      server.destroy(crash)
      await once(server, 'close').catch(() => {})
    }
  })
  const client = connect()
  await client.send({ id: 1, method: 'x' })
  t.equal(await client.closed, crash)
  t.equal(client.frames[0]?.message().error?.message, crash.message)
})

t.test('a server that leaves takes nothing with it that is not under way', async (t) => {
  const { servers, connect } = shareMany(t)
  const [busy, idle] = [connect(), connect(() => true)]
  await idle.send({ method: 'notifications/hello' })
  await busy.send('{"jsonrpc":"2.0","id":9007199254740993,"method":"x"}')
  await busy.send({ id: 'b', method: 'x' })
  const server = last(servers)
  server.say({ method: 'notifications/last' })
  server.say({ id: 2, result: 'answered' })
  await busy.answer('b')
  server.destroy(crash)
  t.equal(await busy.closed, crash)
  t.equal(await idle.closed, crash)
  t.strictSame(busy.texts(), [
    '{"jsonrpc":"2.0","id":"b","result":"answered"}',
    '{"jsonrpc":"2.0","id":9007199254740993,"error":{"code":-32000,"message":"the server has crashed"}}'
  ])
  t.strictSame(
    idle.frames.map(({ method }) => method),
    ['notifications/last']
  )

  const next = connect()
  await next.send({ id: 1, method: 'x' })
  t.equal(servers.length, 2, 'the next client has another')
  last(servers).say({ id: last(servers).received[0]?.id, result: {} })
  await next.answer(1)
})

t.test('what the server said before it left can still be read', async (t) => {
  const { servers, shared } = shareMany(t)
  const port = shared.port(() => true)
  await new Promise((resolve) => port.write(frameOf({ id: 1, method: 'x' }), resolve))
  port.read(0)
  const server = last(servers)
  for (let n = 0; n < 5; n++) server.say({ method: 'notifications/n', params: { n } })
  await turn()
  server.destroy(crash)
  await once(server, 'close').catch(() => {})
  t.notOk(port.destroyed, 'not before it has been read')
  await new Promise((resolve) => port.write(frameOf({ id: 2, method: 'x' }), resolve))
  t.equal(servers.length, 1, 'what comes after the end does not start another')
  const { frames, closed } = clientOn(port)
  t.equal(await closed, crash)
  t.strictSame(
    frames.map((frame) => frame.errorCode ?? frame.message().params?.n),
    [0, 1, 2, 3, 4, -32000]
  )
})

t.test('whatever ends the server, its clients are told why', async (t) => {
  const { servers, connect } = shareMany(t)
  const one = connect()
  await one.send({ id: 1, method: 'x' })
  const cause = new Error('EPIPE')
  last(servers).destroy(cause)
  t.match(await one.closed, { code: 'ERR_CLOSED', cause })
  const other = connect()
  await other.send({ id: 1, method: 'x' })
  last(servers).destroy()
  t.match(await other.closed, { code: 'ERR_CLOSED', cause: undefined })
})

t.test('the server is ended on request, and with it its clients', async (t) => {
  const { servers, shared, connect } = shareMany(t)
  await shared.destroy()
  t.equal(servers.length, 0, 'there was none')
  const client = connect()
  await client.send({ id: 1, method: 'x' })
  await shared.destroy()
  t.ok(last(servers).closed)
  t.match(await client.closed, { code: 'ERR_CLOSED' })
  t.equal(client.frames[0]?.errorCode, -32000)
})

t.test('it can be ended while it is being opened', async (t) => {
  const { open, fail } = heldOpening()
  const { servers, shared, connect } = shareMany(t, { open })
  const client = connect()
  client.port.write(frameOf({ id: 1, method: 'x' }))
  await turn()
  await shared.destroy()
  t.ok(last(servers).closed)
  t.match(await client.closed, { code: 'ERR_CLOSED' })
  t.equal(client.frames.length, 1)
  fail(crash) // as openings do when the server leaves
  await turn()
  t.equal(last(servers).received.length, 0)
})

t.test('a port can be destroyed at any time, and twice', async (t) => {
  const { servers, connect } = shareMany(t)
  const unused = connect()
  unused.port.destroy()
  t.equal(await unused.closed, undefined)
  const client = connect()
  await client.send({ id: 1, method: 'x' })
  client.port.destroy(crash)
  client.port.destroy()
  t.equal(await client.closed, crash)
  await last(servers).got('notifications/cancelled')
  t.equal(last(servers).received.length, 2)
})
