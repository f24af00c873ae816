// The probe of a server on a transport that no client uses. spec/proxy/upstream.test.ts has the probes
// of real processes.

import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { probe } from '../../lib/era/probe.ts'
import { ServerEra } from '../../lib/era/server-era.ts'
import { ProxyError } from '../../lib/errors.ts'
import { connectChild } from '../../lib/stdio/connect-child.ts'
import { TextServer } from '../wrappers/text-server.ts'

const timeouts = { connectTimeout: 0, probeTimeout: 0 }

t.test('a remote server gives its era, and its transport can be used further', async (t) => {
  const server = new TextServer()
  server.onFrame = ({ id }) => server.say({ id, error: { code: -32600, message: 'no session' } })
  t.strictSame(await probe(server, timeouts), { era: 'legacy', server })
  t.notOk(server.destroyed)
})

t.test(
  'a remote server that is silent or away is an error, and its transport closes',
  async (t) => {
    const silent = new TextServer()
    const short = { ...timeouts, connectTimeout: 20 }
    await t.rejects(probe(silent, short), { code: 'ERR_TIMEOUT', message: /server\/discover/ })
    t.ok(silent.closed)

    const away = new TextServer()
    const failure = new ProxyError('ERR_CONNECTION', 'refused')
    away.onFrame = () => away.destroy(failure)
    await t.rejects(probe(away, timeouts), failure)
  }
)

t.test('a process that cannot start is an error', async (t) => {
  const child = connectChild({ command: 'no-such-command' })
  await t.rejects(probe(child, timeouts), { code: 'ERR_COMMAND_NOT_FOUND' })
  const stopped = connectChild({ command: process.execPath })
  stopped.destroy()
  await t.rejects(probe(stopped, timeouts), { code: 'ERR_CLOSED' })
})

t.test('a process may take its time to read if there is no limit', async (t) => {
  class SlowServer extends TextServer {
    whenReading(): Promise<void> {
      return sleep(50)
    }
  }
  const server = new SlowServer()
  server.onFrame = ({ id }) => server.say({ id, result: { supportedVersions: ['2026-07-28'] } })
  t.strictSame(await probe(server, { ...timeouts, probeTimeout: 20 }), { era: 'modern', server })
})

t.test('an era that the user sets is not changed', async (t) => {
  const fixed = new ServerEra('legacy')
  fixed.learn('modern')
  t.match(fixed, { known: 'legacy', isFixed: true })
  const found = new ServerEra()
  t.match(found, { known: undefined, isFixed: false })
  found.learn('modern')
  t.equal(found.known, 'modern')
})
