// What the readers of values accept.

import t from 'tap'
import { client, clientLimits, mistake, server, sse } from '../parse.ts'

t.test('a log level may be in any case, and --debug wins over it', async (t) => {
  t.match(await client([sse, '--log-level', 'warning']), { logLevel: 'WARNING' })
  t.match(await client([sse, '--debug', '--log-level=ERROR']), { logLevel: 'DEBUG' })
  t.match(await client([sse, '--debug', '--no-debug']), { logLevel: 'INFO' })
  const message = '--log-level is one of DEBUG, INFO, WARNING, ERROR, CRITICAL, not "loud"'
  await mistake(t, [sse, '--log-level', 'loud'], message)
  await mistake(t, [sse, '--transport', 'ws'], /^--transport is one of auto, sse, streamablehttp,/)
  t.match(await client([sse, '--transport', 'SSE']), { server: { transport: 'sse' } })
})

t.test('server mode has files, counts and header names', async (t) => {
  const argv = ['x', '--tls-cert', 'c.pem', '--tls-key', 'k.pem', '--prewarm', '2', '--record=r']
  t.match(await server(argv), { tls: { cert: 'c.pem', key: 'k.pem' }, prewarm: 2, record: 'r' })
  await mistake(t, ['x', '--tls-key', 'k'], '--tls-key needs --tls-cert too')
  await mistake(t, ['x', '--prewarm', 'many'], '--prewarm needs a whole number, not "many"')
  await mistake(t, ['x', '--prewarm', '-1'], '--prewarm needs a whole number, not "-1"')
  await mistake(t, ['x', '--restarts', '9'.repeat(20)], /^--restarts needs a whole number/)
  await mistake(t, ['x', '--expose-header', 'a b'], /^--expose-header needs the name of a header/)
})

t.test('a base path begins with a slash and ends without one', async (t) => {
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

t.test('host names are as URLs have them', async (t) => {
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

t.test('a port is a number from 0 to 65535', async (t) => {
  t.match(await server(['x', '--port', '0']), { port: 0 })
  t.match(await server(['x', '--port', '65535']), { port: 65535 })
  for (const text of ['65536', '-1', '80.5', '0x50', 'http', '', ' 80']) {
    const message = `--port needs a number from 0 to 65535, not ${JSON.stringify(text)}`
    await mistake(t, ['x', '--port', text], message)
  }
})

t.test('each value of a repeated flag must be valid', async (t) => {
  await mistake(t, ['x', '--port', 'y', '--port', '80'], /^--port needs a number/)
  await mistake(t, ['x', '--verify-ssl=none', '--no-verify-ssl'], /^--verify-ssl takes true, false/)
})

t.test('--shared is a switch', async (t) => {
  t.match(await server(['--shared', 'x']), { shared: true })
})

t.test('the flags of the filter take patterns', async (t) => {
  const words = '--allow-tool read_* --allow-tool=list --deny-tool x --deny-prompt p'.split(' ')
  const filter = { tools: { allow: ['read_*', 'list'], deny: ['x'] }, prompts: { deny: ['p'] } }
  t.match(await server([...words, 'x']), { filter })
  t.match(await client([...words, sse]), { filter })
  const resources = { allow: ['a:*'], deny: ['a:b'] }
  t.match(await client(['--allow-resource', 'a:*', '--deny-resource', 'a:b', sse]), {
    filter: { resources }
  })
  t.match(await client(['--allow-prompt', 'p?', sse]), { filter: { prompts: { allow: ['p?'] } } })
  await mistake(t, ['--deny-tool', '', 'x'], /--deny-tool needs a name or a pattern/)
})

t.test('--replica is a name that fits into a session id', async (t) => {
  t.match(await server(['--replica', 'mcp-0', 'x']), { replica: 'mcp-0' })
  t.match(await server(['--replica', 'a'.repeat(63), 'x']), { replica: /^a{63}$/ })
  for (const wrong of ['', 'a.b', 'a b', 'é', 'a'.repeat(64), 'a\n']) {
    await mistake(t, [`--replica=${wrong}`, 'x'], /--replica needs a name of at most 63 letters/)
  }
})

t.test('--trust-proxy takes addresses and ranges', async (t) => {
  const { trustProxy } = await server([
    '--trust-proxy',
    '::1,10.0.0.0/8',
    '--trust-proxy=fd00::/8',
    'x'
  ])
  t.strictSame(trustProxy, ['::1', '10.0.0.0/8', 'fd00::/8'])
  const message =
    /^--trust-proxy needs an address or a range like 10\.0\.0\.0\/8, not "10\.0\.0\.0\/33"$/
  await mistake(t, ['--trust-proxy', '10.0.0.0/33', 'x'], message)
})

t.test('in client mode the output belongs to the client', async (t) => {
  t.match(await client([sse, '--audit', 'f']), { audit: 'f' })
  for (const flag of ['record', 'audit', 'log-file']) {
    await mistake(t, [sse, `--${flag}=-`], `--${flag} needs a file: the client reads stdout`)
  }
})

t.test('--traces is a switch, and --trace-context keeps or moves', async (t) => {
  t.match(await server(['--traces', 'x']), { traces: true, traceContext: 'keep' })
  t.match(await client([sse, '--trace-context', 'MOVE']), { traces: false, traceContext: 'move' })
  const message = '--trace-context is one of keep, move, not "copy"'
  await mistake(t, ['--trace-context=copy', 'x'], message)
})

t.test('--metrics takes a port, an address or a free path', async (t) => {
  const places: [string, object][] = [
    ['9464', { host: '127.0.0.1', port: 9464 }],
    ['0', { host: '127.0.0.1', port: 0 }],
    ['0.0.0.0:65535', { host: '0.0.0.0', port: 65535 }],
    ['[::1]:1', { host: '::1', port: 1 }],
    ['metrics.internal:80', { host: 'metrics.internal', port: 80 }]
  ]
  for (const [text, metrics] of places) {
    t.strictSame((await server(['--metrics', text, 'x'])).metrics, metrics)
    t.strictSame((await client([sse, '--metrics', text])).metrics, metrics)
  }
  for (const path of ['/metrics', '/a/b.txt']) {
    t.strictSame((await server(['--metrics', path, 'x'])).metrics, { path })
  }
  t.equal((await server(['x'])).metrics, undefined)
  for (const text of ['', '65536', 'x', 'a b:1', '/', '/a/', '/a b', '/a?b', '-1']) {
    await mistake(t, [`--metrics=${text}`, 'x'], /^--metrics needs a port, an address such as /)
  }
  for (const path of ['/mcp', '/status', '/servers/a/sse', '/x/messages']) {
    const message = `--metrics: the proxy already serves "${path}"`
    await mistake(t, [`--metrics=${path}`, 'x'], message)
  }
  const message = '--metrics needs a port: client mode does not listen on HTTP'
  await mistake(t, [sse, '--metrics=/metrics'], message)
})

t.test('--inspect takes a port or an address', async (t) => {
  const places: [string, object][] = [
    ['9000', { host: '127.0.0.1', port: 9000 }],
    ['0.0.0.0:65535', { host: '0.0.0.0', port: 65535 }],
    ['[::1]:0', { host: '::1', port: 0 }]
  ]
  for (const [text, inspect] of places) {
    t.strictSame((await server(['--inspect', text, 'x'])).inspect, inspect)
    t.strictSame((await client([sse, '--inspect', text])).inspect, inspect)
  }
  t.match(await server(['--inspect-memory', '1m', 'x']), {
    inspect: undefined,
    inspectMemory: 2 ** 20
  })
  for (const text of ['', '65536', 'x', 'a b:1', '/a', '-1']) {
    await mistake(
      t,
      [`--inspect=${text}`, 'x'],
      '--inspect needs a port, or an address such as 192.0.2.1:9000'
    )
  }
})

t.test('--audit takes a file, and --audit-required needs it', async (t) => {
  t.match(await server(['--audit', '-', 'x']), { audit: '-', auditRequired: false })
  t.match(await server(['--audit=f', '--audit-required', 'x']), { audit: 'f', auditRequired: true })
  await mistake(t, ['--audit-required', 'x'], '--audit-required needs --audit too')
})

t.test('--era and --translate are words', async (t) => {
  t.match(await server(['--era', 'Legacy', '--translate=off', 'x']), {
    era: 'legacy',
    translate: 'off'
  })
  t.match(await client([sse, '--era', 'modern']), { era: 'modern', translate: 'auto' })
  await mistake(t, ['--era', 'old', 'x'], /--era is one of auto, legacy, modern/)
})

t.test('limits have sizes, times and counts', async (t) => {
  const argv =
    '--session-timeout 1h --max-sessions 5 --max-message 1k --keep-alive 0 --close-timeout 1.5s ' +
    '--drain-timeout 2m --restarts 0 --connect-timeout 500ms --max-replay 2MB --stream-after 1S ' +
    '--max-queue 3k --retry 0.1ms --idle-timeout 5m --detached-timeout 7s ' +
    '--max-body-memory 9m --max-rounds 3 --probe-timeout 4s --input-timeout 90s --max-connections 0 ' +
    '--max-group-connections 3 --max-tokens 8 --clock-skew 1s --key-age 2m --introspection-age 3s --max-introspections 4 ' +
    '--max-caller-sessions 6 --max-caller-rate 10 --max-caller-burst 30 ' +
    '--max-caller-calls 40 --max-caller-connections 50 --max-caller-bodies 2m --max-callers 60'
  const expected = {
    sessionTimeout: 3_600_000,
    maxSessions: 5,
    idleTimeout: 300_000,
    detachedTimeout: 7000,
    maxMessage: 1024,
    maxBodyMemory: 9 * 1024 * 1024,
    keepAlive: 0,
    closeTimeout: 1500,
    drainTimeout: 120_000,
    restarts: 0,
    maxRounds: 3,
    connectTimeout: 500,
    maxReplay: 2 * 1024 * 1024,
    maxQueue: 3072,
    streamAfter: 1000,
    probeTimeout: 4000,
    retry: 1,
    inputTimeout: 90_000,
    maxConnections: 0,
    maxGroupConnections: 3,
    maxTokens: 8,
    clockSkew: 1000,
    keyAge: 120_000,
    introspectionAge: 3000,
    maxIntrospections: 4,
    loginTimeout: 300_000,
    maxCallerSessions: 6,
    maxCallerRate: 10,
    maxCallerBurst: 30,
    maxCallerCalls: 40,
    maxCallerConnections: 50,
    maxCallerBodies: 2 * 1024 * 1024,
    maxCallers: 60
  }
  t.strictSame((await server(['x', ...argv.split(' ')])).limits, expected)
  t.strictSame((await client([sse, '--max-message=1.5g'])).limits, {
    ...clientLimits,
    maxMessage: 1.5 * 1024 ** 3
  })
  t.strictSame((await client([sse, '--max-message', '10b'])).limits, {
    ...clientLimits,
    maxMessage: 10
  })
})

t.test('the error for a size or time shows good ones', async (t) => {
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
  t.match(await server(['x', '--keep-alive', '596h']), { limits: { keepAlive: 596 * 3_600_000 } })
})

t.test('--cwd needs a directory that exists', async (t) => {
  const directory = t.testdir({ file: '', sub: {} })
  const cwd = `${directory}/sub`
  t.match(await server(['x', '--cwd', cwd]), { default: { cwd } })
  t.notOk((await server(['x', '--cwd', ''])).default?.cwd, 'the reference takes an empty one')
  for (const path of ['/no/such', `${directory}/file`, `${directory}/file/sub`]) {
    const message = `--cwd: there is no directory ${JSON.stringify(path)}`
    await mistake(t, ['x', '--cwd', path], message)
    await mistake(t, [sse, '--cwd', path], message)
  }
})
