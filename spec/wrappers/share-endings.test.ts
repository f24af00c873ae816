// How a shared server starts and ends, and what its ports get then.

import { once } from 'node:events'
import t from 'tap'
import type { Test } from 'tap'
import { ProxyError } from '../../lib/errors.ts'
import type { Broadcast } from '../../lib/wrappers/broadcast.ts'
import { share } from '../../lib/wrappers/share.ts'
import type { SharedServer, ShareOptions } from '../../lib/wrappers/share.ts'
import { clientOn, frameOf, TextServer, turn } from './text-server.ts'
import type { Client } from './text-server.ts'

const crash = new ProxyError('ERR_SERVER_EXITED', 'the server has crashed')

interface Shared {
  /** All servers that were started. */
  servers: TextServer[]
  shared: SharedServer
  connect(wants?: (broadcast: Broadcast) => boolean): Client
}

function shareMany(t: Test, options?: ShareOptions): Shared {
  const servers: TextServer[] = []
  const shared = share(() => {
    const server = new TextServer()
    servers.push(server)
    return server
  }, options)
  t.teardown(() => shared.destroy())
  return { servers, shared, connect: (wants) => clientOn(shared.port(wants)) }
}

const last = (servers: TextServer[]): TextServer => servers.at(-1) as TextServer

interface Held {
  prepare: ShareOptions['prepare']
  end: () => void
  fail: (error: Error) => void
}

/** A preparation that the test ends. */
function holdPreparation(): Held {
  let end = (): void => {}
  let fail = (_error: Error): void => {}
  const prepared = new Promise<void>((resolve, reject) => {
    end = resolve
    fail = reject
  })
  return { prepare: () => prepared, end: () => end(), fail: (error) => fail(error) }
}

t.test('a server is started once, when the first client needs it', async (t) => {
  const { servers, connect } = shareMany(t)
  const [one, other] = [connect(), connect()]
  await turn()
  t.equal(servers.length, 0)
  await Promise.all([one, other].map(({ send }) => send({ id: 1, method: 'x' })))
  t.equal(servers.length, 1)
  t.equal(last(servers).received.length, 2)
})

t.test('a server gets no frame of a client before it is prepared', async (t) => {
  const { prepare, end } = holdPreparation()
  const { servers, connect } = shareMany(t, { prepare })
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
  'a preparation that fails fails the clients that wait for it, and no later ones',
  async (t) => {
    let attempt = 0
    const refusal = new ProxyError('ERR_LEGACY_SERVER', 'not here')
    const prepare = (): Promise<void> =>
      ++attempt === 1 ? Promise.reject(refusal) : Promise.resolve()
    const { servers, connect } = shareMany(t, { prepare })
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

t.test('the next server starts only when the one that was not prepared has closed', async (t) => {
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
    { prepare: () => Promise.reject(refusal) }
  )
  for (const client of [clientOn(shared.port()), clientOn(shared.port())]) {
    await client.send({ id: 1, method: 'x' })
    t.equal(await client.closed, refusal)
    t.equal(client.frames[0]?.errorCode, -32000)
  }
  t.equal(started, 1)
  leave()
})

t.test('a server that closes while it is prepared fails its clients', async (t) => {
  const { connect } = shareMany(t, {
    prepare: async (server) => {
      server.destroy(crash)
      await once(server, 'close').catch(() => {})
    }
  })
  const client = connect()
  await client.send({ id: 1, method: 'x' })
  t.equal(await client.closed, crash)
  t.equal(client.frames[0]?.message().error?.message, crash.message)
})

t.test('when the server closes, only requests in flight get an error', async (t) => {
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
  t.equal(servers.length, 2, 'the next client gets another server')
  last(servers).say({ id: last(servers).received[0]?.id, result: {} })
  await next.answer(1)
})

t.test('a client can still read what the server sent before it closed', async (t) => {
  const { servers, shared } = shareMany(t)
  const port = shared.port(() => true)
  await new Promise((resolve) => port.write(frameOf({ id: 1, method: 'x' }), resolve))
  port.read(0)
  const server = last(servers)
  for (let n = 0; n < 5; n++) server.say({ method: 'notifications/n', params: { n } })
  await turn()
  server.destroy(crash)
  await once(server, 'close').catch(() => {})
  t.notOk(port.destroyed, 'not before the client has read it')
  await new Promise((resolve) => port.write(frameOf({ id: 2, method: 'x' }), resolve))
  t.equal(servers.length, 1, 'a frame after the end does not start another server')
  const { frames, closed } = clientOn(port)
  t.equal(await closed, crash)
  t.strictSame(
    frames.map((frame) => frame.errorCode ?? frame.message().params?.n),
    [0, 1, 2, 3, 4, -32000]
  )
})

t.test('the clients get the error that closed the server', async (t) => {
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

t.test('`destroy` ends the server and its ports', async (t) => {
  const { servers, shared, connect } = shareMany(t)
  await shared.destroy()
  t.equal(servers.length, 0, 'there was no server')
  const client = connect()
  await client.send({ id: 1, method: 'x' })
  await shared.destroy()
  t.ok(last(servers).closed)
  t.match(await client.closed, { code: 'ERR_CLOSED' })
  t.equal(client.frames[0]?.errorCode, -32000)
})

t.test('it can be destroyed while the server is prepared', async (t) => {
  const { prepare, fail } = holdPreparation()
  const { servers, shared, connect } = shareMany(t, { prepare })
  const client = connect()
  client.port.write(frameOf({ id: 1, method: 'x' }))
  await turn()
  await shared.destroy()
  t.ok(last(servers).closed)
  t.match(await client.closed, { code: 'ERR_CLOSED' })
  t.equal(client.frames.length, 1)
  fail(crash) // a preparation fails when its server closes
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
