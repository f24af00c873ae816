// A signal stops the command. Requests in flight get their responses first, up to --drain-timeout, and
// no process of a server stays behind.

import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { Test } from 'tap'
import { httpClient, sseClient } from '../../fixtures/clients/raw.js'
import type { HttpClient, Json } from '../../fixtures/clients/raw.js'
import { ended, isRunning } from '../helpers.ts'
import { openSession, processesOf } from '../interop/helpers.ts'
import { demo, misbehaving, openShell } from './run.ts'
import type { Serving } from './run.ts'

t.setTimeout(120_000)

/** Opens a session over each transport. */
const openSessions = async (t: Test, { url }: Serving) => [
  await openSession(t, httpClient(`${url}mcp`)),
  await openSession(t, await sseClient(`${url}sse`))
]

const openHttpSession = (t: Test, { url }: Serving): Promise<HttpClient> =>
  openSession(t, httpClient(`${url}mcp`))

const shell = openShell(t, {
  // Like the real npx: a process that starts the command as its child, and waits for it.
  npx: `node -e '
    const { spawn } = require("node:child_process")
    const [command, ...args] = process.argv.slice(1)
    spawn(command, args, { stdio: "inherit" }).on("exit", (code) => process.exit(code))
    process.on("SIGTERM", () => {})
    process.on("SIGINT", () => {})
  ' -- "$@"`
})

/** The kernel ends a process some ms after the signal. */
async function noneRuns(t: Test, pids: number[]): Promise<void> {
  const end = Date.now() + 1000
  while (pids.some(isRunning) && Date.now() < end) await sleep(10)
  for (const pid of pids) t.notOk(isRunning(pid), `${pid} has ended`)
}

// ---- Server mode.

for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
  t.test(`${signal}: requests in flight get responses, then all processes end`, async (t) => {
    const server = await shell.serve(`mcp-proxy --port 0 --close-timeout 300ms ${misbehaving}`)
    const pids: number[] = []
    const responses: Promise<Json>[] = []
    for (const client of await openSessions(t, server)) {
      const processes = await processesOf(client)
      pids.push(processes.server, processes.child)
      responses.push(client.request('test/sleep', { ms: 700 }))
    }
    await sleep(100) // The requests reach their servers.
    const stopped = server.kill(signal)
    for (const response of responses) t.match(await response, { result: { ms: 700 } })
    t.match(await stopped, { code: 0, stdout: '' })
    await noneRuns(t, pids)
  })
}

t.test('while stopping, new clients are refused and open sessions continue', async (t) => {
  const server = await shell.serve(`mcp-proxy --port 0 ${misbehaving}`)
  const client = await openHttpSession(t, server)
  const slept = client.request('test/sleep', { ms: 500 })
  await sleep(100)
  const stopped = server.kill()
  await server.log.until((line) => line.includes('stopping'))
  await t.rejects(httpClient(`${server.url}mcp`).initialize())
  t.match(await slept, { result: {} })
  t.match(await stopped, { code: 0 })
})

t.test('a call that takes longer than --drain-timeout gets an error', async (t) => {
  const server = await shell.serve(
    `mcp-proxy --port 0 --drain-timeout 300ms --close-timeout 300ms ${misbehaving}`
  )
  const client = await openHttpSession(t, server)
  const processes = await processesOf(client)
  const silent = client.request('test/silence')
  await sleep(100)
  const stopped = server.kill()
  t.match(await silent, { error: { code: -32000 } })
  t.match(await stopped, { code: 0 })
  await noneRuns(t, [processes.server])
})

t.test('with --drain-timeout 0, a stop waits for calls without a limit', async (t) => {
  const server = await shell.serve(`mcp-proxy --port 0 --drain-timeout 0 ${misbehaving}`)
  const client = await openHttpSession(t, server)
  const slept = client.request('test/sleep', { ms: 700 })
  await sleep(100)
  const stopped = server.kill()
  t.match(await slept, { result: { ms: 700 } })
  t.match(await stopped, { code: 0 })
})

t.test('a second signal stops the proxy at once', async (t) => {
  const server = await shell.serve(`mcp-proxy --port 0 --close-timeout 200ms ${misbehaving}`)
  const client = await openHttpSession(t, server)
  const processes = await processesOf(client)
  const silent = client.request('test/silence')
  silent.catch(() => {})
  await sleep(100)
  void server.kill()
  await server.log.until((line) => line.includes('stopping (a second'))
  const began = Date.now()
  t.match(await server.kill(), { code: 0 })
  t.ok(Date.now() - began < 5000)
  await noneRuns(t, [processes.server, processes.child])
})

for (const [how, line] of [
  ['directly', misbehaving],
  ['by a shell', `sh -c '${misbehaving} --ignore-eof --ignore-sigterm; true'`],
  ['by npx', `npx ${misbehaving} --ignore-eof --ignore-sigterm`],
  ['by npx in a shell', `sh -c 'npx ${misbehaving} --ignore-eof --ignore-sigterm; true'`]
] as const) {
  t.test(`a stop ends every process of a server started ${how}`, async (t) => {
    const server = await shell.serve(`mcp-proxy --port 0 --close-timeout 300ms -- ${line}`)
    const pids: number[] = []
    for (const client of await openSessions(t, server)) {
      pids.push(...Object.values(await processesOf(client)))
    }
    t.match(await server.kill(), { code: 0 })
    await noneRuns(
      t,
      pids.filter((pid) => pid !== server.pid)
    )
  })
}

t.test('the end of a session ends every process of its server', async (t) => {
  const server = await shell.serve(
    `mcp-proxy --port 0 --close-timeout 300ms -- sh -c 'npx ${misbehaving} --ignore-eof --ignore-sigterm; true'`
  )
  const client = httpClient(`${server.url}mcp`)
  await client.initialize()
  const pids = Object.values(await processesOf(client))
  t.equal((await client.delete()).status, 204)
  client.close()
  await Promise.all(pids.map(ended))
  t.match(await server.kill(), { code: 0 })
})

t.test('a stop ends prewarmed processes', async (t) => {
  const server = await shell.serve(`mcp-proxy --port 0 --prewarm 2 --debug ${demo}`)
  const pids: number[] = []
  for await (const line of server.log) {
    const [, pid] = /started \S+ as process (\d+)/.exec(line) ?? []
    if (pid !== undefined) pids.push(Number(pid))
    if (pids.length === 2) break
  }
  t.match(await server.kill(), { code: 0 })
  await noneRuns(t, pids)
})

t.test('servers end when the proxy is killed by SIGKILL', async (t) => {
  const server = await shell.serve(`mcp-proxy --port 0 ${misbehaving}`)
  const client = await openHttpSession(t, server)
  const { result } = await client.request('test/pids')
  t.match(await server.kill('SIGKILL'), { signal: 'SIGKILL' })
  await ended(result.pid)
})

// ---- Client mode.

for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
  t.test(
    `${signal} in client mode: requests in flight get responses, and the session ends`,
    async (t) => {
      const server = await shell.serve(`mcp-proxy --port 0 ${misbehaving}`)
      for (const path of ['mcp', 'sse']) {
        const client = shell.client(`mcp-proxy ${server.url}${path}`)
        await client.initialize()
        const { result } = await client.request('test/pids')
        const slept = client.request('test/sleep', { ms: 500 })
        await sleep(100)
        const stopped = client.kill(signal)
        t.match(await slept, { result: { ms: 500 } })
        t.match(await stopped, { code: 0, signal: null, stderr: '' })
        await ended(result.pid)
      }
      t.match(await server.kill(), { code: 0 })
    }
  )
}

t.test('client mode stops after --drain-timeout, or on a second signal', async (t) => {
  const server = await shell.serve(`mcp-proxy --port 0 ${misbehaving}`)
  for (const [flags, times] of [
    ['--drain-timeout 200ms', 1],
    ['', 2]
  ] as const) {
    const client = shell.client(`mcp-proxy ${flags} ${server.url}mcp`)
    await client.initialize()
    client.request('test/silence').catch(() => {})
    await sleep(100)
    const began = Date.now()
    for (let n = 0; n < times; n++) {
      void client.kill()
      await sleep(100)
    }
    t.match(await client.closed, { code: 0, stderr: '' })
    t.ok(Date.now() - began < 5000)
  }
  t.match(await server.kill(), { code: 0 })
})

t.test('with --drain-timeout 0, client mode waits for calls without a limit', async (t) => {
  const server = await shell.serve(`mcp-proxy --port 0 ${misbehaving}`)
  const client = shell.client(`mcp-proxy --drain-timeout 0 ${server.url}mcp`)
  await client.initialize()
  const slept = client.request('test/sleep', { ms: 500 })
  await sleep(100)
  const stopped = client.kill()
  t.match(await slept, { result: { ms: 500 } })
  t.match(await stopped, { code: 0 })
})

t.test('client mode without requests in flight stops at once', async (t) => {
  const client = shell.client(`mcp-proxy --debug http://127.0.0.1:1/`)
  await sleep(500)
  t.match(await client.kill(), { code: 0, stderr: '' })
})
