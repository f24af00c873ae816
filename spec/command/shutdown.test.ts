// The command ends completely, and in time, whatever the programs around it do: readers of its output
// that leave or don't read, servers that don't exit, clients that have gone.

import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { Test } from 'tap'
import { httpClient } from '../../fixtures/clients/raw.js'
import { startHttpServer } from '../../fixtures/servers/http.js'
import type { Json } from '../../fixtures/servers/http.js'
import { ended, isRunning } from '../helpers.ts'
import { addition, messagesIn, misbehaving, openShell } from './run.ts'

t.setTimeout(120_000)

const entry = fileURLToPath(new URL('../../bin/mcp-proxy.js', import.meta.url))

const shell = openShell(t)

/** Starts server mode with pipes for stdout and stderr that the test reads, or does not. */
function start(t: Test, line: string): ChildProcess {
  const child = spawn(process.execPath, [entry, ...line.split(' ')])
  t.teardown(() => child.kill('SIGKILL'))
  return child
}

/** Reads the log up to the URL of the server, then reads no more. */
async function urlIn({ stderr }: ChildProcess): Promise<string> {
  let text = ''
  for (;;) {
    const [chunk] = (await once(stderr as NonNullable<typeof stderr>, 'data')) as [Buffer]
    text += chunk.toString()
    const [url] = /http:\S*\/mcp/.exec(text) ?? []
    if (url !== undefined) return url
  }
}

/** Resolves to the exit code and the ms until the exit. */
async function timeToExit(child: ChildProcess): Promise<{ code: number | null; time: number }> {
  const began = performance.now()
  if (child.exitCode === null) await once(child, 'exit')
  return { code: child.exitCode, time: performance.now() - began }
}

t.test('the proxy goes on when the reader of its log leaves', async (t) => {
  const child = start(t, `--port 0 --debug ${misbehaving}`)
  const url = await urlIn(child)
  child.stderr?.destroy()
  for (let n = 0; n < 3; n++) {
    const client = httpClient(url)
    t.match(await client.initialize(), { result: {} })
    await client.delete()
    client.close()
  }
  child.kill()
  t.match(await timeToExit(child), { code: 0 })
})

t.test('with a full stderr pipe the proxy serves, and SIGTERM ends it', async (t) => {
  const child = start(t, `--port 0 --close-timeout 300ms -- ${misbehaving} --chatty-stderr 3000000`)
  const url = await urlIn(child)
  child.stderr?.pause()
  const client = httpClient(url)
  t.match(await client.initialize(), { result: {} })
  t.match(await client.request('ping'), { result: {} })
  client.close()
  await sleep(300)
  child.kill()
  const { code, time } = await timeToExit(child)
  t.equal(code, 0)
  t.ok(time < 1500, `${time} ms`)
})

/** Opens a session. Resolves to the client and the process id of its server. */
async function openSession(t: Test, url: string) {
  const client = httpClient(url)
  t.teardown(() => client.close())
  await client.initialize()
  const { result } = await client.request('test/pids')
  return { client, pid: result.pid as number }
}

t.test('servers without a call end at once, and a call is drained', async (t) => {
  for (const flags of ['', '--prewarm 1 ']) {
    const server = await shell.serve(`mcp-proxy --port 0 --debug ${flags}${misbehaving}`)
    const idle = await openSession(t, `${server.url}mcp`)
    const busy = await openSession(t, `${server.url}mcp`)
    const slept = busy.client.request('test/sleep', { ms: 1500 })
    await sleep(100)
    const pids = startedIn(server.log)
    const stopped = server.kill()
    await sleep(700)
    for (const pid of pids) t.equal(isRunning(pid), pid === busy.pid)
    t.notOk(isRunning(idle.pid))
    t.match(await slept, { result: { ms: 1500 } })
    t.match(await stopped, { code: 0 })
  }
})

t.test('a shared server without clients ends at once', async (t) => {
  const server = await shell.serve(
    `mcp-proxy --port 0 --shared --named-server busy '${misbehaving}' ${misbehaving}`
  )
  const idle = await openSession(t, `${server.url}mcp`)
  const busy = await openSession(t, `${server.url}servers/busy/mcp`)
  const slept = busy.client.request('test/sleep', { ms: 1500 })
  await sleep(100)
  const stopped = server.kill()
  await sleep(700)
  t.notOk(isRunning(idle.pid))
  t.ok(isRunning(busy.pid))
  t.match(await slept, { result: { ms: 1500 } })
  t.match(await stopped, { code: 0 })
})

t.test('a call whose client has gone is not waited for', async (t) => {
  for (const leaves of ['before', 'after'] as const) {
    const server = await shell.serve(`mcp-proxy --port 0 ${misbehaving}`)
    const { client, pid } = await openSession(t, `${server.url}mcp`)
    client.request('test/silence').catch(() => {})
    await sleep(leaves === 'before' ? 100 : 3500) // after 3 s the response is an event stream
    if (leaves === 'before') client.close()
    await sleep(100)
    const began = performance.now()
    const stopped = server.kill()
    if (leaves === 'after') {
      await sleep(300)
      t.ok(isRunning(pid), 'a connected client is waited for')
      client.close()
    }
    t.match(await stopped, { code: 0 })
    t.ok(performance.now() - began < 1500, `${performance.now() - began} ms`)
  }
})

t.test('a stubborn server and a call take --drain-timeout and --close-timeout', async (t) => {
  const server = await shell.serve(
    `mcp-proxy --port 0 --drain-timeout 1s --close-timeout 1s -- sh -c '${misbehaving} --ignore-eof --ignore-sigterm; true'`
  )
  const { client, pid } = await openSession(t, `${server.url}mcp`)
  client.request('test/silence').catch(() => {})
  await sleep(100)
  const began = performance.now()
  t.match(await server.kill(), { code: 0 })
  const time = performance.now() - began
  t.ok(time > 1500 && time < 2600, `${time} ms`)
  t.notOk(isRunning(pid))
})

t.test('a second signal ends everything within a second', async (t) => {
  for (const delay of [100, 1000]) {
    const server = await shell.serve(
      `mcp-proxy --port 0 -- sh -c '${misbehaving} --ignore-eof --ignore-sigterm; true'`
    )
    const busy = await openSession(t, `${server.url}mcp`)
    const idle = await openSession(t, `${server.url}mcp`)
    if (delay === 100) busy.client.request('test/silence').catch(() => {})
    await sleep(100)
    void server.kill()
    await sleep(delay)
    const began = performance.now()
    t.match(await server.kill('SIGINT'), { code: 0 })
    t.ok(performance.now() - began < 1000, `${performance.now() - began} ms`)
    for (const { pid } of [idle, busy]) t.notOk(isRunning(pid))
  }
})

t.test('a server at a URL that does not answer a SYN does not delay the exit', async (t) => {
  // The queue of a listener that accepts no connection is full: the kernel drops what comes next.
  const deaf = spawn(process.execPath, ['-e', deafListener])
  t.teardown(() => deaf.kill('SIGKILL'))
  const [line] = (await once(deaf.stdout, 'data')) as [Buffer]
  const port = Number(line)
  const sockets = Array.from({ length: 8 }, () => connect(port, '127.0.0.1').on('error', () => {}))
  t.teardown(() => sockets.forEach((socket) => socket.destroy()))
  await sleep(200)
  const server = await shell.serve(
    `mcp-proxy --port 0 --named-server deaf http://127.0.0.1:${port}/mcp ${misbehaving}`
  )
  const client = httpClient(`${server.url}servers/deaf/mcp`)
  client.initialize().catch(() => {})
  await sleep(300)
  client.close()
  const began = performance.now()
  t.match(await server.kill(), { code: 0 })
  t.ok(performance.now() - began < 4000, `${performance.now() - began} ms`)
})

for (const signal of ['SIGQUIT', 'SIGUSR2', 'SIGHUP'] as const) {
  t.test(`${signal} leaves no server behind`, async (t) => {
    const server = await shell.serve(`mcp-proxy --port 0 --prewarm 1 --debug ${misbehaving}`)
    await openSession(t, `${server.url}mcp`)
    await sleep(300)
    const pids = startedIn(server.log)
    t.equal(pids.length, 2)
    t.match(await server.kill(signal), { code: 0 })
    for (const pid of pids) t.notOk(isRunning(pid))
  })
}

t.test('SIGUSR1 opens no inspector', async (t) => {
  const server = await shell.serve(`mcp-proxy --port 0 ${misbehaving}`)
  server.child.kill('SIGUSR1')
  await sleep(300)
  t.equal((await fetch(`${server.url}healthz`)).status, 200)
  const { code, stderr } = await server.kill()
  t.equal(code, 0)
  t.notMatch(stderr, /Debugger/)
})

t.test('an exception that no code catches is one line, and ends the servers', async (t) => {
  for (const fault of [
    "throw new Error('out\\nof luck')",
    "Promise.reject(new Error('out\\nof luck'))"
  ]) {
    const file = join(t.testdir(), 'fault.cjs')
    writeFileSync(file, `process.once('SIGWINCH', () => { ${fault} })`)
    const server = await shell.serve(
      `mcp-proxy --port 0 -- ${misbehaving} --ignore-eof --ignore-sigterm`,
      { env: { NODE_OPTIONS: `--require ${file}` } }
    )
    const { pid } = await openSession(t, `${server.url}mcp`)
    const { code, stderr } = await server.kill('SIGWINCH')
    t.equal(code, 1)
    t.match(stderr, /\nmcp-proxy: internal error: out \| of luck\n$/)
    await ended(pid)
  }
})

// ---- Client mode.

t.test('SIGTERM after the end of stdin ends client mode in time for its host', async (t) => {
  const server = await shell.serve(`mcp-proxy --port 0 ${misbehaving}`)
  const client = shell.client(`mcp-proxy ${server.url}mcp`)
  await client.initialize()
  const { result } = await client.request('test/pids')
  const silent = client.request('test/silence')
  await sleep(100)
  void client.end()
  await sleep(500)
  const began = performance.now()
  t.match(await client.kill(), { code: 0, signal: null, stderr: '' })
  t.ok(performance.now() - began < 1000)
  t.match(await silent, { error: { code: -32000 } })
  await ended(result.pid) // the session has ended at the server
})

t.test('client mode ends when its parent process is killed', async (t) => {
  const server = await shell.serve(`mcp-proxy --port 0 ${misbehaving}`)
  // Without 2>&-, the test would wait for `sleep`, which would hold the stderr of the shell.
  const parent = shell.start(`sleep 30 2>&- | ./mcp-proxy ${server.url}mcp & echo $!; wait`)
  const [line] = (await once(parent.child.stdout, 'data')) as [Buffer]
  const pid = Number(line)
  await sleep(1000)
  t.ok(isRunning(pid))
  parent.child.kill('SIGKILL')
  await sleep(2500)
  t.notOk(isRunning(pid))
})

t.test('client mode without a stream for the response answers with an error', async (t) => {
  const remote = await startHttpServer({
    onGet: ({ status }) => status(405),
    onPost: (message: Json, { byDefault, status }) =>
      message.method === 'tools/call' ? status(202) : byDefault()
  })
  t.teardown(() => remote.close())
  const { code, stdout } = await shell.run(`mcp-proxy ${remote.url}`, { input: addition })
  t.equal(code, 0)
  t.match(messagesIn(stdout), [
    { id: 1, result: {} },
    { id: 2, error: { code: -32000 } }
  ])
  t.equal(remote.sessions.size, 0)
})

t.test('with a full stdout pipe SIGTERM ends client mode', async (t) => {
  const server = await shell.serve(`mcp-proxy --port 0 ${misbehaving}`)
  const child = start(t, `--drain-timeout 300ms --close-timeout 300ms ${server.url}mcp`)
  const echo = { jsonrpc: '2.0', method: 'test/echo', params: { text: 'x'.repeat(100_000) } }
  child.stdin?.write(addition.split('\n')[0] + '\n')
  for (let id = 2; id < 20; id++) child.stdin?.write(`${JSON.stringify({ ...echo, id })}\n`)
  await sleep(1000)
  child.kill()
  const { code, time } = await timeToExit(child)
  t.equal(code, 0)
  t.ok(time < 1500, `${time} ms`)
})

/** The ids of the processes that the log says were started. */
const startedIn = (log: string[]): number[] =>
  log.flatMap((line) => /as process (\d+)/.exec(line)?.slice(1).map(Number) ?? [])

const deafListener = `
  const server = require('node:net').createServer()
  server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
    require('node:fs').writeSync(1, String(server.address().port))
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
  })
`

t.test('processes that are still exiting count for --max-sessions', async (t) => {
  const flags = '--max-sessions 2 --close-timeout 1s'
  const child = start(t, `--port 0 ${flags} -- ${misbehaving} --ignore-eof --ignore-sigterm`)
  const url = await urlIn(child)
  child.stderr?.resume()
  const clients = [httpClient(url), httpClient(url), httpClient(url)]
  t.teardown(() => clients.forEach((client) => client.close()))
  const [one, two, three] = clients as [Client, Client, Client]
  for (const client of [one, two]) t.match(await client.initialize(), { result: {} })
  for (const client of [one, two]) await client.delete()
  const status = (): Promise<unknown> =>
    three.initialize().then(
      ({ result }) => result !== undefined,
      ({ status }: { status: number }) => status
    )
  t.equal(await status(), 503)
  const began = performance.now()
  while ((await status()) === 503) await sleep(50)
  t.ok(performance.now() - began > 500)
  t.match(await three.request('ping'), { result: {} })
  // The server ignores its end of input, so the proxy must end it.
  await three.delete()
  child.kill()
  await once(child, 'exit')
})

type Client = ReturnType<typeof httpClient>
