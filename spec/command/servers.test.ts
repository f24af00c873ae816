// The servers behind server mode: their names, start, environment, status, failures and recordings.

import { existsSync, mkdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs'
import t from 'tap'
import type { Test } from 'tap'
import { httpClient, sseClient } from '../../fixtures/clients/raw.js'
import type { Json } from '../../fixtures/clients/raw.js'
import { startHttpServer } from '../../fixtures/servers/http.js'
import { ended, initializeParams } from '../helpers.ts'
import { openSession } from '../interop/helpers.ts'
import { add, addition, demo, messagesIn, misbehaving, openShell, three } from './run.ts'

const fetchJson = async (url: string): Promise<{ status: number; body: Json }> => {
  const response = await fetch(url)
  return { status: response.status, body: await response.json() }
}

/** Calls the demo's tool `add` in a new session. */
async function callAdd(t: Test, url: string): Promise<void> {
  const client = httpClient(url)
  await client.initialize()
  t.match(await client.request('tools/call', add), three, url)
  await client.delete()
  client.close()
}

/** A server that responds with its environment and working directory. */
const printer = `node -e '
  process.stdin.once("data", () => console.log(JSON.stringify({
    jsonrpc: "2.0", id: 1, result: { env: process.env, cwd: process.cwd() } })))'`

const askPrinter = async (url: string): Promise<{ env: NodeJS.ProcessEnv; cwd: string }> => {
  const client = httpClient(url)
  const { result } = await client.request('initialize', initializeParams)
  client.close()
  return result
}

t.test('the default server and each named server have their own paths', async (t) => {
  const shell = openShell(t)
  const { url, kill, log } = await shell.serve(
    `mcp-proxy --port 0 --named-server one '${demo} --page-size "1"' --named-server 'a b/c' '${demo}' ${demo}`
  )
  await log.until((line) => line.includes('try it:'))
  const text = [...log].join('\n')
  for (const path of ['mcp', 'servers/one/mcp', 'servers/a%20b%2Fc/mcp', 'servers/one/sse']) {
    t.match(text, url + path)
  }
  await callAdd(t, `${url}mcp`)
  await callAdd(t, `${url}servers/one/mcp/`)
  await callAdd(t, `${url}servers/a%20b%2Fc/mcp`)
  await callAdd(t, `${url}servers/a b/c/mcp/`)
  const { body } = await fetchJson(`${url}status`)
  t.strictSame(body.server_instances, {
    default: 'configured',
    one: 'configured',
    'a b/c': 'configured'
  })

  const paged = await openSession(t, httpClient(`${url}servers/one/mcp`))
  t.equal((await paged.request('tools/list')).result.tools.length, 1, 'it got --page-size')

  for (const path of ['servers/two/mcp', 'servers/one', 'servers/a b/mcp', 'nothing']) {
    t.equal((await fetch(url + path)).status, 404, path)
  }
  for (const name of ['a%20b%2Fc', 'a%20b/c']) {
    const sse = await sseClient(`${url}servers/${name}/sse`)
    t.match(await sse.initialize(), { result: {} })
    sse.close()
  }
  t.match(await kill(), { code: 0, stdout: '' })
})

t.test('a session id is valid only at the paths of its server', async (t) => {
  const shell = openShell(t)
  const { url } = await shell.serve(`mcp-proxy --port 0 --named-server one '${demo}' ${demo}`)
  const client = await openSession(t, httpClient(`${url}mcp`))
  const other = httpClient(`${url}servers/one/mcp`, {
    headers: { 'mcp-session-id': client.sessionId }
  })
  t.teardown(() => other.close())
  await t.rejects(other.request('ping'), { status: 404 } as unknown as Error)
})

t.test('the config file can name servers of every kind', async (t) => {
  const shell = openShell(t, { printer })
  const remote = await startHttpServer()
  t.teardown(() => remote.close())
  const [command, ...args] = demo.split(' ')
  mkdirSync(`${shell.directory}/there`)
  writeFileSync(
    `${shell.directory}/servers.json`,
    JSON.stringify({
      mcpServers: {
        fetch: { command, args, timeout: 60, transportType: 'stdio', enabled: true },
        off: { command: 'nowhere', disabled: true },
        elsewhere: { command: 'printer', env: { A: 'b' }, cwd: 'there' },
        remote: { url: remote.url, headers: { 'X-Key': 'value' }, transport: 'streamablehttp' },
        old: { url: remote.sseUrl, type: 'sse' },
        'microsoft/markitdown': { command, args, type: 'stdio' }
      }
    })
  )
  const { url, kill } = await shell.serve(
    `mcp-proxy --port 0 --named-server ignored nowhere --named-server-config servers.json`
  )
  await callAdd(t, `${url}servers/fetch/mcp`)
  await callAdd(t, `${url}servers/microsoft%2Fmarkitdown/mcp`)
  const { body } = await fetchJson(`${url}status`)
  t.strictSame(Object.keys(body.server_instances), [
    'fetch',
    'elsewhere',
    'remote',
    'old',
    'microsoft/markitdown'
  ])

  for (const name of ['remote', 'old']) {
    const client = httpClient(`${url}servers/${name}/mcp`)
    t.match(await client.initialize(), { result: { serverInfo: { name: 'http-fixture' } } })
    t.match(await client.request('test/any', { name }), { result: { params: { name } } })
    await client.delete()
    client.close()
  }
  t.equal(remote.requests.find(({ path }) => path === '/mcp')?.headers['x-key'], 'value')

  const { env, cwd } = await askPrinter(`${url}servers/elsewhere/mcp`)
  t.equal(realpathSync(cwd), realpathSync(`${shell.directory}/there`))
  t.equal(env.A, 'b')
  const { stderr } = await kill()
  t.match(stderr, /\[W .*ignored with --named-server-config: --named-server\n/)
})

t.test('a server that cannot start does not stop the others', async (t) => {
  const shell = openShell(t)
  const { url, kill } = await shell.serve(
    `mcp-proxy --port 0 --named-server good '${demo}' --named-server bad nowhere --named-server worse '${misbehaving} --crash-on-start 2'`
  )
  t.match(await fetchJson(`${url}status`), {
    status: 200,
    body: { server_instances: { good: 'configured', bad: 'failed', worse: 'configured' } }
  })
  t.match(await fetchJson(`${url}healthz`), { status: 200 })
  t.match(await fetchJson(`${url}readyz`), { status: 503, body: { ready: false, failed: ['bad'] } })

  await callAdd(t, `${url}servers/good/mcp`)
  for (const name of ['bad', 'worse']) {
    const client = httpClient(`${url}servers/${name}/mcp`)
    t.match(await client.initialize(), { error: { code: -32000 } }, name)
    client.close()
  }
  t.match(await fetchJson(`${url}readyz`), { status: 503, body: { failed: ['bad', 'worse'] } })
  const { stderr } = await kill()
  t.match(stderr, /\[W .*\] .*cannot start "nowhere": not found; PATH is /)
})

t.test('a failed server counts as ready again after a successful start', async (t) => {
  const shell = openShell(t)
  const file = `${shell.directory}/later`
  const { url } = await shell.serve(
    `mcp-proxy --port 0 --named-server good '${demo}' --named-server later ${file}`
  )
  t.match(await fetchJson(`${url}readyz`), { status: 503 })
  writeFileSync(file, `#!/bin/sh\nexec ${demo}\n`, { mode: 0o755 })
  await callAdd(t, `${url}servers/later/mcp`)
  t.match(await fetchJson(`${url}readyz`), { status: 200, body: { ready: true } })
})

t.test('with --stateless, each POST works without a session', async (t) => {
  const shell = openShell(t)
  const { url, kill } = await shell.serve(`mcp-proxy --port 0 --stateless ${demo}`)
  const client = httpClient(`${url}mcp`)
  t.teardown(() => client.close())
  const responses = await Promise.all([1, 2, 3].map(() => client.request('tools/call', add)))
  for (const response of responses) t.match(response, three)
  t.match(await client.initialize(), { result: { serverInfo: { name: 'demo' } } })
  t.equal(client.sessionId, undefined)
  t.equal((await fetch(`${url}mcp`)).status, 405)
  t.match(await shell.run(`mcp-proxy ${url}mcp`, { input: addition }), { code: 0, stdout: /"3"/ })
  t.match(await kill(), { code: 0 })
})

t.test('with --prewarm, a session gets the process started before it', async (t) => {
  const shell = openShell(t)
  const { url, log, kill } = await shell.serve(
    `mcp-proxy --port 0 --prewarm 1 --debug ${misbehaving}`
  )
  const logged = await log.until((line) => /as process \d+/.test(line))
  const pid = Number(/as process (\d+)/.exec(logged ?? '')?.[1])
  const client = await openSession(t, httpClient(`${url}mcp`))
  t.equal((await client.request('test/pids')).result.pid, pid)
  await client.delete()
  await ended(pid)
  t.match(await kill(), { code: 0 })
})

t.test('a call gets an error when its server crashes, and the next call works', async (t) => {
  const shell = openShell(t)
  const { url } = await shell.serve(`mcp-proxy --port 0 ${misbehaving}`)
  for (const connect of [async () => httpClient(`${url}mcp`), () => sseClient(`${url}sse`)]) {
    const client = await openSession(t, await connect())
    const began = Date.now()
    const crashed = await client.request('test/crash', { code: 7, stderr: 'out of luck' })
    t.ok(Date.now() - began < 1000, 'the error arrives within a second')
    t.match(crashed, {
      error: { code: -32000, message: 'the server exited with code 7' }
    })
    t.match(await client.request('test/echo', { a: 1 }), { result: { params: { a: 1 } } })
  }
})

t.test('the session ends when its server dies more often than --restarts', async (t) => {
  const shell = openShell(t)
  const { url, kill } = await shell.serve(`mcp-proxy --port 0 --restarts 1 ${misbehaving}`)
  const client = await openSession(t, httpClient(`${url}mcp`))
  t.match(await client.request('test/crash'), { error: {} })
  t.match(await client.request('test/crash'), { error: {} })
  await t.rejects(client.request('ping'), { status: 404 } as unknown as Error)
  t.match(await kill(), {
    code: 0,
    stderr: /given up after 1 restarts in a minute \(see --restarts\)/
  })
})

t.test('a server gets the variables that it needs and those of its flags', async (t) => {
  const shell = openShell(t, { printer })
  mkdirSync(`${shell.directory}/there`)
  const env = { SECRET: 'of the proxy', HOME: shell.directory, API_ACCESS_TOKEN: 'abc' }
  const { url } = await shell.serve(
    'mcp-proxy --port 0 --named-server other printer -e KEY VALUE --env URL http://a:b@c/ --cwd there printer',
    { env }
  )
  const own = await askPrinter(`${url}mcp`)
  t.match(own.env, { KEY: 'VALUE', URL: 'http://a:b@c/', HOME: shell.directory })
  t.equal(own.env.SECRET, undefined)
  t.equal(own.env.API_ACCESS_TOKEN, undefined)
  t.equal(realpathSync(own.cwd), realpathSync(`${shell.directory}/there`))
  const other = await askPrinter(`${url}servers/other/mcp`)
  t.equal(other.env.KEY, undefined, '-e is for the default server only')
  t.equal(realpathSync(other.cwd), realpathSync(shell.directory))

  const all = await shell.serve(
    'mcp-proxy --port 0 --pass-environment --named-server other printer printer',
    { env }
  )
  t.equal((await askPrinter(`${all.url}mcp`)).env.SECRET, 'of the proxy')
  t.equal((await askPrinter(`${all.url}servers/other/mcp`)).env.SECRET, 'of the proxy')
})

t.test('--record writes every frame, in both modes', async (t) => {
  const shell = openShell(t)
  const file = `${shell.directory}/session.ndjson`

  const { url, kill } = await shell.serve(`mcp-proxy --port 0 --record session.ndjson ${demo}`)
  t.ok(existsSync(file))
  await callAdd(t, `${url}mcp`)
  await callAdd(t, `${url}mcp`)
  t.match(await kill(), { code: 0 })
  const recorded = messagesIn(readFileSync(file, 'utf8'))
  t.equal(new Set(recorded.map(({ session }) => session as string)).size, 2)
  t.equal(recorded.length, 10)
  for (const { time, from, frame } of recorded) {
    t.match(time, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/)
    t.match(from, /^(client|server)$/)
    t.equal(JSON.parse(frame).jsonrpc, '2.0')
  }

  const plain = await shell.serve(`mcp-proxy --port 0 ${demo}`)
  const line = `mcp-proxy --record client.ndjson ${plain.url}mcp`
  t.match(await shell.run(line, { input: addition }), { code: 0 })
  const inClientMode = messagesIn(readFileSync(`${shell.directory}/client.ndjson`, 'utf8'))
  t.strictSame(
    inClientMode
      .filter(({ from }) => from === 'client')
      .map(({ frame }) => `${frame as string}\n`)
      .join(''),
    addition,
    'byte for byte'
  )
  t.equal(inClientMode.length, 5)
})

t.test('the client config and the curl command of the start-up log work', async (t) => {
  const shell = openShell(t)
  const { log } = await shell.serve(`mcp-proxy --port 0 ${demo}`)
  const logged = await log.until((line) => line.includes('try it: curl'))
  const config = JSON.parse(/client config: (.*)/.exec([...log].join('\n'))?.[1] as string)
  await callAdd(t, config.mcpServers.default.url)
  const curl = /try it: (.*)/.exec(logged ?? '')?.[1] as string
  t.match(JSON.parse((await shell.run(`${curl} --silent`)).stdout), {
    id: 1,
    result: { serverInfo: { name: 'demo' } }
  })
})

t.test('with --base-path, paths work with and without it', async (t) => {
  const shell = openShell(t)
  const { url } = await shell.serve(`mcp-proxy --port 0 --base-path /tools ${demo}`)
  await callAdd(t, `${url}tools/mcp`)
  await callAdd(t, `${url}mcp`)
  const sse = await sseClient(`${url}tools/sse`)
  t.match(sse.endpoint, `${url}tools/messages/`)
  t.match(await sse.initialize(), { result: {} })
  sse.close()
})

t.test('the endpoint event is relative, or absolute with --base-path /', async (t) => {
  const shell = openShell(t)
  for (const [flags, endpoint] of [
    ['', /^messages\/\?/],
    ['--base-path /', /^\/messages\/\?/]
  ] as const) {
    const { url } = await shell.serve(`mcp-proxy --port 0 ${flags} ${demo}`)
    const sse = await sseClient(`${url}sse`)
    t.match(sse.connection.events[0], { event: 'endpoint', data: endpoint })
    t.match(await sse.initialize(), { result: {} })
    sse.close()
  }
})
