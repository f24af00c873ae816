// Servers that are started before anybody asks for them.

import type { Duplex } from 'node:stream'
import t from 'tap'
import type { Test } from 'tap'
import { connectChild } from '../../lib/stdio/connect-child.ts'
import type { ChildTransport } from '../../lib/stdio/connect-child.ts'
import { prewarm } from '../../lib/wrappers/prewarm.ts'
import { isRunning, rascal } from '../helpers.ts'
import { Peer, until } from './peer.ts'

interface Pool {
  connect: () => ChildTransport
  destroy: () => Promise<void>
  /** All that were started, in order. */
  started: ChildTransport[]
}

function startPool(t: Test, count: number, flags: (n: number) => string[] = () => []): Pool {
  const started: ChildTransport[] = []
  const pool = prewarm(() => {
    const child = connectChild(rascal(...flags(started.length)))
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

t.test('so many run ahead, and who takes one has another started', async (t) => {
  const { connect, started } = startPool(t, 2)
  await until(() => started.length === 2 && started.every(runs))
  const server = connect()
  t.equal(server, started[0])
  t.equal(started.length, 2, 'not before the one who waits has been served')
  await until(() => started.length === 3)
  t.match(await new Peer(server).initialize(), { result: {} })
  t.equal(connect(), started[1])
})

t.test('who takes more than there are need not wait either', async (t) => {
  const { connect, started } = startPool(t, 1)
  const taken = [connect(), connect()]
  t.strictSame(taken, started)
  for (const server of taken) t.match(await new Peer(server).initialize(), { result: {} })
})

t.test('what a server says before it is taken is not lost', async (t) => {
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

t.test('one that leaves while it waits is not handed out, nor started for ever', async (t) => {
  const crash = (n: number): string[] => (n < 2 ? ['--crash-on-start', '1'] : [])
  const { connect, started } = startPool(t, 2, crash)
  await until(() => started.every(({ closed }) => closed))
  t.equal(started.length, 2)
  const server = connect()
  t.equal(server, started[2])
  t.match(await new Peer(server).initialize(), { result: {} })
  await until(() => started.length === 5)
})

t.test('one that cannot be started surprises nobody', async (t) => {
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

t.test('destroy ends those that nobody took, and no others', async (t) => {
  const { connect, destroy, started } = startPool(t, 2)
  await until(() => started.every(runs))
  const server = connect()
  await destroy()
  t.notOk(runs(started[1] as ChildTransport))
  t.ok(runs(server))
  const late = connect()
  t.match(await new Peer(late).initialize(), { result: {} }, 'who comes late gets one all the same')
  await new Promise(setImmediate)
  t.equal(started.length, 3, 'and nothing is started ahead')
})

t.test('none is started ahead if so wished', async (t) => {
  const { connect, started } = startPool(t, 0)
  t.equal(started.length, 0)
  t.equal(connect(), started[0])
  await new Promise(setImmediate)
  t.equal(started.length, 1)
})
