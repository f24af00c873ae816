// The command line: what each flag becomes, and what is said of mistakes.

import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { parseArguments } from '../../lib/cli/arguments.ts'
import type { ClientConfig, ServeConfig } from '../../lib/config/config.ts'
import { limits } from '../../lib/limits.ts'

const around = { PATH: '/bin', SECRET: 'hidden' }

async function client(argv: string[], env: NodeJS.ProcessEnv = around): Promise<ClientConfig> {
  const config = await parseArguments(argv, env, 'linux')
  if (config.mode !== 'client') throw new Error(`is ${config.mode} mode`)
  return config
}

async function server(argv: string[], env: NodeJS.ProcessEnv = around): Promise<ServeConfig> {
  const config = await parseArguments(argv, env, 'linux')
  if (config.mode !== 'server') throw new Error(`is ${config.mode} mode`)
  return config
}

async function mistake(
  t: Test,
  argv: string[],
  message: string | RegExp,
  env: NodeJS.ProcessEnv = around
): Promise<void> {
  const what = argv.join(' ')
  const error = await parseArguments(argv, env, 'linux').then(
    () => undefined,
    (error: Error) => error
  )
  t.match(error, { code: 'ERR_USAGE', message }, what)
  t.notMatch(error?.message, /\n|hidden/, `${what}: one line, and no secrets`)
}

const sse = 'http://localhost:8080/sse'
const fetchServer = {
  kind: 'command',
  command: 'uvx',
  args: ['mcp-server-fetch'],
  env: { PATH: '/bin' }
} as const

t.test('a URL alone is client mode with the defaults', async (t) => {
  t.strictSame(await client([sse]), {
    mode: 'client',
    server: { kind: 'url', url: new URL(sse), headers: {}, transport: 'auto' },
    logLevel: 'INFO',
    limits,
    verify: true,
    warnings: []
  })
})

t.test('a command alone is server mode with the defaults', async (t) => {
  t.strictSame(await server(['uvx', 'mcp-server-fetch']), {
    mode: 'server',
    default: fetchServer,
    named: new Map(),
    port: 0,
    host: '127.0.0.1',
    stateless: false,
    shared: false,
    allowOrigins: [],
    exposeHeaders: ['Mcp-Session-Id'],
    allowHosts: [],
    basePath: '',
    prewarm: 0,
    logLevel: 'INFO',
    limits,
    verify: true,
    warnings: []
  })
})

t.test('the examples of client mode work as written', async (t) => {
  t.match(await client(['--no-verify-ssl', 'https://server.local/sse']), {
    verify: false,
    server: { url: { href: 'https://server.local/sse' } }
  })
  t.match(await client(['--transport', 'streamablehttp', 'http://localhost:8080/mcp']), {
    server: { transport: 'streamablehttp' }
  })
  t.match(await client(['--headers', 'Authorization', 'Bearer YOUR_TOKEN', sse]), {
    server: { headers: { Authorization: 'Bearer YOUR_TOKEN' }, url: { href: sse } }
  })
  const id = ['--client-id', 'CLIENT_ID', '--client-secret', 'CLIENT_SECRET']
  t.match(await client([...id, '--token-url', 'https://auth.example.com/token', sse]), {
    oauth: {
      clientId: 'CLIENT_ID',
      clientSecret: 'CLIENT_SECRET',
      tokenUrl: { href: 'https://auth.example.com/token' }
    },
    server: { url: { href: sse } },
    warnings: []
  })
})

t.test('the examples of server mode work as written', async (t) => {
  const own = ['your-command', '--arg1', 'value1', '--arg2', 'value2']
  t.match(await server(['--port', '8080', '--', ...own]), {
    port: 8080,
    default: { command: 'your-command', args: ['--arg1', 'value1', '--arg2', 'value2'] }
  })

  const one = await server(['--named-server', 'fetch', 'uvx mcp-server-fetch', '--port', '8080'])
  t.strictSame(one.named, new Map([['fetch', fetchServer]]))
  t.match(one, { port: 8080, default: undefined })

  const fetch2 = ['--named-server', 'fetch2', 'uvx mcp-server-fetch']
  const two = await server(
    ['--port=8080', '--named-server', 'fetch', 'uvx mcp-server-fetch'].concat(fetch2)
  )
  t.strictSame([...two.named.keys()], ['fetch', 'fetch2'])

  const pairs = ['-e', 'KEY', 'VALUE', '-e', 'ANOTHER_KEY', 'ANOTHER_VALUE']
  t.match(await server(['your-command', '--port', '8080', ...pairs]), {
    port: 8080,
    default: {
      command: 'your-command',
      args: [],
      env: { PATH: '/bin', KEY: 'VALUE', ANOTHER_KEY: 'ANOTHER_VALUE' }
    }
  })

  const origin = ['your-command', '--port', '8080', '--allow-origin=*']
  t.match(await server(origin), { allowOrigins: ['*'], default: { command: 'your-command' } })
  t.match(await server([...origin, '--expose-header', 'Custom-Header']), {
    exposeHeaders: ['Custom-Header']
  })

  const agent = ['uvx', 'mcp-server-fetch', '--user-agent=YourUserAgent']
  t.match(await server(['--port=8080', '--', ...agent]), {
    default: { command: 'uvx', args: ['mcp-server-fetch', '--user-agent=YourUserAgent'] }
  })

  const compose = '--pass-environment --port=8096 --sse-host 0.0.0.0 uvx mcp-server-fetch'
  t.match(await server(compose.split(' ')), {
    port: 8096,
    host: '0.0.0.0',
    default: { command: 'uvx', args: ['mcp-server-fetch'], env: around },
    warnings: ['--sse-host is deprecated: write --host']
  })
})

t.test('help and version are answered as soon as they are seen', async (t) => {
  for (const argv of [['-h'], ['--help'], ['uvx', '--help', '--wrong'], ['--hel', '--port', 'x']]) {
    t.strictSame(await parseArguments(argv, {}), { mode: 'help' }, argv.join(' '))
  }
  t.strictSame(await parseArguments(['--version'], {}), { mode: 'version' })
  t.equal((await server(['--', 'uvx', '--help'])).mode, 'server')
})

t.test('-- ends the own options, once', async (t) => {
  t.match(await server(['npx', '--', '-y', '--', '--port']), {
    default: { command: 'npx', args: ['-y', '--', '--port'] }
  })
})

t.test('words stay as they are', async (t) => {
  t.match(await server(['007', '1e3', '-', '', '0x10']), {
    default: { command: '007', args: ['1e3', '-', '', '0x10'] }
  })
  t.match(await server(['-e', 'N', '007', 'x', '--cwd', '1']), {
    default: { env: { N: '007' }, cwd: '1', args: [] }
  })
})

t.test('a flag may have its value behind an equals sign', async (t) => {
  t.match(await server(['x', '--env=KEY', 'a=b', '--cwd=a=b']), {
    default: { env: { KEY: 'a=b' }, cwd: 'a=b' }
  })
})

t.test('a value may begin with a dash, if it is not a flag', async (t) => {
  t.match(await server(['x', '-e', 'OPTIONS', '--max-old-space-size=4096']), {
    default: { env: { OPTIONS: '--max-old-space-size=4096' } }
  })
  t.match(await server(['x', '-e', 'OPTIONS', '--port 1 --host 2']), {
    default: { env: { OPTIONS: '--port 1 --host 2' } }
  })
})

t.test('the last of a flag counts', async (t) => {
  t.match(await server(['x', '--port', '1', '--port=2', '--stateless', '--no-stateless']), {
    port: 2,
    stateless: false
  })
  t.match(await server(['x', '--no-stateless', '--stateless', '-e', 'A', '1', '-e', 'A', '2']), {
    stateless: true,
    default: { env: { A: '2' } }
  })
  t.match(await client([sse, '--verify-ssl', '--no-verify-ssl']), { verify: false })
  t.match(await client([sse, '--no-verify-ssl', '--verify-ssl']), { verify: true })
})

t.test("the reference's flags may be cut short, ours not", async (t) => {
  t.match(await client([sse, '--header', 'A', 'b', '--no-verify']), {
    server: { headers: { A: 'b' } },
    verify: false
  })
  t.match(await server(['x', '--sse-p=1', '--pass', '--named-server-c']).catch(String), /needs/)
  await mistake(t, ['x', '--base', '/a'], /^unknown flag --base/)
  await mistake(t, ['--named', 'a', 'b'], 'unknown flag --named: did you mean --named-server?')
})

t.test('the value of --verify-ssl is taken only if it is one', async (t) => {
  const pem = join(t.testdir({ 'ca.pem': '' }), 'ca.pem')
  for (const word of ['true', 'YES', 'on', '1']) {
    t.match(await client(['--no-verify-ssl', '--verify-ssl', word, sse]), { verify: true })
  }
  for (const word of ['False', 'no', 'off', '0']) {
    t.match(await client(['--verify-ssl', word, sse]), { verify: false }, word)
    t.match(await client([`--verify-ssl=${word}`, sse]), { verify: false }, word)
  }
  t.match(await client(['--verify-ssl', sse]), { verify: true, server: { url: { href: sse } } })
  t.match(await client([sse, '--verify-ssl']), { verify: true })
  t.match(await client([sse, '--verify-ssl', '--debug']), { verify: true, logLevel: 'DEBUG' })
  t.match(await client(['--verify-ssl', pem, sse]), { verify: pem })
  t.match(await client([`--verify-ssl=${pem}`, sse]), { verify: pem })
  t.match(await server(['--verify-ssl', t.testdirName]), { default: { command: t.testdirName } })
  const told = '--verify-ssl takes true, false or a PEM file, and there is no file "none.pem"'
  await mistake(t, ['--verify-ssl=none.pem', sse], told)
})

t.test('--allow-origin takes what looks like an origin', async (t) => {
  const origins = ['--allow-origin', 'https://a.example', 'http://b.example:80/', '*', 'null']
  t.match(await server([...origins, 'uvx', 'fetch', '--allow-origin', 'vscode-webview://x']), {
    allowOrigins: ['https://a.example', 'http://b.example', '*', 'null', 'vscode-webview://x'],
    default: { command: 'uvx', args: ['fetch'] },
    warnings: []
  })
  t.match(await client(['--allow-origin=*', sse]), { warnings: [/--allow-origin/] })
  t.match(await server(['x', '--allow-origin', 'http://localhost:*', '--allow-origin', 'b.com']), {
    allowOrigins: ['http://localhost:*', 'b.com'],
    warnings: ['--allow-origin b.com: browsers send it like https://example.com']
  })
  await mistake(t, ['x', '--allow-origin'], /^--allow-origin needs an origin: /)
  await mistake(t, ['x', '--allow-origin', '--debug'], /^--allow-origin needs an origin: /)
})

t.test('log levels may be written in any case, and --debug wins', async (t) => {
  t.match(await client([sse, '--log-level', 'warning']), { logLevel: 'WARNING' })
  t.match(await client([sse, '--debug', '--log-level=ERROR']), { logLevel: 'DEBUG' })
  t.match(await client([sse, '--debug', '--no-debug']), { logLevel: 'INFO' })
  const told = '--log-level is one of DEBUG, INFO, WARNING, ERROR, CRITICAL, not "loud"'
  await mistake(t, [sse, '--log-level', 'loud'], told)
  await mistake(t, [sse, '--transport', 'ws'], /^--transport is one of auto, sse, streamablehttp,/)
  t.match(await client([sse, '--transport', 'SSE']), { server: { transport: 'sse' } })
})

t.test('the URL may come from the environment', async (t) => {
  t.match(await client([], { SSE_URL: sse }), { server: { url: { href: sse } } })
  t.match(await client(['', '--debug'], { SSE_URL: sse }), { logLevel: 'DEBUG' })
  t.match(await server(['uvx'], { SSE_URL: sse }), { default: { command: 'uvx' } })
  await mistake(t, [], 'SSE_URL must be a URL like http://host:8080/mcp', { SSE_URL: 'hidden' })
})

t.test('the access token from the environment wins over every Authorization', async (t) => {
  const env = { API_ACCESS_TOKEN: ' token\n' }
  const argv = ['-H', 'authorization', 'Basic x', '-H', 'X-Other', 'y', 'http://u:p@a/']
  t.match((await client(argv, env)).server.headers, {
    Authorization: 'Bearer token',
    'X-Other': 'y'
  })
  t.strictSame((await client([sse], { API_ACCESS_TOKEN: '' })).server.headers, {})
  await mistake(t, [sse], /^API_ACCESS_TOKEN: /, { API_ACCESS_TOKEN: 'hidden\nx' })
})

t.test('headers are told apart by name only', async (t) => {
  const { server } = await client(['-H', 'X-Key', '1', '-H', 'x-key', '2', sse])
  t.strictSame(server.headers, { 'x-key': '2' })
  const told = "--headers needs two words: -H Authorization 'Bearer TOKEN'"
  await mistake(t, ['-H', 'Authorization: Bearer hidden', sse], told)
  await mistake(t, ['-H', 'X', 'hidden\n', sse], '--headers X: no header can have such characters')
  await mistake(t, ['-HAuthorization: hidden', sse], told.replace('--headers', '-H'))
})

t.test('client credentials come in threes, or not at all', async (t) => {
  const told = 'client credentials need --client-id and --token-url too'
  await mistake(t, [sse, '--client-secret', 'hidden'], told)
  const rest = [sse, '--client-id', 'a', '--client-secret', '-b', '--token-url']
  t.match(await client([...rest, 'https://a/']), { oauth: { clientSecret: '-b' } })
  await mistake(t, [...rest, 'hidden'], /^--token-url needs a URL/)
  const empty = [sse, '--client-id=', '--client-secret', '', '--token-url=']
  t.equal((await client(empty)).oauth, undefined)
})

t.test('files of client mode', async (t) => {
  const files = ['--ca', 'a.pem', '--cert', 'c.pem', '--key', 'k.pem', '--record', 'r.jsonl']
  t.match(await client([sse, ...files]), {
    ca: 'a.pem',
    cert: 'c.pem',
    key: 'k.pem',
    record: 'r.jsonl'
  })
  await mistake(t, [sse, '--cert', 'c.pem'], '--cert needs --key too')
  await mistake(t, [sse, '--key', 'k.pem'], '--key needs --cert too')
  await mistake(t, [sse, '--record='], '--record needs the name of a file')
})

t.test('named servers are split as a shell splits words', async (t) => {
  const { named } = await server(['--named-server', 'a', ` x  'b c' "d'e" f\\ g ''`])
  t.match(named.get('a'), { command: 'x', args: ['b c', "d'e", 'f g', ''] })
  t.match(await server(['--named-server', 'a', ' x\ty\n', 'own']), {
    named: new Map([['a', { command: 'x', args: ['y'] }]]),
    default: { command: 'own' }
  })
})

t.test('mistakes in named servers name the server', async (t) => {
  const closed = '--named-server a: a quote or backslash in its command has nothing to close it'
  await mistake(t, ['--named-server', 'a', "x 'hidden"], closed)
  for (const text of ['', '  ', "''"]) {
    await mistake(t, ['--named-server', 'a', text], '--named-server a: its command is empty')
  }
  await mistake(t, ['--named-server', '..', 'x'], /^--named-server "\.\.": the name must be fit/)
  await mistake(t, ['--named-server', 'a'], /^--named-server needs two words: /)
  t.match(await server(['--named-server', 'a', 'x', '--named-server', 'a', 'y']), {
    named: new Map([['a', { command: 'y' }]]),
    warnings: ['--named-server a is given again: the last one counts']
  })
})

t.test('named servers come from a file', async (t) => {
  const file = join(
    t.testdir({
      'servers.json': JSON.stringify({
        mcpServers: { fetch: { command: 'uvx', args: ['mcp-server-fetch'], env: { A: 'b' } } }
      })
    }),
    'servers.json'
  )
  const argv = ['--port=8080', '--named-server-config', file]
  const env = { PATH: '/bin', A: 'b' }
  const config = await server(argv)
  t.strictSame(config.named, new Map([['fetch', { ...fetchServer, env }]]))
  t.match(await server([...argv, '--named-server', 'x', "'ignored"]), {
    named: new Map([['fetch', {}]]),
    warnings: ['ignored with --named-server-config: --named-server']
  })
  t.match((await server([...argv, '--pass-environment'])).named.get('fetch'), {
    env: { ...around, A: 'b' }
  })
  await mistake(t, ['--named-server-config='], '--named-server-config needs the name of a file')
  const none = join(t.testdirName, 'none.json')
  await t.rejects(server(['--named-server-config', none]), {
    code: 'ERR_CONFIG',
    message: `${none}: no such file`
  })
})

t.test(
  'a file in which nothing is enabled is a fault, unless there is another server',
  async (t) => {
    const file = join(t.testdir({ 'servers.json': '{"mcpServers":{}}' }), 'servers.json')
    const message = `${file}: has no server that is enabled`
    const argv = ['--named-server-config', file]
    await t.rejects(server(argv), { code: 'ERR_CONFIG', message })
    t.match(await server([...argv, 'uvx']), { named: new Map(), warnings: [message] })
  }
)

t.test('more flags of server mode', async (t) => {
  const argv = ['x', '--tls-cert', 'c.pem', '--tls-key', 'k.pem', '--prewarm', '2', '--record=r']
  t.match(await server(argv), { tls: { cert: 'c.pem', key: 'k.pem' }, prewarm: 2, record: 'r' })
  await mistake(t, ['x', '--tls-key', 'k'], '--tls-key needs --tls-cert too')
  await mistake(t, ['x', '--prewarm', 'many'], '--prewarm needs a whole number, not "many"')
  await mistake(t, ['x', '--prewarm', '-1'], '--prewarm needs a whole number, not "-1"')
  await mistake(t, ['x', '--restarts', '9'.repeat(20)], /^--restarts needs a whole number/)
  await mistake(t, ['x', '--expose-header', 'a b'], /^--expose-header needs the name of a header/)
})

t.test('base paths begin with a slash and end without one', async (t) => {
  const paths: [text: string, path: string][] = [
    ['/', ''],
    ['tools', '/tools'],
    ['/tools/', '/tools'],
    ['//a//b//', '/a/b']
  ]
  for (const [text, basePath] of paths) {
    t.match(await server(['x', '--base-path', text]), { basePath }, text)
  }
  for (const text of ['http://a/b', '/a?b', '/a b', '/a/../b', '/a#b']) {
    await mistake(t, ['x', '--base-path', text], /^--base-path needs a path like \/tools, not "/)
  }
})

t.test('hosts are as URLs have them', async (t) => {
  const names = ['Example.COM', 'a:8080', '::1', '[::1]:80'].flatMap((name) => [
    '--allow-host',
    name
  ])
  t.match(await server(['x', ...names]), { allowHosts: ['example.com', 'a', '[::1]', '[::1]'] })
  for (const name of ['', 'a/b', 'http://a', 'a b']) {
    await mistake(t, ['x', '--allow-host', name], /^--allow-host needs a host name, not "/)
  }
  t.match(await server(['x', '--host', '[::1]']), { host: '::1' })
  t.match(await server(['x', '--host', '::']), { host: '::' })
  await mistake(t, ['x', '--host='], /^--host needs a name or address/)
})

t.test('the new names of port and host win over the old', async (t) => {
  t.match(await server(['x', '--port', '1', '--sse-port', '2', '--host', 'a', '--sse-host=b']), {
    port: 1,
    host: 'a',
    warnings: ['--sse-port is deprecated: write --port', '--sse-host is deprecated: write --host']
  })
  t.match(await server(['x', '--sse-port', '2', '--sse-host', 'b']), { port: 2, host: 'b' })
})

t.test('a port is a number from 0 to 65535', async (t) => {
  t.match(await server(['x', '--port', '0']), { port: 0 })
  t.match(await server(['x', '--port', '65535']), { port: 65535 })
  for (const text of ['65536', '-1', '80.5', '0x50', 'http', '', ' 80']) {
    const told = `--port needs a number from 0 to 65535, not ${JSON.stringify(text)}`
    await mistake(t, ['x', '--port', text], told)
  }
})

t.test('processes are shared if so wished', async (t) => {
  t.match(await server(['--shared', 'x']), { shared: true })
})

t.test('limits are laid over the defaults', async (t) => {
  const argv =
    '--session-timeout 1h --max-sessions 5 --max-message 1k --keep-alive 0 --close-timeout 1.5s ' +
    '--drain-timeout 2m --restarts 0 --connect-timeout 500ms --max-replay 2MB --stream-after 1S ' +
    '--max-queue 3k --retry 0.1ms --idle-timeout 5m'
  const expected = {
    sessionTimeout: 3_600_000,
    maxSessions: 5,
    idleTimeout: 300_000,
    maxMessage: 1024,
    keepAlive: 0,
    closeTimeout: 1500,
    drainTimeout: 120_000,
    restarts: 0,
    connectTimeout: 500,
    maxReplay: 2 * 1024 * 1024,
    maxQueue: 3072,
    streamAfter: 1000,
    retry: 1
  }
  t.strictSame((await server(['x', ...argv.split(' ')])).limits, expected)
  t.strictSame((await client([sse, '--max-message=1.5g'])).limits, {
    ...limits,
    maxMessage: 1.5 * 1024 ** 3
  })
  t.strictSame((await client([sse, '--max-message', '10b'])).limits, { ...limits, maxMessage: 10 })
})

t.test('bad sizes and times are told with good ones', async (t) => {
  for (const text of ['big', '-1', '1t', '', '1kk', '9'.repeat(20)]) {
    await mistake(t, [sse, '--max-message', text], /^--max-message needs a size like 512k, 64m/)
  }
  for (const text of ['soon', '-1s', '1d', '', '1 s']) {
    await mistake(t, [sse, '--keep-alive', text], /^--keep-alive needs a time like 500ms, 30s/)
  }
  const unit = '--keep-alive 15 needs a unit: 15ms, 15s, 15m or 15h'
  await mistake(t, [sse, '--keep-alive', '15'], unit)
  const longest = '--keep-alive can be 596h at most; 0 is no limit'
  await mistake(t, [sse, '--keep-alive', '597h'], longest)
  t.match(await client([sse, '--keep-alive', '596h']), { limits: { keepAlive: 596 * 3_600_000 } })
})

t.test('an unknown flag is told with what to do', async (t) => {
  await mistake(t, ['--prot', '80', 'x'], 'unknown flag --prot: did you mean --port?')
  await mistake(t, ['--sharing', 'x'], 'unknown flag --sharing: see mcp-proxy --help')
  await mistake(t, ['--secret=hidden', 'x'], 'unknown flag --secret: see mcp-proxy --help')
  await mistake(t, ['-v'], /^unknown flag -v: /)
  await mistake(t, ['-v', 'x'], /^unknown flag -v: /)
  await mistake(t, ['--constructor', 'x'], /^unknown flag --constructor: /)
  await mistake(t, ['--no-port', 'x'], /^unknown flag --no-port: /)
  await mistake(t, ['--=hidden', 'x'], /^unknown flag --: /)
  const told = /^unknown flag -y: put -- before the command if it belongs to the command, /
  await mistake(t, ['npx', '-y', 'server'], told)
  await mistake(t, ['npx', '--port', '80', '-y=hidden'], told)
  await mistake(t, ['--wrong hidden', 'x'], 'unknown flag --wrong: see mcp-proxy --help')
  const oneWord = '--port and its value have come as one word: look at the quotes around them'
  await mistake(t, ['--port 8080', 'x'], oneWord)
})

t.test('a missing value is told', async (t) => {
  await mistake(t, ['x', '--port'], '--port needs a value: --port VALUE')
  await mistake(t, ['--port', '--', 'x'], '--port needs a value: --port VALUE')
  await mistake(t, ['--cwd', '--port=1', 'x'], '--cwd needs a value: --cwd VALUE')
  await mistake(t, ['-e', 'KEY'], '-e needs two words: -e KEY VALUE')
  await mistake(t, ['x', '-e', 'KEY', '-e', 'B', '2'], '-e needs two words: -e KEY VALUE')
  await mistake(t, ['-e', 'KEY=hidden', 'x'], '--env needs two words: -e KEY VALUE')
  await mistake(t, ['-e', '', 'x', 'y'], '--env needs two words: -e KEY VALUE')
  await mistake(t, ['-eKEY', 'hidden', 'x'], '-e needs two words: -e KEY VALUE')
  await mistake(t, ['x', '--debug=1'], '--debug takes no value: write --debug, or leave it out')
})

t.test('a URL that cannot be reached is told', async (t) => {
  const told = 'the URL cannot be reached: write it like http://host:8080/mcp'
  for (const url of ['http://', 'https://u:hidden@a:99999', 'http:/a', 'ws://a', 'http://a b/']) {
    await mistake(t, [url], told)
  }
})

t.test('a mistake is told in the other mode too', async (t) => {
  await mistake(t, [sse, '--port', 'http'], /^--port needs a number/)
  await mistake(t, [sse, '--sse-port', 'http'], /^--sse-port needs a number/)
  await mistake(t, ['x', '--transport', 'ws'], /^--transport is one of/)
  await mistake(t, ['x', '--token-url', 'hidden'], /^client credentials need/)
})

t.test('nothing to do is told', async (t) => {
  for (const argv of [[], [''], ['--port', '80'], ['--']]) {
    await mistake(t, argv, /^nothing to do: give a URL to reach, a command to serve, or --named-/)
  }
})

t.test('what has no effect is told', async (t) => {
  const named = ['--named-server', 'a', 'x']
  t.match(await client([sse, 'word', ...named, '--port', '80', '--stateless', '-e', 'A', 'b']), {
    warnings: [
      'ignored with a URL: --env, --named-server, --port, --stateless',
      'ignored with a URL: the words after it'
    ]
  })
  t.match(await client([...named], { SSE_URL: sse }), { warnings: [/--named-server/] })
  t.match(
    await server([...named, '-e', 'A', 'b', '--cwd', 'c', '-H', 'A', 'b', '--no-stateless']),
    {
      warnings: ['ignored without a URL: --headers', 'ignored without a command: --env, --cwd']
    }
  )
})

t.test('on Windows too', async (t) => {
  const config = await parseArguments(['x', '-e', 'PATH', 'D:\\'], { Path: 'C:\\' }, 'win32')
  t.match(config, { default: { env: { PATH: 'D:\\' } } })
  t.match(await parseArguments(['x'], process.env), { mode: 'server' }, 'this platform by default')
})
