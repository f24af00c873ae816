// --check: what it reports, and its exit code.

import { join } from 'node:path'
import t from 'tap'
import { findFaults } from '../../lib/cli/check.ts'
import { run } from './process.ts'
import { client, server, sse } from './parse.ts'

t.test('without faults --check exits with 0, and starts nothing', async (t) => {
  const file = join(t.testdir({ 'a.json': `{"servers":{"a":{"url":"${sse}"}}}` }), 'a.json')
  for (const argv of [[sse], ['--named-server-config', file], ['--stateless', process.execPath]]) {
    const { code, messages, log } = run(t, ['--check', ...argv])
    t.equal(await code, 0)
    t.strictSame([...messages, ...log], ['mcp-proxy: no faults found'])
  }
})

t.test('with faults --check reports all of them and exits with 2', async (t) => {
  const servers = { a: {}, b: { command: './none' }, c: { command: '${NONE}' }, d: { url: sse } }
  const directory = t.testdir({ 'a.json': JSON.stringify({ servers }) })
  const file = join(directory, 'a.json')
  const { code, messages, log } = run(t, ['--named-server-config', file, '--check', '-H', 'A', 'b'])
  t.equal(await code, 2)
  t.strictSame([...messages], [])
  t.match(
    [...log],
    [
      /^\[W .*\] ignored without a URL: --headers$/,
      `mcp-proxy: ${file}: a: needs a command or a url`,
      `mcp-proxy: ${file}: c: command: the variable NONE is not set`,
      'mcp-proxy: b: cannot start "./none": no program at '
    ]
  )
  t.equal(log.length, 4)
})

t.test('a file that cannot be loaded is a fault', async (t) => {
  const file = join(t.testdir({ 'a.json': '{"servers":{}}' }), 'a.json')
  for (const [name, fault] of [
    [file, 'no server in it is enabled'],
    [`${file}x`, 'no such file']
  ] as const) {
    const { code, log } = run(t, ['--check', '--named-server-config', name])
    t.equal(await code, 2)
    t.strictSame([...log], [`mcp-proxy: ${name}: ${fault}`])
  }
})

t.test('files that cannot be read and commands that are not found are faults', async (t) => {
  const directory = t.testdir({ 'a.pem': '' })
  const pem = `${directory}/a.pem`
  const files = ['--ca', 'none', '--cert', directory, '--key', pem]
  t.strictSame(findFaults(await client([sse, '--verify-ssl', pem, ...files])), [
    '--ca: cannot read none',
    `--cert: cannot read ${directory}`
  ])
  t.match(findFaults(await server(['nowhere', '--tls-cert', 'c', '--tls-key', pem])), [
    'default: cannot start "nowhere": not found; PATH is /bin',
    '--tls-cert: cannot read c'
  ])
})

t.test('the file of tokens is read, and required tokens are missed', async (t) => {
  const directory = t.testdir({ good: 'a:b', none: '#', wrong: 'hidden' })
  const faults = async (...argv: string[]): Promise<string[]> =>
    findFaults(await server([process.execPath, ...argv]))
  t.strictSame(await faults('--auth-token-file', `${directory}/good`, '--require-auth'), [])
  t.strictSame(await faults('--auth-token-file', `${directory}/none`), [
    `${directory}/none has no token`
  ])
  t.strictSame(await faults('--auth-token-file', `${directory}/wrong`), [
    `${directory}/wrong: line 1: write name:token or name:sha256:HEX`
  ])
  t.strictSame(await faults('--require-auth'), [])
  t.match(await faults('--require-auth', '--host', '0.0.0.0'), [
    /^--require-auth: everyone who reaches 0\.0\.0\.0 can use the servers without a token/
  ])
})

t.test('the files of secrets and keys of an OAuth client are checked', async (t) => {
  const id = ['--client-id', 'a']
  const secret = await client([sse, ...id, '--client-secret-file', 'none'])
  t.strictSame(findFaults(secret), ['--client-secret-file: cannot read none'])
  const key = await client([sse, ...id, '--client-key', 'none'])
  t.strictSame(findFaults(key), ['--client-key: cannot read none'])
  t.strictSame(findFaults(await client([sse, '--username', 'a', '--password', 'b'])), [])
  const servers = {
    one: { url: sse, clientId: 'a', clientKey: 'none' },
    two: { url: sse, clientId: 'a', clientSecret: 'b' }
  }
  const directory = t.testdir({ 'a.json': JSON.stringify({ servers }) })
  const config = await server(['--named-server-config', join(directory, 'a.json')])
  t.strictSame(findFaults(config), ['one: cannot read none'])
})
