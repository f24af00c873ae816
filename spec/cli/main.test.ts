// The command: which mode it runs, what it prints, and its exit code.

import t from 'tap'
import { startHttpServer } from '../../fixtures/servers/http.js'
import { groups } from '../../lib/cli/flags.ts'
import { renderHelp } from '../../lib/cli/help.ts'
import { version } from '../../lib/version.ts'
import { fixture } from '../helpers.ts'
import { initializeParams } from '../wrappers/peer.ts'
import { run, served, stop } from './process.ts'

t.test('--version prints the version', async (t) => {
  const { code, messages, log } = run(t, '--version')
  t.equal(await code, 0)
  t.strictSame([...messages, ...log], [`mcp-proxy ${version}`])
})

t.test('--help prints help', async (t) => {
  const { code, stdout, messages, log } = run(t, '--help')
  t.equal(await code, 0)
  t.equal(`${messages.join('\n')}\n`, renderHelp(groups))
  t.strictSame([...log], [])
  t.notOk(stdout.writableEnded)
})

t.test('a mistake in the arguments is one line on stderr, with exit code 2', async (t) => {
  for (const [line, message] of [
    ['--port x', 'mcp-proxy: --port needs a number from 0 to 65535, not "x"'],
    ['--named-server-config nowhere.json', 'mcp-proxy: nowhere.json: no such file']
  ] as const) {
    const { code, messages, log } = run(t, line)
    t.equal(await code, 2)
    t.strictSame([...messages, ...log], [message])
  }
})

t.test('a failure is one line on stderr, with exit code 1', async (t) => {
  const { code, log, stdin } = run(t, ['http://127.0.0.1:1/'])
  stdin.end(`{"jsonrpc":"2.0","id":1,"method":"ping"}\n`)
  t.equal(await code, 1)
  t.equal(log.length, 1)
  t.match(log[0], /^mcp-proxy: cannot reach http:\/\/127.0.0.1:1\/: /)
})

t.test('so is an unexpected error', async (t) => {
  const { code, log, stdin } = run(t, ['http://127.0.0.1:1/'])
  while (stdin.listenerCount('error') === 0) await new Promise(setImmediate)
  stdin.destroy(new Error('the disk\nis on fire'))
  t.equal(await code, 1)
  t.strictSame([...log], ['mcp-proxy: the disk | is on fire'])
})

t.test('client mode runs, and logs the warnings', async (t) => {
  const server = await startHttpServer()
  t.teardown(() => server.close())
  const { say, messages, stdin, log, code, modes } = run(t, `--port 1 ${server.url}`)
  say({ id: 1, method: 'initialize', params: initializeParams })
  t.match(await messages.until(({ id }) => id === 1), { result: {} })
  stdin.end()
  t.equal(await code, 0)
  t.strictSame(modes, ['client'])
  t.equal(messages.length, 1)
  t.match([...log], [/^\[W .*\] ignored with a URL: --port$/])
  t.equal(log.length, 1)
})

t.test('server mode runs, and logs the warnings', async (t) => {
  const line = `--sse-port 0 ${process.execPath} ${fixture('servers/demo.js')}`
  const command = run(t, line)
  const url = await served(command)
  t.equal((await fetch(`${url}healthz`)).status, 200)
  stop()
  t.equal(await command.code, 0)
  t.strictSame(command.modes, ['server'])
  t.match(command.log[0], /^\[W .*\] --sse-port is deprecated: write --port$/)
  t.equal(command.messages.length, 0)
})
