// From a command line to the configuration.

import t from 'tap'
import { parseArguments } from '../../../lib/cli/arguments/parse-arguments.ts'
import { limits } from '../../../lib/limits.ts'
import { around, client, clientLimits, fetchServer, mistake, server, sse } from '../parse.ts'

t.test('a URL alone is client mode with the defaults', async (t) => {
  t.strictSame(await client([sse]), {
    mode: 'client',
    credentials: { kind: 'signIn', browser: true, callbackPort: 0 },
    server: { kind: 'url', url: new URL(sse), headers: {}, transport: 'auto' },
    logLevel: 'INFO',
    logFormat: 'text',
    traces: false,
    traceContext: 'keep',
    inspectMemory: 64 * 1024 * 1024,
    limits: clientLimits,
    verify: true,
    era: 'auto',
    translate: 'auto',
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
    requireAuth: false,
    trustProxy: [],
    auditRequired: false,
    prewarm: 0,
    watch: false,
    logLevel: 'INFO',
    logFormat: 'text',
    traces: false,
    traceContext: 'keep',
    inspectMemory: 64 * 1024 * 1024,
    limits: { ...limits, maxSessions: 100 },
    verify: true,
    era: 'auto',
    translate: 'auto',
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
    credentials: {
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

t.test('the token in API_ACCESS_TOKEN wins over every Authorization header', async (t) => {
  const env = { API_ACCESS_TOKEN: ' token\n' }
  const argv = ['-H', 'authorization', 'Basic x', '-H', 'X-Other', 'y', 'http://u:p@a/']
  t.match((await client(argv, env)).server.headers, {
    Authorization: 'Bearer token',
    'X-Other': 'y'
  })
  t.strictSame((await client([sse], { API_ACCESS_TOKEN: '' })).server.headers, {})
  await mistake(t, [sse], /^API_ACCESS_TOKEN: the value has a character that is not allowed/, {
    API_ACCESS_TOKEN: 'hidden\nx'
  })
})

t.test('of headers with one name the last counts', async (t) => {
  const { server } = await client(['-H', 'X-Key', '1', '-H', 'x-key', '2', sse])
  t.strictSame(server.headers, { 'x-key': '2' })
  const message = "--headers needs two words: -H Authorization 'Bearer TOKEN'"
  await mistake(t, ['-H', 'Authorization=Bearer hidden', sse], message)
  await mistake(
    t,
    ['-H', 'X', 'hidden\n', sse],
    '--headers X: the value has a character that is not allowed'
  )
  await mistake(t, ['-HAuthorization: hidden', sse], message.replace('--headers', '-H'))
})

t.test('a person signs in, unless the command line has other credentials', async (t) => {
  const signIn = { kind: 'signIn', browser: true, callbackPort: 0 }
  t.strictSame((await client([sse])).credentials, signIn)
  t.strictSame((await client([sse, '-H', 'authorization', 'Bearer a'])).credentials, undefined)
  t.strictSame((await client([sse], { API_ACCESS_TOKEN: 'a' })).credentials, undefined)
  const id = ['--client-id', 'a']
  t.strictSame((await client([sse, ...id])).credentials, { ...signIn, clientId: 'a' })
  t.strictSame((await client([sse, ...id, '--client-secret', 'b'])).credentials, {
    ...signIn,
    clientId: 'a',
    clientSecret: 'b'
  })
  const url = 'https://example.com/client.json'
  const flags = ['--no-browser', '--callback-port', '8123', '--client-metadata-url', url]
  t.strictSame((await client([sse, ...flags])).credentials, {
    ...signIn,
    browser: false,
    callbackPort: 8123,
    clientMetadataUrl: url
  })
  for (const wrong of ['http://example.com/a', 'https://example.com', 'x', '']) {
    const message = '--client-metadata-url needs a URL like https://example.com/client.json'
    await mistake(t, [sse, '--client-metadata-url', wrong], message)
  }
  const issuer = ['--client-issuer', 'https://auth.example.com/']
  t.strictSame((await client([sse, ...id, ...issuer])).credentials, {
    ...signIn,
    clientId: 'a',
    clientIssuer: 'https://auth.example.com/'
  })
  await mistake(t, [sse, ...issuer], '--client-issuer needs --client-id too')
  await mistake(t, [sse, ...id, '--client-issuer', 'http://a.example'], /needs a URL like/)
})

t.test('client credentials need a client id and one proof', async (t) => {
  const message = 'client credentials need --client-id too'
  await mistake(t, [sse, '--client-secret', 'hidden'], message)
  await mistake(t, [sse, '--client-credentials'], message)
  await mistake(t, [sse, '--token-url', 'https://a/'], message)
  const one =
    'client credentials need one of --client-secret, --client-secret-file, --client-key too'
  await mistake(t, [sse, '--client-id', 'a', '--client-credentials'], one)
  await mistake(t, [sse, '--client-id', 'a', '--token-url', 'https://a/'], one)
  const two = [sse, '--client-id', 'a', '--client-key', 'k', '--client-secret-file', 'f']
  await mistake(t, two, '--client-secret-file and --client-key exclude each other')
  for (const [flag, value, member] of [
    ['--client-key', 'k.pem', 'clientKey'],
    ['--client-secret-file', 's.txt', 'clientSecretFile']
  ] as const) {
    const given = await client([sse, '--client-id', 'a', flag, value, '--client-credentials'])
    t.match(given.credentials, { kind: 'signIn', [member]: value, clientCredentials: true })
  }
  const rest = [sse, '--client-id', 'a', '--client-secret', '-b', '--token-url']
  t.match(await client([...rest, 'https://a/']), {
    credentials: { kind: 'oauth', clientSecret: '-b' }
  })
  await mistake(t, [...rest, 'hidden'], /^--token-url needs a URL/)
  const empty = [sse, '--client-id=', '--client-secret', '', '--token-url=']
  t.match((await client(empty)).credentials, { kind: 'signIn' })
})

t.test('a login needs a user name and a password', async (t) => {
  const given = [sse, '--username', 'me', '--password', '-p']
  const credentials = { kind: 'login', username: 'me', password: '-p', digest: false }
  t.match(await client(given), { credentials })
  t.match(await client([...given, '--digest']), { credentials: { ...credentials, digest: true } })
  t.match(await client([...given.slice(0, -1), '']), { credentials: { password: '' } })
  const message = 'a login needs --username and --password'
  await mistake(t, [sse, '--username', 'me'], message)
  await mistake(t, [sse, '--password', 'hidden'], message)
  await mistake(t, [sse, '--digest'], message)
})

t.test('the secret and the password may be in the environment', async (t) => {
  const env = { MCP_PROXY_CLIENT_SECRET: 's ', MCP_PROXY_PASSWORD: 'p' }
  const id = [sse, '--client-id', 'a']
  t.match(await client(id, env), { credentials: { clientId: 'a', clientSecret: 's' } })
  t.match(await client([...id, '--client-secret', 'b'], env), {
    credentials: { clientSecret: 'b' }
  })
  t.match(await client([...id, '--client-key', 'k'], env), {
    credentials: { clientKey: 'k', clientSecret: undefined }
  })
  t.match(await client([sse, '--username', 'me'], env), { credentials: { password: 'p' } })
  t.match(await client([sse], env), { credentials: { kind: 'signIn', clientSecret: undefined } })
  const { default: own } = await server(['x', '--pass-environment'], { A: 'b', ...env })
  t.match(own, { env: { A: 'b' } })
  t.notMatch(JSON.stringify(own), /MCP_PROXY/)
})

t.test('servers do not get the socket of systemd', async (t) => {
  const env = { NOTIFY_SOCKET: '/run/notify', A: 'b' }
  const { default: own } = await server(['x', '--pass-environment'], env)
  t.strictSame(own?.env, { A: 'b' })
})

t.test('--headers-file has a header in each line, and --headers wins', async (t) => {
  const file = `${t.testdir({ headers: '# a comment\n\nX-A: 1\r\nX-B:  2:3 \n' })}/headers`
  const { server: found } = await client([sse, '-H', 'x-a', '9', '--headers-file', file])
  t.strictSame(found.headers, { 'x-a': '9', 'X-B': '2:3' })
  for (const wrong of ['hidden', 'a b: hidden', 'X: hidden\u0001', ': hidden']) {
    const bad = `${t.testdir({ headers: `X-A: 1\n${wrong}\n` })}/headers`
    const error = await client([sse, '--headers-file', bad]).catch((cause: Error) => cause)
    t.match(error, { code: 'ERR_CONFIG', message: `${bad}: line 2 is no header like` })
    t.notMatch((error as Error).message, 'hidden')
  }
  await t.rejects(client([sse, '--headers-file', '/missing']), {
    code: 'ERR_CONFIG',
    message: '/missing: no such file'
  })
  await t.rejects(client([sse, '--headers-file', '/']), { message: '/: cannot be read (EISDIR)' })
})

t.test('--cert and --key need each other', async (t) => {
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

t.test('a mistake in a flag without effect is an error too', async (t) => {
  await mistake(t, [sse, '--port', 'http'], /^--port needs a number/)
  await mistake(t, [sse, '--sse-port', 'http'], /^--sse-port needs a number/)
  await mistake(t, ['x', '--transport', 'ws'], /^--transport is one of/)
  await mistake(t, ['x', '--token-url', 'hidden'], /^--token-url needs a URL/)
})

t.test('without a URL, a command and a named server there is nothing to do', async (t) => {
  for (const argv of [[], [''], ['--port', '80'], ['--']]) {
    await mistake(t, argv, /^nothing to do: give a URL to reach, a command to serve, or --named-/)
  }
})

t.test('environment variables have the case rules of the platform', async (t) => {
  const config = await parseArguments(['x', '-e', 'PATH', 'D:\\'], { Path: 'C:\\' }, 'win32')
  t.match(config, { default: { env: { PATH: 'D:\\' } } })
  t.match(await parseArguments(['x'], process.env), { mode: 'server' }, 'this platform by default')
})

t.test('the limit of sessions is lower if each session has its own process', async (t) => {
  const file = `${t.testdir({ 'a.json': '{"servers":{"a":{"url":"http://a/mcp"}}}' })}/a.json`
  const limits: [string[], number][] = [
    [['x'], 100],
    [['--shared', 'x'], 1000],
    [['--stateless', 'x'], 1000],
    [['--named-server-config', file], 1000],
    [['--named-server-config', file, 'x'], 100],
    [['--max-sessions', '1000', 'x'], 1000],
    [['--max-sessions', '0', 'x'], 0]
  ]
  for (const [argv, maxSessions] of limits) {
    t.match(await server(argv), { limits: { maxSessions } }, argv.join(' '))
  }
})

t.test('a file and MCP_PROXY_AUTH_TOKEN set the tokens of clients', async (t) => {
  const token = { MCP_PROXY_AUTH_TOKEN: ' token\n' }
  const { auth } = await server(['x', '--auth-token-file', 'f'], token)
  t.strictSame(auth, { file: 'f', token: 'token' })
  t.strictSame((await server(['x'], token)).auth, { token: 'token' })
  t.strictSame((await server(['x', '--auth-token-file', 'f'])).auth, { file: 'f' })
  t.equal((await server(['x'], { MCP_PROXY_AUTH_TOKEN: '' })).auth, undefined)
  await mistake(t, ['x'], /^MCP_PROXY_AUTH_TOKEN: the value has a character that is not allowed$/, {
    MCP_PROXY_AUTH_TOKEN: 'two words'
  })
})

t.test('servers do not get MCP_PROXY_AUTH_TOKEN, unless the command line gives it', async (t) => {
  const env = { MCP_PROXY_AUTH_TOKEN: 'hidden', OTHER: 'other' }
  const all = await server(['x', '--pass-environment'], env)
  t.strictSame(all.default?.env, { OTHER: 'other' })
  const given = await server(['x', '-e', 'MCP_PROXY_AUTH_TOKEN', 'given'], env)
  t.equal(given.default?.env.MCP_PROXY_AUTH_TOKEN, 'given')
})
