// A reload: what changes, who notices, and what a wrong file does.

import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import {
  copyFileSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect } from 'node:tls'
import t from 'tap'
import type { Test } from 'tap'
import { httpClient, sseClient } from '../../../fixtures/clients/raw.js'
import type { HttpClient, Json } from '../../../fixtures/clients/raw.js'
import { startHttpServer } from '../../../fixtures/servers/http.js'
import { ended, fixture, initializeParams, isRunning, until } from '../../helpers.ts'
import { bodyOf, headersOf } from '../../modern.ts'
import { run, served, stop } from '../process.ts'
import type { Run } from '../process.ts'

// Each test starts processes, which takes long on a busy machine.
t.setTimeout(120_000)

const node = process.execPath
const demo = { command: node, args: [fixture('servers/demo.js')] }
const misbehaving = { command: node, args: [fixture('servers/misbehaving.js')] }

interface World {
  command: Run
  url: string
  /** Writes the config file. */
  write(servers: object | string): void
  file: string
  client(server: string): HttpClient
  /** Sends SIGHUP, and resolves to the line that the log then gets. */
  reload(): Promise<string | undefined>
}

async function start(
  t: Test,
  servers: object,
  flags: string[] = [],
  files: Record<string, string | Buffer> = {}
): Promise<World> {
  const file = `${t.testdir(files)}/servers.json`
  const write = (servers: object | string): void =>
    writeFileSync(
      file,
      typeof servers === 'string' ? servers : JSON.stringify({ mcpServers: servers })
    )
  write(servers)
  const command = run(t, ['--named-server-config', file, ...flags])
  const url = await served(command)
  const clients: HttpClient[] = []
  t.teardown(() => clients.forEach((client) => client.close()))
  const client = (server: string): HttpClient => {
    const one = httpClient(`${url}servers/${server}/mcp`)
    clients.push(one)
    return one
  }
  await command.log.until((line) => line.includes('try it:'))
  const reload = async (): Promise<string | undefined> => {
    const count = command.log.length
    process.emit('SIGHUP')
    return nextOutcome(command, count)
  }
  return { command, url, write, file, client, reload }
}

/** The next line about a reload, without the time. */
async function nextOutcome({ log }: Run, after: number): Promise<string | undefined> {
  await log.until((line) => log.indexOf(line) >= after && line.includes('reloaded'))
  return log.find((line, index) => index >= after && line.includes('reloaded'))?.slice(28)
}

const pidOf = async (client: HttpClient): Promise<number> =>
  (await client.request('test/pids')).result.pid as number

const statusOf = async (url: string): Promise<Json> => (await fetch(`${url}status`)).json()

t.test('servers are added, changed and removed, and the others do not notice', async (t) => {
  const { command, url, write, client, reload } = await start(t, {
    kept: misbehaving,
    changed: misbehaving,
    removed: misbehaving
  })
  const [kept, changed, removed] = ['kept', 'changed', 'removed'].map(client) as [
    HttpClient,
    HttpClient,
    HttpClient
  ]
  for (const one of [kept, changed, removed]) await one.initialize()
  const pids = [await pidOf(kept), await pidOf(changed), await pidOf(removed)] as const
  const stream = await kept.openGet()
  const calls = [kept, changed, removed].map((one) => one.request('test/sleep', { ms: 1500 }))
  await sleep(100)
  write({ kept: { ...misbehaving, env: {} }, changed: demo, added: demo })
  t.equal(await reload(), 'reloaded: added added; changed changed; removed removed')

  t.strictSame((await statusOf(url)).server_instances, {
    kept: 'configured',
    changed: 'configured',
    added: 'configured'
  })
  for (const one of [changed, removed]) {
    const refused = await one.post('{"jsonrpc":"2.0","id":99,"method":"ping"}')
    t.match(refused, { status: 404, text: /there is no such session; initialize a new one/ })
  }
  t.equal((await client('removed').post('{"jsonrpc":"2.0","id":1,"method":"ping"}')).status, 404)
  for (const name of ['changed', 'added']) {
    const { result } = await client(name).initialize()
    t.equal(result.serverInfo.name, 'demo', `new sessions of ${name} get the new definition`)
  }
  for (const call of calls) t.match(await call, { result: { ms: 1500 } })
  await ended(pids[1])
  await ended(pids[2])
  t.equal(await pidOf(kept), pids[0])
  t.ok(kept.streams.has(stream), 'the event stream is still open')
  t.equal((await removed.post('{"jsonrpc":"2.0","id":99,"method":"ping"}')).status, 404)
  stop()
  t.equal(await command.code, 0)
})

t.test('a wrong file changes nothing, and one line says why', async (t) => {
  const tokens = `${t.testdirName}/tokens`
  const scope = ['--auth-issuer', 'http://127.0.0.1:1', '--auth-scope', 'a=s']
  const flags = ['--auth-token-file', tokens, ...scope]
  const world = await start(t, { a: misbehaving, bad: {} }, flags, {
    tokens: 'alice:s3cret-alice\n'
  })
  const { command, write, client, reload } = world
  const one = client('a')
  one.headers.authorization = 'Bearer s3cret-alice'
  await one.initialize()
  const pid = await pidOf(one)
  const expect = async (reason: RegExp): Promise<void> => {
    const line = await reload()
    t.match(line, reason)
    t.equal(line?.indexOf(`nothing was reloaded: `), 0)
  }
  write('{\n  "mcpServers": {\n    "a": {} "b"\n  }\n}')
  await expect(/servers\.json: not JSON: see line 3, column 13$/)
  write({ a: { ...misbehaving, cwd: 'nowhere' } })
  await expect(/servers\.json: a: cwd: there is no such directory$/)
  write({ a: misbehaving, bad: {}, worse: {} })
  await expect(/servers\.json: worse: needs a command or a url$/)
  write({ a: { command: 'nowhere' } })
  await expect(/: a: cannot start "nowhere": not found/)
  write({ a: { url: 'http://a/', clientId: 'a', tokenUrl: 'http://a/', clientSecretFile: 'none' } })
  await expect(/: a: none: no such file$/)
  write({ b: misbehaving })
  await expect(/: --auth-scope: there is no server "a"$/)
  write({ a: { ...misbehaving, enabled: false } })
  await expect(/no server in it is enabled$/)
  write({ a: { ...misbehaving, env: { A: 'b' } } })
  writeFileSync(tokens, 'alice:s3cret-alice\ns3cret-bob\n')
  await expect(/tokens: line 2: write name:token/)
  await expect(/tokens: line 2: write name:token/)
  writeFileSync(tokens, 'alice:s3cret-alice\n')
  t.equal(await pidOf(one), pid)

  write({ a: misbehaving, bad: {} })
  t.equal(
    await reload(),
    'reloaded: nothing has changed',
    'a fault that was there before leaves out its entry only'
  )
  t.notOk(command.log.some((line) => line.includes('s3cret')))
  stop()
  t.equal(await command.code, 0)
})

t.test('a config file that is a pipe is not read again', async (t) => {
  const { command, file, reload } = await start(t, { a: demo })
  rmSync(file)
  execFileSync('mkfifo', [file])
  t.match(await reload(), /^nothing was reloaded: .*servers\.json: it is no file that can be read/)
  rmSync(file)
  t.match(await reload(), /^nothing was reloaded: .*servers\.json: no such file$/)
  stop()
  t.equal(await command.code, 0)
})

t.test('new tokens count at once, and removed ones no more', async (t) => {
  const tokens = `${t.testdirName}/tokens`
  const flags = ['--auth-token-file', tokens]
  const { command, url, reload } = await start(t, { a: demo }, flags, { tokens: 'alice:one\n' })
  const status = async (token: string): Promise<number> =>
    (await fetch(`${url}status`, { headers: { authorization: `Bearer ${token}` } })).status
  t.equal(await status('one'), 200)
  writeFileSync(tokens, 'alice:two\n')
  t.equal(await reload(), 'reloaded: new tokens')
  t.strictSame([await status('one'), await status('two')], [401, 200])
  t.equal(await reload(), 'reloaded: nothing has changed')
  stop()
  t.equal(await command.code, 0)
})

t.test('a new certificate is for new connections, and open ones go on', async (t) => {
  const cert = `${t.testdirName}/cert.pem`
  const key = `${t.testdirName}/key.pem`
  const flags = ['--tls-cert', cert, '--tls-key', key]
  const { command, url, reload } = await start(t, { a: misbehaving }, flags, {
    'cert.pem': readFileSync(fixture('tls/server.pem')),
    'key.pem': readFileSync(fixture('tls/server-key.pem'))
  })
  const subject = async (): Promise<string> => {
    const socket = connect({ port: Number(new URL(url).port), rejectUnauthorized: false })
    await once(socket, 'secureConnect')
    const { fingerprint256 } = socket.getPeerCertificate()
    socket.destroy()
    return fingerprint256
  }
  const before = await subject()
  const request = { ca: readFileSync(fixture('tls/ca.pem')) }
  const client = httpClient(`${url}servers/a/mcp`, { request })
  await client.initialize()
  const call = client.request('test/sleep', { ms: 800 })
  await sleep(50)
  copyFileSync(fixture('tls/client.pem'), cert)
  t.match(await reload(), /^nothing was reloaded: the TLS certificate and key cannot be used: /)
  t.equal(await subject(), before)
  copyFileSync(fixture('tls/client-key.pem'), key)
  t.equal(await reload(), 'reloaded: new certificate')
  t.not(await subject(), before)
  t.match(await call, { result: { ms: 800 } })
  t.equal(await reload(), 'reloaded: nothing has changed')
  rmSync(key)
  t.match(await reload(), /^nothing was reloaded: --tls-key: cannot read .*key\.pem/)
  execFileSync('mkfifo', [key])
  t.equal(await reload(), 'reloaded: nothing has changed', 'a pipe is not read again')
  client.close()
  stop()
  t.equal(await command.code, 0)
})

t.test('shared, prewarmed and modern servers are replaced like others', async (t) => {
  const flags = ['--shared', '--prewarm', '1', '--debug']
  const { command, url, write, client, reload } = await start(t, { a: misbehaving }, flags)
  const started = (): number[] =>
    command.log.flatMap((line) => Number(/as process (\d+)/.exec(line)?.[1] ?? []) || [])
  const [one, two] = [client('a'), client('a')]
  await one.initialize()
  await two.initialize()
  t.equal(await pidOf(one), await pidOf(two))
  const params = { ms: 1000 }
  const modern = two.post(bodyOf('1', 'test/sleep', params), headersOf('test/sleep', params))
  const call = one.request('test/sleep', { ms: 1000 })
  const filter = { notifications: { toolsListChanged: true } }
  const listen = bodyOf('"l"', 'subscriptions/listen', filter)
  const subscription = await two.openPost(listen, headersOf('subscriptions/listen'))
  await sleep(300)
  const old = started()
  write({ a: { ...misbehaving, env: { A: 'b' } } })
  t.equal(await reload(), 'reloaded: changed a')
  await subscription.closed
  t.match(await call, { result: { ms: 1000 } })
  t.match(await modern, { status: 200, text: /"ms":1000/ })
  for (const pid of old) await ended(pid)
  const next = client('a')
  await next.initialize()
  t.notOk(old.includes(await pidOf(next)))
  t.equal((await statusOf(url)).sessions, 1)
  stop()
  t.equal(await command.code, 0)
  for (const pid of started()) t.notOk(isRunning(pid))
})

t.test(
  'a client that waits for a server to start gets its response from this server',
  async (t) => {
    const slow = { command: node, args: [...misbehaving.args, '--start-delay', '700'] }
    const { command, write, client, reload } = await start(t, { a: slow })
    const one = client('a')
    const waiting = one.post(bodyOf('1', 'test/echo', { a: 1 }), headersOf('test/echo'))
    const opening = client('a').request('initialize', initializeParams)
    await sleep(100)
    write({ a: demo, b: demo })
    t.equal(await reload(), 'reloaded: added b; changed a')
    t.match(await waiting, { status: 200, text: /"a":1/ })
    t.match(await opening, { result: { serverInfo: { name: 'misbehaving' } } })
    stop()
    t.equal(await command.code, 0)
  }
)

t.test('sessions of a removed server still take what their calls wait for', async (t) => {
  const { command, url, write, client, reload } = await start(t, { a: misbehaving, b: demo })
  const one = client('a')
  await one.initialize()
  const old = await sseClient(`${url}servers/a/sse`)
  await old.initialize()
  let answer: (() => void) | undefined
  one.onRequest(() => {
    const answered = new Promise((resolve) => (answer = () => resolve({ ok: true })))
    return answered
  })
  const ask = { method: 'elicitation/create', params: {} }
  const call = one.request('test/ask', ask)
  await until(() => answer !== undefined)
  const slept = old.request('test/sleep', { ms: 500 })
  await old.request('ping')
  write({ b: demo })
  t.equal(await reload(), 'reloaded: removed a')
  const refused = await old.post('{"jsonrpc":"2.0","id":9,"method":"ping"}')
  t.match(refused, { status: 404, text: /there is no such session/ })
  const modern = await one.post(bodyOf('1', 'tools/list'), {
    ...headersOf('tools/list'),
    'mcp-session-id': one.sessionId
  })
  t.match(modern, { status: 404, text: /there is no server .*a/ })
  t.match(await slept, { result: { ms: 500 } })
  await old.closed
  answer?.()
  t.match(await call, { result: { answer: { result: { ok: true } } } })
  await until(async () => (await statusOf(url)).sessions === 0)
  old.close()
  stop()
  t.equal(await command.code, 0)
})

t.test('of many reloads at once few run, and the last state of the file counts', async (t) => {
  const { command, url, write } = await start(t, { a: demo })
  for (let count = 0; count < 1000; count++) {
    write({ [`s${count}`]: demo })
    process.emit('SIGHUP')
    if (count % 100 === 0) await sleep(20)
  }
  await until(async () => 's999' in (await statusOf(url)).server_instances)
  const lines = command.log.filter((line) => line.includes('reloaded'))
  t.ok(lines.length >= 1 && lines.length < 20, `${lines.length} reloads`)
  stop()
  t.equal(await command.code, 0)
})

t.test('a reload that begins before a stop changes nothing any more', async (t) => {
  const { command, write, client } = await start(t, { a: misbehaving })
  const one = client('a')
  await one.initialize()
  const call = one.request('test/sleep', { ms: 500 })
  await one.request('ping')
  write({ b: demo })
  process.emit('SIGHUP')
  stop()
  process.emit('SIGHUP')
  t.match(await call, { result: { ms: 500 } })
  t.equal(await command.code, 0)
  t.notOk(command.log.some((line) => line.includes('reloaded')))
})

t.test('a stop ends the processes of replaced servers too', async (t) => {
  const { command, write, client, reload } = await start(t, { a: misbehaving }, [
    '--drain-timeout',
    '100ms'
  ])
  const one = client('a')
  await one.initialize()
  const pid = await pidOf(one)
  const call = one.request('test/sleep', { ms: 60_000 })
  await one.request('ping')
  write({ b: demo })
  t.equal(await reload(), 'reloaded: added b; removed a')
  t.ok(isRunning(pid))
  stop()
  t.match(await call, { error: { message: 'the session has ended' } })
  t.equal(await command.code, 0)
  t.notOk(isRunning(pid))
})

t.test('a signal that comes before the listener is ready is not lost', async (t) => {
  const file = `${t.testdir()}/servers.json`
  writeFileSync(file, JSON.stringify({ mcpServers: { a: demo } }))
  /** Sends a signal as soon as the command listens for signals. */
  const early = (signal: NodeJS.Signals): void => {
    const onListener = (name: string | symbol): void => {
      if (name !== 'SIGUSR2') return
      process.off('newListener', onListener)
      process.emit(signal)
    }
    process.on('newListener', onListener)
  }
  early('SIGHUP')
  const command = run(t, ['--named-server-config', file])
  t.ok(await command.log.until((line) => line.endsWith('reloaded: nothing has changed')))
  stop()
  t.equal(await command.code, 0)

  early('SIGTERM')
  const stopped = run(t, ['--named-server-config', file, '--watch'])
  t.equal(await stopped.code, 0)
})

t.test('without a config file, tokens and the certificate are read again', async (t) => {
  const tokens = `${t.testdir({ tokens: 'alice:one\n' })}/tokens`
  const command = run(t, ['--auth-token-file', tokens, '--watch', demo.command, ...demo.args])
  const url = await served(command)
  writeFileSync(tokens, 'alice:two\n')
  process.emit('SIGHUP')
  t.ok(await command.log.until((line) => line.endsWith('reloaded: new tokens')))
  const headers = { authorization: 'Bearer two' }
  t.equal((await fetch(`${url}status`, { headers })).status, 200)
  stop()
  t.equal(await command.code, 0)
})

t.test('servers at URLs are compared with all that makes them', async (t) => {
  const remote = await startHttpServer()
  t.teardown(() => remote.close())
  const clientSecretFile = `${t.testdirName}/secret`
  const signIn = { url: remote.url, clientId: 'a', clientSecretFile }
  const world = await start(t, { web: { url: remote.url }, own: signIn }, [], { secret: 'one' })
  const { command, write, reload, client } = world
  const kept = client('web')
  await kept.initialize()
  write({ own: { clientSecretFile, clientId: 'a', url: remote.url }, web: { url: remote.url } })
  t.equal(await reload(), 'reloaded: nothing has changed', 'the order does not count')
  writeFileSync(clientSecretFile, 'two')
  t.equal(await reload(), 'reloaded: changed own', 'the files with secrets count')
  rmSync(clientSecretFile)
  t.equal(await reload(), 'reloaded: changed own', 'a file is missed when its secret is needed')
  t.match(await kept.request('ping'), { result: {} })
  write({ web: { url: `${remote.url}?a=b` } })
  t.equal(await reload(), 'reloaded: changed web; removed own')
  stop()
  t.equal(await command.code, 0)
})

t.test('with --watch a change of a file is enough', async (t) => {
  const { command, file, write } = await start(t, { a: demo }, ['--watch'])
  const change = async (action: () => void): Promise<string | undefined> => {
    const count = command.log.length
    action()
    return nextOutcome(command, count)
  }
  t.equal(await change(() => write({ a: demo, b: demo })), 'reloaded: added b')
  const renamed = await change(() => {
    writeFileSync(`${file}.new`, JSON.stringify({ mcpServers: { b: demo } }))
    renameSync(`${file}.new`, file)
  })
  t.equal(renamed, 'reloaded: removed a')
  // Kubernetes swaps the link to a directory.
  const directory = dirname(file)
  mkdirSync(`${directory}/one`)
  mkdirSync(`${directory}/two`)
  writeFileSync(`${directory}/one/servers.json`, JSON.stringify({ mcpServers: { c: demo } }))
  writeFileSync(`${directory}/two/servers.json`, JSON.stringify({ mcpServers: { d: demo } }))
  symlinkSync('one', `${directory}/data`)
  const linked = await change(() => {
    symlinkSync('data/servers.json', `${file}.link`)
    renameSync(`${file}.link`, file)
  })
  t.equal(linked, 'reloaded: added c; removed b')
  const swapped = await change(() => {
    symlinkSync('two', `${directory}/data.new`)
    renameSync(`${directory}/data.new`, `${directory}/data`)
  })
  t.equal(swapped, 'reloaded: added d; removed c')
  writeFileSync(file, `${readFileSync(file, 'utf8')}\n`)
  await sleep(2500)
  t.match(command.log.at(-1), /added d; removed c$/, 'a change without an effect is not logged')
  stop()
  t.equal(await command.code, 0)
})
