// Server mode: what it starts and logs, and how it ends.

import { readFileSync, writeFileSync } from 'node:fs'
import { Server } from 'node:http'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { httpClient, sseClient } from '../../fixtures/clients/raw.js'
import type { Json } from '../../fixtures/clients/raw.js'
import { startHttpServer } from '../../fixtures/servers/http.js'
import { LineFile } from '../../lib/line-file.ts'
import { ended, fixture, isRunning, listenLocally, until } from '../helpers.ts'
import { bodyOf, headersOf } from '../modern.ts'
import { run, served, stop } from './process.ts'

const node = process.execPath
const demo = `${node} ${fixture('servers/demo.js')}`
const misbehaving = `${node} ${fixture('servers/misbehaving.js')}`

t.test('it logs the URLs, a client configuration and a first request', async (t) => {
  const command = run(t, `--port 0 ${demo}`)
  const url = await served(command)
  await command.log.until((line) => line.includes('try it:'))
  t.match(
    command.log.map((line) => line.slice(28)),
    [
      'Serving MCP servers over Streamable HTTP and HTTP+SSE:',
      `- default: ${url}mcp and ${url}sse`,
      `client config: {"mcpServers":{"default":{"type":"http","url":"${url}mcp"}}}`,
      `try it: curl ${url}mcp -H 'Content-Type: application/json' -d '{`
    ]
  )
  stop()
  t.equal(await command.code, 0)
  t.match(command.log.at(-1), /stopping \(a second signal stops at once\)$/)
})

t.test('the start and the end of a session are logged', async (t) => {
  const command = run(t, `--debug ${misbehaving}`)
  const url = await served(command)
  const client = httpClient(`${url}mcp`)
  await client.initialize()
  const { result } = await client.request('test/pids')
  const about = `default, session ${client.sessionId?.slice(0, 8)}`
  t.ok(await command.log.until((line) => line.endsWith(`${about}: opened`)))
  await client.delete()
  client.close()
  t.ok(await command.log.until((line) => line.endsWith(`${about}: closed`)))
  await ended(result.pid)
  stop()
  t.equal(await command.code, 0)
})

t.test('the stderr of a server is logged with its name', async (t) => {
  const command = run(t, ['--named-server', 'one', `${misbehaving} --chatty-stderr 200`])
  const client = httpClient(`${await served(command)}servers/one/mcp`)
  await client.initialize()
  t.ok(await command.log.until((line) => /\[I .*\] one: chatter/.test(line)))
  client.close()
  stop()
  t.equal(await command.code, 0)
})

t.test('a session that fails is logged as an error', async (t) => {
  const command = run(t, [
    '--named-server',
    'bad',
    `${misbehaving} --crash-on-start 3`,
    ...demo.split(' ')
  ])
  const url = await served(command)
  const client = httpClient(`${url}servers/bad/mcp`)
  t.match(await client.initialize(), { error: { message: /exited with code 3/ } })
  t.ok(
    await command.log.until((line) => /^\[E .* bad, session \w{8}: .*exited with code 3/.test(line))
  )
  client.close()
  const status = (await (await fetch(`${url}status`)).json()) as Json
  t.strictSame(status.server_instances, { default: 'configured', bad: 'failed' })
  stop()
  t.equal(await command.code, 0)
})

t.test('a client that disconnects early does not mark the server as failed', async (t) => {
  const command = run(t, `--debug -- ${misbehaving} --no-initialize-answer`)
  const url = await served(command)
  const client = await sseClient(`${url}sse`)
  client.initialize().catch(() => {})
  await command.log.until((line) => line.includes('as process'))
  client.close()
  t.ok(await command.log.until((line) => /^\[D .*: closed$/.test(line)))
  t.equal((await fetch(`${url}readyz`)).status, 200)
  stop()
  t.equal(await command.code, 0)
})

t.test('a modern client waits for the server, and then uses it', async (t) => {
  const command = run(t, `--debug ${demo}`)
  const url = await served(command)
  const client = httpClient(`${url}mcp`)
  for (let count = 0; count < 2; count++) {
    const { status } = await client.post(bodyOf('1', 'tools/list'), headersOf('tools/list'))
    t.equal(status, 200)
  }
  client.close()
  stop()
  t.equal(await command.code, 0)
})

t.test('a signal while the last lines are written does not end the process', async (t) => {
  const before = process.listenerCount('SIGTERM')
  const counts: number[] = []
  const { close } = LineFile.prototype
  t.intercept(LineFile.prototype, 'close', {
    value(this: LineFile) {
      counts.push(process.listenerCount('SIGTERM') - before)
      return close.call(this)
    }
  })
  const command = run(t, ['--audit', `${t.testdir()}/audit`, ...demo.split(' ')])
  await served(command)
  stop()
  t.equal(await command.code, 0)
  t.strictSame(counts, [1])
  t.equal(process.listenerCount('SIGTERM'), before)
})

t.test('clients of a modern server: its exit, and a client that does not read', async (t) => {
  const server = `${process.execPath} ${fixture('servers/modern.js')}`
  const command = run(t, `--debug --max-queue 64k ${server}`)
  const url = await served(command)
  const client = httpClient(`${url}mcp`)
  const call = (name: string): Promise<{ status: number; text: string }> =>
    client.post(bodyOf('1', 'tools/call', { name, arguments: { text: 'x' } }), {
      ...headersOf('tools/call'),
      'mcp-name': name
    })
  for (let count = 0; count < 2; count++) {
    const { status, text } = await call('echo')
    t.equal(status, 200)
    t.match(text, '"x"')
  }
  t.match((await call('crash')).text, 'exited with code 7')
  t.ok(await command.log.until((line) => line.endsWith('post-3: ended')))
  t.match((await call('echo')).text, '"x"', 'it starts again')

  const name = 'flood'
  const params = { name, arguments: { bytes: 30_000_000 }, _meta: { progressToken: 1 } }
  const body = bodyOf('1', 'tools/call', params)
  // Without the Response, its body would be cancelled at the next garbage collection.
  const unread = await fetch(`${url}mcp`, {
    method: 'POST',
    headers: headersOf('tools/call', params),
    body
  })
  t.ok(await command.log.until((line) => /^\[E .*post-5: the client has not read/.test(line)))
  await unread.body?.cancel().catch(() => {})
  client.close()
  stop()
  t.equal(await command.code, 0)
})

t.test('a modern client that leaves before the server is ready', async (t) => {
  const starts = 'setTimeout(() => process.stdin.resume(), 400)'
  const command = run(
    t,
    `--debug --probe-timeout 100ms --connect-timeout 5s -- node -e '${starts}'`
  )
  const url = await served(command)
  const leaving = new AbortController()
  const method = 'tools/list'
  const { signal } = leaving
  const request = { method: 'POST', body: bodyOf('1', method), headers: headersOf(method), signal }
  const response = fetch(`${url}mcp`, request).catch(() => 'left')
  await command.log.until((line) => line.includes('post-1: opened'))
  leaving.abort()
  t.equal(await response, 'left')
  await sleep(3000) // the server counts as legacy now, and nobody uses it
  stop()
  t.equal(await command.code, 0)
})

t.test('a refused modern request of a client of both eras is no error in the log', async (t) => {
  const command = run(t, `--debug --translate off ${demo}`)
  const url = await served(command)
  const client = httpClient(`${url}mcp`)
  for (const [method, params] of [
    ['server/discover', {}],
    ['tools/call', { name: 'echo' }]
  ] as const) {
    const answer = await client.post(bodyOf('1', method, params), headersOf(method, params))
    t.equal(answer.status, 400, method)
  }
  t.ok(await command.log.until((line) => /^\[D .*: closed$/.test(line)))
  t.notOk([...command.log].some((line) => line.startsWith('[E')))
  client.close()
  stop()
  t.equal(await command.code, 0)
})

t.test('a client without a session is logged too', async (t) => {
  const command = run(t, `--debug --stateless ${demo}`)
  const client = httpClient(`${await served(command)}mcp`)
  t.match(await client.request('tools/list'), { result: {} })
  t.ok(await command.log.until((line) => line.endsWith('session post-1: opened')))
  t.ok(await command.log.until((line) => line.endsWith('session post-1: ended')))
  client.close()
  stop()
  t.equal(await command.code, 0)
})

t.test('the first signal lets calls finish, and a second one does not', async (t) => {
  for (const again of [false, true]) {
    const command = run(t, `--drain-timeout 0 --close-timeout 200ms ${misbehaving}`)
    const client = httpClient(`${await served(command)}mcp`)
    await client.initialize()
    const { result } = await client.request('test/pids')
    const slept = client.request('test/sleep', { ms: again ? 3_600_000 : 300 })
    await client.request('ping')
    stop()
    if (again) stop()
    t.match(await slept, again ? { error: {} } : { result: { ms: 300 } })
    t.equal(await command.code, 0)
    t.notOk(isRunning(result.pid))
    client.close()
    t.equal(
      command.log.some((line) => line.endsWith('stopping at once')),
      again
    )
  }
})

t.test('a server that is not found is a warning, and an error when all are', async (t) => {
  const nowhere = ['--named-server', 'bad', 'nowhere']
  const command = run(t, [...nowhere, '--prewarm', '1', ...demo.split(' ')])
  const url = await served(command)
  t.match(command.log[0], /^\[W .*\] bad: cannot start "nowhere": not found; PATH is /)
  t.equal((await fetch(`${url}readyz`)).status, 503)
  stop()
  t.equal(await command.code, 0)

  const other = run(t, [...nowhere, '--named-server', 'worse', './nowhere'])
  t.equal(await other.code, 1)
  t.match([...other.log], [/^mcp-proxy: bad: cannot start "nowhere".*; worse: cannot start /])
})

t.test('a failed default server and a server named default have different labels', async (t) => {
  const audit = join(t.testdir({}), 'audit.ndjson')
  const watch = ['--metrics', '/metrics', '--audit', audit]
  const command = run(t, [...watch, '--named-server', 'default', demo, 'nowhere'])
  const url = await served(command)
  const status = (await (await fetch(`${url}status`)).json()) as Json
  t.strictSame(status.server_instances, { default: 'failed', 'servers/default': 'configured' })
  const readiness = await fetch(`${url}readyz`)
  t.equal(readiness.status, 503)
  t.strictSame(await readiness.json(), { ready: false, failed: ['default'] })
  const client = httpClient(`${url}servers/default/mcp`)
  await client.initialize()
  const metrics = await (await fetch(`${url}metrics`)).text()
  t.match(metrics, /^mcp_duplex_sessions\{server="servers\/default"\} 1$/m)
  t.match(metrics, /^mcp_duplex_server_up\{server="servers\/default"\} 1$/m)
  client.close()
  stop()
  t.equal(await command.code, 0)
  const [line = ''] = readFileSync(audit, 'utf8').split('\n')
  t.match(JSON.parse(line), { event: 'open', server: 'servers/default' })
})

t.test('the log offers a server that can start', async (t) => {
  const command = run(t, ['--named-server', 'good', demo, 'nowhere'])
  const url = await served(command)
  await command.log.until((line) => line.includes('try it:'))
  const good = `${url}servers/good/`
  t.match(
    command.log.map((line) => line.slice(28)),
    [
      'default: cannot start "nowhere": ',
      'Serving MCP servers over Streamable HTTP and HTTP+SSE:',
      `- default: ${url}mcp and ${url}sse (cannot start)`,
      `- good: ${good}mcp and ${good}sse`,
      `client config: {"mcpServers":{"good":{"type":"http","url":"${good}mcp"}}}`,
      `try it: curl ${good}mcp `
    ]
  )
  stop()
  t.equal(await command.code, 0)
})

t.test('it serves commands and URLs from a config file', async (t) => {
  const remote = await startHttpServer()
  t.teardown(() => remote.close())
  const file = `${t.testdir()}/servers.json`
  writeFileSync(
    file,
    JSON.stringify({
      mcpServers: {
        'a/b': { command: node, args: [fixture('servers/demo.js')] },
        web: { url: remote.url }
      }
    })
  )
  const command = run(t, ['--named-server-config', file, '--prewarm', '1'])
  const url = await served(command)
  for (const name of ['a%2Fb', 'web']) {
    const client = await sseClient(`${url}servers/${name}/sse`)
    t.match(await client.initialize(), { result: {} }, name)
    client.close()
  }
  stop()
  t.equal(await command.code, 0)
})

t.test('it serves HTTPS', async (t) => {
  const ca = readFileSync(fixture('tls/ca.pem'))
  const cert = fixture('tls/server.pem')
  const key = fixture('tls/server-key.pem')
  const command = run(t, ['--tls-cert', cert, '--tls-key', key, ...demo.split(' ')])
  const url = await served(command)
  t.match(url, /^https:/)
  const client = httpClient(`${url}mcp`, { request: { ca } })
  t.match(await client.initialize(), { result: {} })
  client.close()
  stop()
  t.equal(await command.code, 0)
})

t.test('a failure at the start leaves no process', async (t) => {
  const directory = t.testdir()
  const started = (command: { log: string[] }): number[] =>
    command.log.flatMap((line) => {
      const [, pid] = /as process (\d+)/.exec(line) ?? []
      return pid === undefined ? [] : [Number(pid)]
    })
  for (const [flags, code, message] of [
    [['--tls-cert', 'nowhere', '--tls-key', 'nowhere'], 2, /--tls-cert: cannot read nowhere/],
    [['--record', `${directory}/nowhere/file`], 2, /cannot write the recording/],
    [['--host', '192.0.2.1'], 1, /cannot listen on 192.0.2.1/]
  ] as const) {
    const command = run(t, ['--debug', '--prewarm', '2', ...flags, ...demo.split(' ')])
    t.equal(await command.code, code)
    t.match(command.log.at(-1), message)
    for (const pid of started(command)) t.notOk(isRunning(pid))
  }
})

t.test('it records the sessions', async (t) => {
  const file = `${t.testdir()}/sessions.ndjson`
  const command = run(t, ['--record', file, ...demo.split(' ')])
  const client = httpClient(`${await served(command)}mcp`)
  await client.initialize()
  client.close()
  stop()
  t.equal(await command.code, 0)
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n')
  t.match(
    lines.map((line): Json => JSON.parse(line)),
    [{ from: 'client' }, { from: 'server' }, { from: 'client' }]
  )
})

t.test('with --trace-context move the servers get the trace context of the headers', async (t) => {
  const command = run(t, `--trace-context move --traces ${misbehaving}`)
  const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
  const client = httpClient(`${await served(command)}mcp`, { headers: { traceparent } })
  await client.initialize()
  t.match(await client.request('test/echo', { a: 1 }), {
    result: { params: { a: 1, _meta: { traceparent } } }
  })
  client.close()
  stop()
  t.equal(await command.code, 0)
})

t.test('with --metrics it counts sessions, processes and restarts', async (t) => {
  const command = run(t, `--metrics /metrics --audit ${t.testdir()}/a.ndjson ${misbehaving}`)
  const url = await served(command)
  const client = httpClient(`${url}mcp`)
  await client.initialize()
  await client.request('test/crash').catch(() => {})
  await client.request('ping')
  const read = async (): Promise<string> => (await fetch(`${url}metrics`)).text()
  const text = await read()
  t.match(text, /^mcp_server_operation_duration_seconds_count\{.*"initialize".*\} 1$/m)
  t.match(text, /^mcp_duplex_sessions\{server="default"\} 1$/m)
  t.match(text, /^mcp_duplex_processes\{server="default"\} 1$/m)
  t.match(text, /^mcp_duplex_process_starts_total\{server="default"\} 2$/m)
  t.match(text, /^mcp_duplex_restarts_total\{server="default"\} 1$/m)
  t.match(text, /^mcp_duplex_errors_total\{code="ERR_SERVER_EXITED"\} 1$/m)
  t.match(text, /^mcp_duplex_server_up\{server="default"\} 1$/m)
  t.match(text, /^mcp_duplex_queue_bytes\{queue="audit"\} \d+$/m)
  t.match(text, /^mcp_duplex_queue_bytes\{queue="bodies"\} 0$/m)
  await client.delete()
  client.close()
  await until(async () => /^mcp_duplex_processes\{server="default"\} 0$/m.test(await read()))
  stop()
  t.equal(await command.code, 0)
})

t.test(
  'a port of the metrics that is taken is an error, and so is a missing command',
  async (t) => {
    const taken = new Server()
    const port = await listenLocally(t, taken)
    const { code, log } = run(t, `--metrics ${port} ${misbehaving}`)
    t.equal(await code, 1)
    t.match(log.at(-1), /^mcp-proxy: --metrics: cannot listen on 127\.0\.0\.1:\d+: /)
    const other = run(t, '--metrics 0 no-such-command')
    t.equal(await other.code, 1)
    t.match(other.log.at(-1), /no-such-command/)
  }
)

t.test('with --close-timeout 0 it waits for servers without a limit', async (t) => {
  const command = run(t, `--close-timeout 0 ${demo}`)
  const client = httpClient(`${await served(command)}mcp`)
  await client.initialize()
  client.close()
  stop()
  t.equal(await command.code, 0)
})

t.test('without tokens, it warns about callers that can use the servers', async (t) => {
  const words = ['--allow-origin', '*', '--', ...misbehaving.split(' ')]
  const command = run(t, words)
  await served(command)
  t.match(command.log[0], /^\[W .*\] every web page can use .* add --auth-token-file FILE$/)
  stop()
  t.equal(await command.code, 0)
  const refused = run(t, ['--require-auth', ...words])
  t.equal(await refused.code, 2)
  t.match(refused.log[0], /^mcp-proxy: --require-auth: every web page can use the servers/)
})

t.test('with a token, it lets in only clients that have it', async (t) => {
  const command = run(t, `--allow-origin * -- ${misbehaving}`, {
    MCP_PROXY_AUTH_TOKEN: ' secret\n'
  })
  const url = await served(command)
  const config = await command.log.until((line) => line.includes('client config: '))
  t.match(config, /"headers":\{"Authorization":"Bearer TOKEN"\}/)
  t.match(await command.log.until((line) => line.includes('try it: ')), /Bearer TOKEN/)
  t.notOk(command.log.some((line) => line.startsWith('[W')))
  const status = async (token: string): Promise<number> =>
    (await fetch(`${url}status`, { headers: { authorization: `Bearer ${token}` } })).status
  t.strictSame([await status('secret'), await status('other')], [200, 401])
  stop()
  t.equal(await command.code, 0)
})

t.test('with an issuer, clients find out where to get a token', async (t) => {
  const issuer = 'http://127.0.0.1:1'
  const flags = `--auth-issuer ${issuer} --public-url https://mcp.example.com/tools`
  const command = run(t, `${flags} --debug -- ${misbehaving}`, { MCP_PROXY_AUTH_TOKEN: 'secret' })
  const url = await served(command)
  const away = await command.log.until((line) => line.includes('cannot get the keys of'))
  t.match(away, /^\[W .*\] cannot get the keys of http:\/\/127\.0\.0\.1:1: no answer of /)
  const config = await command.log.until((line) => line.includes('client config: '))
  t.match(config, '{"default":{"type":"http","url":"https://mcp.example.com/tools/mcp"}}')
  const status = async (token: string): Promise<number> =>
    (await fetch(`${url}status`, { headers: { authorization: `Bearer ${token}` } })).status
  t.strictSame([await status('secret'), await status('other')], [200, 401])
  stop()
  t.equal(await command.code, 0)
})

t.test(
  'with --audit-required it serves no one when the audit log cannot be written',
  { skip: process.platform !== 'linux' && 'no /dev/full' },
  async (t) => {
    const command = run(t, `--audit /dev/full --audit-required ${misbehaving}`)
    const client = httpClient(`${await served(command)}mcp`)
    t.equal((await client.post('{}')).status, 400, 'the disk is not known to be full')
    t.ok(await command.log.until((line) => line.endsWith('; the audit log stops')))
    t.match(await client.post('{}'), { status: 503, text: /see --audit-required/ })
    client.close()
    stop()
    t.equal(await command.code, 0)
  }
)
