// Being told to stop: what is in flight is answered, and nothing is left behind.

import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { Test } from 'tap'
import { httpClient, sseClient } from '../../fixtures/clients/raw.js'
import type { HttpClient, Json, SseClient, StdioClient } from '../../fixtures/clients/raw.js'
import { ended, isRunning } from '../helpers.ts'
import { demo, openShell, rascal } from './run.ts'
import type { Serving } from './run.ts'

t.setTimeout(120_000)

type AnyClient = HttpClient | SseClient | StdioClient

const clientsOf = {
  'Streamable HTTP': async ({ url }: Serving) => httpClient(`${url}mcp`),
  'HTTP+SSE': async ({ url }: Serving) => sseClient(`${url}sse`)
}

const shell = openShell(t, {
  // As npx does: a process of its own, which starts the one that is meant, and waits for it.
  npx: `node -e '
    const { spawn } = require("node:child_process")
    const [command, ...args] = process.argv.slice(1)
    spawn(command, args, { stdio: "inherit" }).on("exit", (code) => process.exit(code))
    process.on("SIGTERM", () => {})
    process.on("SIGINT", () => {})
  ' -- "$@"`
})

/** The server's process, and one that it has started. */
async function processesOf(client: AnyClient): Promise<number[]> {
  const { result: forked } = await client.request('test/fork', { stubborn: true, inherit: true })
  const { result: own } = await client.request('test/pids')
  return [own.pid, own.ppid, forked.pid]
}

function allGone(t: Test, pids: number[]): void {
  for (const pid of pids) t.notOk(isRunning(pid), `${pid} is gone`)
}

for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
  t.test(`${signal}: what is in flight is answered, and nobody is left`, async (t) => {
    const server = await shell.serve(`mcp-proxy --port 0 --close-timeout 300ms ${rascal}`)
    const clients = await Promise.all(Object.values(clientsOf).map((connect) => connect(server)))
    const pids: number[] = []
    const answers: Promise<Json>[] = []
    for (const client of clients) {
      t.teardown(() => client.close())
      await client.initialize()
      const [pid, , forked] = (await processesOf(client)) as [number, number, number]
      pids.push(pid, forked)
      answers.push(client.request('test/sleep', { ms: 700 }))
    }
    await sleep(100) // the calls are on their way
    const stopped = server.kill(signal)
    for (const answer of answers) t.match(await answer, { result: { ms: 700 } })
    t.match(await stopped, { code: 0, stdout: '' })
    allGone(t, pids)
  })
}

t.test('no new client is taken meanwhile, and those that are there may go on', async (t) => {
  const server = await shell.serve(`mcp-proxy --port 0 ${rascal}`)
  const client = httpClient(`${server.url}mcp`)
  t.teardown(() => client.close())
  await client.initialize()
  const slept = client.request('test/sleep', { ms: 500 })
  await sleep(100)
  const stopped = server.kill()
  await server.log.until((line) => line.includes('stopping'))
  await t.rejects(httpClient(`${server.url}mcp`).initialize())
  t.match(await slept, { result: {} })
  t.match(await stopped, { code: 0 })
})

t.test('a call that takes longer than it may is failed', async (t) => {
  const server = await shell.serve(
    `mcp-proxy --port 0 --drain-timeout 300ms --close-timeout 300ms ${rascal}`
  )
  const client = httpClient(`${server.url}mcp`)
  t.teardown(() => client.close())
  await client.initialize()
  const pids = await processesOf(client)
  const silent = client.request('test/silence')
  await sleep(100)
  const stopped = server.kill()
  t.match(await silent, { error: { code: -32000 } })
  t.match(await stopped, { code: 0 })
  allGone(t, pids.slice(0, 1))
})

t.test('it waits for as long as it takes if so wished', async (t) => {
  const server = await shell.serve(`mcp-proxy --port 0 --drain-timeout 0 ${rascal}`)
  const client = httpClient(`${server.url}mcp`)
  t.teardown(() => client.close())
  await client.initialize()
  const slept = client.request('test/sleep', { ms: 700 })
  await sleep(100)
  const stopped = server.kill()
  t.match(await slept, { result: { ms: 700 } })
  t.match(await stopped, { code: 0 })
})

t.test('who asks again has it stop at once', async (t) => {
  const server = await shell.serve(`mcp-proxy --port 0 --close-timeout 200ms ${rascal}`)
  const client = httpClient(`${server.url}mcp`)
  t.teardown(() => client.close())
  await client.initialize()
  const pids = await processesOf(client)
  const silent = client.request('test/silence')
  silent.catch(() => {})
  await sleep(100)
  void server.kill()
  await server.log.until((line) => line.includes('stopping (ask again'))
  const began = Date.now()
  t.match(await server.kill(), { code: 0 })
  t.ok(Date.now() - began < 5000)
  allGone(t, [pids[0] as number, pids[2] as number])
})

for (const [how, line] of [
  ['itself', rascal],
  ['a shell', `sh -c '${rascal} --ignore-eof --ignore-sigterm; true'`],
  ['npx', `npx ${rascal} --ignore-eof --ignore-sigterm`],
  ['npx in a shell', `sh -c 'npx ${rascal} --ignore-eof --ignore-sigterm; true'`]
] as const) {
  t.test(`nobody is left though the server, started through ${how}, ignores all`, async (t) => {
    const server = await shell.serve(`mcp-proxy --port 0 --close-timeout 300ms -- ${line}`)
    const pids: number[] = []
    for (const connect of Object.values(clientsOf)) {
      const client = await connect(server)
      t.teardown(() => client.close())
      await client.initialize()
      pids.push(...(await processesOf(client)))
    }
    t.match(await server.kill(), { code: 0 })
    allGone(
      t,
      pids.filter((pid) => pid !== server.pid)
    )
  })
}

t.test('a session that ends leaves nobody either', async (t) => {
  const server = await shell.serve(
    `mcp-proxy --port 0 --close-timeout 300ms -- sh -c 'npx ${rascal} --ignore-eof --ignore-sigterm; true'`
  )
  const client = httpClient(`${server.url}mcp`)
  await client.initialize()
  const pids = await processesOf(client)
  t.equal((await client.delete()).status, 204)
  client.close()
  await Promise.all(pids.map(ended))
  t.match(await server.kill(), { code: 0 })
})

t.test('what is started ahead is not left behind', async (t) => {
  const server = await shell.serve(`mcp-proxy --port 0 --prewarm 2 --debug ${demo}`)
  const pids: number[] = []
  for await (const line of server.log) {
    const [, pid] = /started \S+ as process (\d+)/.exec(line) ?? []
    if (pid !== undefined) pids.push(Number(pid))
    if (pids.length === 2) break
  }
  t.match(await server.kill(), { code: 0 })
  allGone(t, pids)
})

t.test('a proxy that is killed takes its servers with it', async (t) => {
  const server = await shell.serve(`mcp-proxy --port 0 ${rascal}`)
  const client = httpClient(`${server.url}mcp`)
  t.teardown(() => client.close())
  await client.initialize()
  const { result } = await client.request('test/pids')
  t.match(await server.kill('SIGKILL'), { signal: 'SIGKILL' })
  await ended(result.pid)
})

// Client mode.

for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
  t.test(
    `${signal} in client mode: what was asked is answered, and the session ends`,
    async (t) => {
      const server = await shell.serve(`mcp-proxy --port 0 ${rascal}`)
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

t.test('client mode does not wait for ever', async (t) => {
  const server = await shell.serve(`mcp-proxy --port 0 ${rascal}`)
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

t.test('client mode waits for as long as it takes if so wished', async (t) => {
  const server = await shell.serve(`mcp-proxy --port 0 ${rascal}`)
  const client = shell.client(`mcp-proxy --drain-timeout 0 ${server.url}mcp`)
  await client.initialize()
  const slept = client.request('test/sleep', { ms: 500 })
  await sleep(100)
  const stopped = client.kill()
  t.match(await slept, { result: { ms: 500 } })
  t.match(await stopped, { code: 0 })
})

t.test('client mode that has nothing to do stops at once', async (t) => {
  const client = shell.client(`mcp-proxy --debug http://127.0.0.1:1/`)
  await sleep(500)
  t.match(await client.kill(), { code: 0, stderr: '' })
})
