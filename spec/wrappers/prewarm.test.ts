// Servers that are started before a session needs them.

import type { Duplex } from 'node:stream'
import t from 'tap'
import type { Test } from 'tap'
import { connectChild } from '../../lib/stdio/connect-child.ts'
import type { ChildTransport } from '../../lib/stdio/connect-child.ts'
import { prewarm } from '../../lib/wrappers/prewarm.ts'
import { isRunning, misbehaving } from '../helpers.ts'
import { Peer, until } from './peer.ts'

interface Pool {
  connect: () => ChildTransport
  destroy: () => Promise<void>
  /** All servers that were started, in order. */
  started: ChildTransport[]
}

function startPool(t: Test, count: number, flags: (n: number) => string[] = () => []): Pool {
  const started: ChildTransport[] = []
  const pool = prewarm(() => {
    const child = connectChild(misbehaving(...flags(started.length)))
    started.push(child)
    return child
  }, count)
  t.teardown(async () => {
    await pool.destroy()
    for (const child of started) child.destroy()
    await until(() => started.every(({ closed }) => closed))
  })
  return { ...pool, started }
}

const runs = ({ pid }: ChildTransport): boolean => pid !== undefined && isRunning(pid)

t.test('`count` servers run, and a new one is started when one is taken', async (t) => {
  const { connect, started } = startPool(t, 2)
  await until(() => started.length === 2 && started.every(runs))
  const server = connect()
  t.equal(server, started[0])
  t.equal(started.length, 2, 'not before the caller has its server')
  await until(() => started.length === 3)
  t.match(await new Peer(server).initialize(), { result: {} })
  t.equal(connect(), started[1])
})

t.test('when no server is ready, `connect` makes one', async (t) => {
  const { connect, started } = startPool(t, 1)
  const taken = [connect(), connect()]
  t.strictSame(taken, started)
  for (const server of taken) t.match(await new Peer(server).initialize(), { result: {} })
})

t.test('output of a server before it is taken is not lost', async (t) => {
  const script = `
    process.stdout.write('{"jsonrpc":"2.0","method":"test/early"}\\n')
    process.stdin.resume()`
  const pool = prewarm(() => connectChild({ command: process.execPath, args: ['-e', script] }), 1)
  t.teardown(() => pool.destroy())
  const server = pool.connect()
  await until(() => server.readableLength > 0)
  const peer = new Peer(server)
  t.match(await peer.messages.until(() => true), { method: 'test/early' })
  server.end()
  await peer.closed
})

t.test(
  'a server that exits while it waits is not handed out, and not restarted at once',
  async (t) => {
    const crash = (n: number): string[] => (n < 2 ? ['--crash-on-start', '1'] : [])
    const { connect, started } = startPool(t, 2, crash)
    await until(() => started.every(({ closed }) => closed))
    t.equal(started.length, 2)
    const server = connect()
    t.equal(server, started[2])
    t.match(await new Peer(server).initialize(), { result: {} })
    await until(() => started.length === 5)
  }
)

t.test('a server that cannot start does not fail the process, and is not handed out', async (t) => {
  const started: Duplex[] = []
  const pool = prewarm(() => {
    const child = connectChild({ command: '/nowhere' })
    started.push(child)
    return child
  }, 1)
  await until(() => started[0]?.closed === true)
  t.match(await new Peer(pool.connect()).closed, { code: 'ERR_COMMAND_NOT_FOUND' })
  await pool.destroy()
})

t.test('`destroy` ends the waiting servers, and no others', async (t) => {
  const { connect, destroy, started } = startPool(t, 2)
  await until(() => started.every(runs))
  const server = connect()
  await destroy()
  t.notOk(runs(started[1] as ChildTransport))
  t.ok(runs(server))
  const late = connect()
  t.match(await new Peer(late).initialize(), { result: {} }, '`connect` still makes a server')
  await new Promise(setImmediate)
  t.equal(started.length, 3, 'and no other server is started')
})

t.test('with a count of 0 no server is started before it is taken', async (t) => {
  const { connect, started } = startPool(t, 0)
  t.equal(started.length, 0)
  t.equal(connect(), started[0])
  await new Promise(setImmediate)
  t.equal(started.length, 1)
})
