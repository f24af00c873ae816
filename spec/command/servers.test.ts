// The servers behind server mode: how they are named, started, watched and recorded.

import { existsSync, mkdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs'
import t from 'tap'
import type { Test } from 'tap'
import { httpClient, sseClient } from '../../fixtures/clients/raw.js'
import type { Json } from '../../fixtures/clients/raw.js'
import { startHttpServer } from '../../fixtures/servers/http.js'
import { ended } from '../helpers.ts'
import { initializeParams } from '../wrappers/peer.ts'
import { addition, demo, openShell, rascal } from './run.ts'

const add = { name: 'add', arguments: { a: 1, b: 2 } }
const three = { result: { content: [{ text: '3' }] } }

const json = async (url: string): Promise<{ status: number; body: Json }> => {
  const answer = await fetch(url)
  return { status: answer.status, body: await answer.json() }
}

async function serves(t: Test, url: string): Promise<void> {
  const client = httpClient(url)
  await client.initialize()
  t.match(await client.request('tools/call', add), three, url)
  await client.delete()
  client.close()
}

/** A server that answers with what it was given. */
const printer = `node -e '
  process.stdin.once("data", () => console.log(JSON.stringify({
    jsonrpc: "2.0", id: 1, result: { env: process.env, cwd: process.cwd() } })))'`

const envOf = async (url: string): Promise<{ env: NodeJS.ProcessEnv; cwd: string }> => {
  const client = httpClient(url)
  const { result } = await client.request('initialize', initializeParams)
  client.close()
  return result
}

t.test('a default server and named ones, each at its own paths', async (t) => {
  const shell = openShell(t)
  const { url, kill, log } = await shell.serve(
    `mcp-proxy --port 0 --named-server one '${demo} --page-size "1"' --named-server 'a b/c' '${demo}' ${demo}`
  )
  await log.until((line) => line.includes('try it:'))
  const text = [...log].join('\n')
  for (const path of ['mcp', 'servers/one/mcp', 'servers/a%20b%2Fc/mcp', 'servers/one/sse']) {
    t.match(text, url + path)
  }
  await serves(t, `${url}mcp`)
  await serves(t, `${url}servers/one/mcp/`)
  await serves(t, `${url}servers/a%20b%2Fc/mcp`)
  const { body } = await json(`${url}status`)
  t.strictSame(body.server_instances, {
    default: 'configured',
    one: 'configured',
    'a b/c': 'configured'
  })

  const paged = httpClient(`${url}servers/one/mcp`)
  t.teardown(() => paged.close())
  await paged.initialize()
  t.equal((await paged.request('tools/list')).result.tools.length, 1, 'its arguments reach it')

  for (const path of ['servers/two/mcp', 'servers/one', 'servers/a b/c/mcp', 'nothing']) {
    t.equal((await fetch(url + path)).status, 404, path)
  }
  const sse = await sseClient(`${url}servers/a%20b%2Fc/sse`)
  t.match(await sse.initialize(), { result: {} })
  sse.close()
  t.match(await kill(), { code: 0, stdout: '' })
})

t.test('a session of one server is unknown to the others', async (t) => {
  const shell = openShell(t)
  const { url } = await shell.serve(`mcp-proxy --port 0 --named-server one '${demo}' ${demo}`)
  const client = httpClient(`${url}mcp`)
  t.teardown(() => client.close())
  await client.initialize()
  const other = httpClient(`${url}servers/one/mcp`, {
    headers: { 'mcp-session-id': client.sessionId }
  })
  t.teardown(() => other.close())
  await t.rejects(other.request('ping'), { status: 404 } as unknown as Error)
})

t.test('servers from a file, of every kind', async (t) => {
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
  await serves(t, `${url}servers/fetch/mcp`)
  await serves(t, `${url}servers/microsoft%2Fmarkitdown/mcp`)
  const { body } = await json(`${url}status`)
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

  const { env, cwd } = await envOf(`${url}servers/elsewhere/mcp`)
  t.equal(realpathSync(cwd), realpathSync(`${shell.directory}/there`))
  t.equal(env.A, 'b')
  const { stderr } = await kill()
  t.match(stderr, /\[W .*ignored with --named-server-config: --named-server\n/)
})

t.test('one that cannot start is no reason for the others not to', async (t) => {
  const shell = openShell(t)
  const { url, kill } = await shell.serve(
    `mcp-proxy --port 0 --named-server good '${demo}' --named-server bad nowhere --named-server worse '${rascal} --crash-on-start 2'`
  )
  t.match(await json(`${url}status`), {
    status: 200,
    body: { server_instances: { good: 'configured', bad: 'failed', worse: 'configured' } }
  })
  t.match(await json(`${url}healthz`), { status: 200 })
  t.match(await json(`${url}readyz`), { status: 503, body: { ready: false, failed: ['bad'] } })

  await serves(t, `${url}servers/good/mcp`)
  for (const name of ['bad', 'worse']) {
    const client = httpClient(`${url}servers/${name}/mcp`)
    t.match(await client.initialize(), { error: { code: -32000 } }, name)
    client.close()
  }
  t.match(await json(`${url}readyz`), { status: 503, body: { failed: ['bad', 'worse'] } })
  const { stderr } = await kill()
  t.match(stderr, /\[W .*\] .*cannot start "nowhere": not found; PATH is /)
})

t.test('one that can be started after all is told to be fine', async (t) => {
  const shell = openShell(t)
  const file = `${shell.directory}/later`
  const { url } = await shell.serve(
    `mcp-proxy --port 0 --named-server good '${demo}' --named-server later ${file}`
  )
  t.match(await json(`${url}readyz`), { status: 503 })
  writeFileSync(file, `#!/bin/sh\nexec ${demo}\n`, { mode: 0o755 })
  await serves(t, `${url}servers/later/mcp`)
  t.match(await json(`${url}readyz`), { status: 200, body: { ready: true } })
})

t.test('without sessions each POST is served by itself', async (t) => {
  const shell = openShell(t)
  const { url, kill } = await shell.serve(`mcp-proxy --port 0 --stateless ${demo}`)
  const client = httpClient(`${url}mcp`)
  t.teardown(() => client.close())
  const answers = await Promise.all([1, 2, 3].map(() => client.request('tools/call', add)))
  for (const answer of answers) t.match(answer, three)
  t.match(await client.initialize(), { result: { serverInfo: { name: 'demo' } } })
  t.equal(client.sessionId, undefined)
  t.equal((await fetch(`${url}mcp`)).status, 405)
  t.match(await shell.run(`mcp-proxy ${url}mcp`, { input: addition }), { code: 0, stdout: /"3"/ })
  t.match(await kill(), { code: 0 })
})

t.test('what is started ahead is what a session gets', async (t) => {
  const shell = openShell(t)
  const { url, log, kill } = await shell.serve(`mcp-proxy --port 0 --prewarm 1 --debug ${rascal}`)
  const told = await log.until((line) => /as process \d+/.test(line))
  const pid = Number(/as process (\d+)/.exec(told ?? '')?.[1])
  const client = httpClient(`${url}mcp`)
  t.teardown(() => client.close())
  await client.initialize()
  t.equal((await client.request('test/pids')).result.pid, pid)
  await client.delete()
  await ended(pid)
  t.match(await kill(), { code: 0 })
})

t.test('a crash in mid-call', async (t) => {
  const shell = openShell(t)
  const { url } = await shell.serve(`mcp-proxy --port 0 ${rascal}`)
  for (const open of [async () => httpClient(`${url}mcp`), () => sseClient(`${url}sse`)]) {
    const client = await open()
    t.teardown(() => client.close())
    await client.initialize()
    const began = Date.now()
    const crashed = await client.request('test/crash', { code: 7, stderr: 'out of luck' })
    t.ok(Date.now() - began < 1000, 'is told within a second')
    t.match(crashed, {
      error: { code: -32000, message: /exited with code 7; it said: out of luck/ }
    })
    t.match(await client.request('test/echo', { a: 1 }), { result: { params: { a: 1 } } })
  }
})

t.test('what dies again and again is given up', async (t) => {
  const shell = openShell(t)
  const { url, kill } = await shell.serve(`mcp-proxy --port 0 --restarts 1 ${rascal}`)
  const client = httpClient(`${url}mcp`)
  t.teardown(() => client.close())
  await client.initialize()
  t.match(await client.request('test/crash'), { error: {} })
  t.match(await client.request('test/crash'), { error: {} })
  await t.rejects(client.request('ping'), { status: 404 } as unknown as Error)
  t.match(await kill(), {
    code: 0,
    stderr: /given up after 1 restarts in a minute \(see --restarts\)/
  })
})

t.test('a server gets what it needs of the environment, and what it is given', async (t) => {
  const shell = openShell(t, { printer })
  mkdirSync(`${shell.directory}/there`)
  const env = { SECRET: 'of the proxy', HOME: shell.directory, API_ACCESS_TOKEN: 'abc' }
  const one = await shell.serve(
    'mcp-proxy --port 0 --named-server other printer -e KEY VALUE --env URL http://a:b@c/ --cwd there printer',
    { env }
  )
  const own = await envOf(`${one.url}mcp`)
  t.match(own.env, { KEY: 'VALUE', URL: 'http://a:b@c/', HOME: shell.directory })
  t.equal(own.env.SECRET, undefined)
  t.equal(own.env.API_ACCESS_TOKEN, undefined)
  t.equal(realpathSync(own.cwd), realpathSync(`${shell.directory}/there`))
  const other = await envOf(`${one.url}servers/other/mcp`)
  t.equal(other.env.KEY, undefined, 'which is for the default server alone')
  t.equal(realpathSync(other.cwd), realpathSync(shell.directory))

  const all = await shell.serve(
    'mcp-proxy --port 0 --pass-environment --named-server other printer printer',
    { env }
  )
  t.equal((await envOf(`${all.url}mcp`)).env.SECRET, 'of the proxy')
  t.equal((await envOf(`${all.url}servers/other/mcp`)).env.SECRET, 'of the proxy')
})

t.test('what passes is recorded', async (t) => {
  const shell = openShell(t)
  const file = `${shell.directory}/session.ndjson`
  const lines = (): Json[] =>
    readFileSync(file, 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
  const { url, kill } = await shell.serve(`mcp-proxy --port 0 --record session.ndjson ${demo}`)
  t.ok(existsSync(file))
  await serves(t, `${url}mcp`)
  await serves(t, `${url}mcp`)
  t.match(await kill(), { code: 0 })
  const served = lines()
  t.equal(new Set(served.map(({ session }) => session as string)).size, 2)
  t.equal(served.length, 10)
  for (const { time, from, frame } of served) {
    t.match(time, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/)
    t.match(from, /^(client|server)$/)
    t.equal(JSON.parse(frame).jsonrpc, '2.0')
  }

  const plain = await shell.serve(`mcp-proxy --port 0 ${demo}`)
  const line = `mcp-proxy --record client.ndjson ${plain.url}mcp`
  t.match(await shell.run(line, { input: addition }), { code: 0 })
  const text = readFileSync(`${shell.directory}/client.ndjson`, 'utf8')
  const told = text
    .trimEnd()
    .split('\n')
    .map((line): Json => JSON.parse(line))
  t.strictSame(
    told
      .filter(({ from }) => from === 'client')
      .map(({ frame }) => `${frame as string}\n`)
      .join(''),
    addition,
    'byte for byte'
  )
  t.equal(told.length, 5)
})

t.test('what is told at the start works as it stands', async (t) => {
  const shell = openShell(t)
  const { log } = await shell.serve(`mcp-proxy --port 0 ${demo}`)
  const told = await log.until((line) => line.includes('try it: curl'))
  const config = JSON.parse(/client config: (.*)/.exec([...log].join('\n'))?.[1] as string)
  await serves(t, config.mcpServers.default.url)
  const curl = /try it: (.*)/.exec(told ?? '')?.[1] as string
  t.match(JSON.parse((await shell.run(`${curl} --silent`)).stdout), {
    id: 1,
    result: { serverInfo: { name: 'demo' } }
  })
})

t.test('a base path, for a reverse proxy that strips it and for one that does not', async (t) => {
  const shell = openShell(t)
  const { url } = await shell.serve(`mcp-proxy --port 0 --base-path /tools ${demo}`)
  await serves(t, `${url}tools/mcp`)
  await serves(t, `${url}mcp`)
  const sse = await sseClient(`${url}tools/sse`)
  t.match(sse.endpoint, `${url}tools/messages/`)
  t.match(await sse.initialize(), { result: {} })
  sse.close()
})
