// Reloads of the built command, with real signals.

import { renameSync, writeFileSync } from 'node:fs'
import t from 'tap'
import type { Test } from 'tap'
import { httpClient } from '../../fixtures/clients/raw.js'
import type { HttpClient, HttpResponse, Json } from '../../fixtures/clients/raw.js'
import { ended, fixture, until } from '../helpers.ts'
import { bodyOf, headersOf } from '../modern.ts'
import { openShell } from './run.ts'
import type { Serving } from './run.ts'

// Each test starts processes, which takes long on a busy machine.
t.setTimeout(120_000)

const server = (...flags: string[]): object => ({
  command: process.execPath,
  args: [fixture('servers/misbehaving.js'), ...flags]
})

t.test('a flood of SIGHUPs while the file changes costs no session its server', async (t) => {
  const shell = openShell(t)
  const file = `${shell.directory}/servers.json`
  const write = (servers: object): void => {
    writeFileSync(`${file}.new`, JSON.stringify({ mcpServers: servers }))
    renameSync(`${file}.new`, file)
  }
  write({ kept: server(), other: server() })
  const command = await shell.serve('mcp-proxy --named-server-config servers.json')
  const kept = httpClient(`${command.url}servers/kept/mcp`)
  await kept.initialize()
  const stream = await kept.openGet()
  const { pid } = (await kept.request('test/pids')).result
  const calls: Promise<Json>[] = []
  for (let count = 0; count < 1000; count++) {
    if (count % 50 === 0) {
      // The other server is another one each time, and has a call in flight.
      const other = httpClient(`${command.url}servers/other/mcp`)
      await other.initialize().catch(() => {}) // its session may end at once
      calls.push(other.request('test/sleep', { ms: 500 }).catch((error: Json) => error))
      write({ kept: server(), other: server('--chatty-stderr', String(count)) })
    }
    process.kill(command.pid, 'SIGHUP')
  }
  write({ kept: server(), last: server() })
  process.kill(command.pid, 'SIGHUP')
  const status = async (): Promise<Json> => (await fetch(`${command.url}status`)).json()
  await until(async () => 'last' in (await status()).server_instances)
  t.match(await kept.request('test/pids'), { result: { pid } })
  t.ok(kept.streams.has(stream))
  for (const answer of await Promise.all(calls)) {
    t.ok(answer.result?.ms === 500 || answer.status === 404, 'a response, or an unknown session')
  }
  await until(async () => (await status()).sessions === 1)
  const lines = command.log.filter((line) => line.includes('reloaded'))
  t.ok(lines.length < 100, `${lines.length} reloads`)
  t.strictSame(
    command.log.filter((line) => line.startsWith('[E')),
    []
  )
  kept.close()
  t.equal((await command.kill()).code, 0)
})

/** A legacy server whose tool `rounds` asks the client twice. */
const asker = {
  command: process.execPath,
  args: [fixture('servers/features.js'), 'legacy', '/dev/null'],
  era: 'legacy'
}
const demo = { command: process.execPath, args: [fixture('servers/demo.js')] }

/** Calls `rounds`, or continues the call after a response of the server that asks. */
async function callRounds(client: HttpClient, asked?: Json): Promise<Json> {
  const answered = asked && {
    requestState: asked.requestState,
    inputResponses: Object.fromEntries(
      Object.keys(asked.inputRequests).map((key) => [key, { action: 'accept', content: {} }])
    )
  }
  const capabilities = { 'io.modelcontextprotocol/clientCapabilities': { elicitation: {} } }
  const params = { name: 'rounds', arguments: {}, _meta: capabilities, ...answered }
  const { status, text } = await client.post(
    bodyOf('1', 'tools/call', params),
    headersOf('tools/call', params)
  )
  const { result, error } = JSON.parse(text)
  return { status, ...error, ...result }
}

/** Starts two servers that hold a call each, then changes the one and removes the other. */
async function replaceHolders(
  t: Test,
  flags: string
): Promise<{
  command: Serving
  changed: HttpClient
  removed: HttpClient
  asked: [changed: Json, removed: Json]
  /** The processes that hold the calls. */
  pids: number[]
  reload(servers: object): Promise<void>
}> {
  const shell = openShell(t)
  const write = (mcpServers: object): void =>
    writeFileSync(`${shell.directory}/servers.json`, JSON.stringify({ mcpServers }))
  write({ changed: asker, removed: asker })
  const command = await shell.serve(`mcp-proxy --debug ${flags} --named-server-config servers.json`)
  const [changed, removed] = ['changed', 'removed'].map((name) =>
    httpClient(`${command.url}servers/${name}/mcp`)
  ) as [HttpClient, HttpClient]
  t.teardown(() => [changed, removed].forEach((client) => client.close()))
  const asked = [await callRounds(changed), await callRounds(removed)] as [Json, Json]
  for (const one of asked) t.equal(one.resultType, 'input_required')
  const pids = command.log.flatMap((line) => Number(/as process (\d+)/.exec(line)?.[1] ?? []) || [])
  t.equal(pids.length, 2)
  const reload = async (servers: object): Promise<void> => {
    write(servers)
    const count = command.log.length
    process.kill(command.pid, 'SIGHUP')
    await until(() => command.log.slice(count).some((line) => line.includes('reloaded:')))
  }
  await reload({ changed: demo })
  return { command, changed, removed, asked, pids, reload }
}

t.test('a call that waits for its client keeps its server', async (t) => {
  const { command, changed, removed, asked, pids, reload } = await replaceHolders(t, '')
  const list = (client: HttpClient): Promise<HttpResponse> =>
    client.post(bodyOf('1', 'tools/list'), headersOf('tools/list'))
  t.match(await list(changed), { status: 200, text: /"add"/ }, 'others get the new server')
  t.match(await list(removed), { status: 404 })
  t.match(await callRounds(removed, asked[0]), { status: 404 }, 'a state is of use at its server')
  t.match(await callRounds(changed, asked[1]), { code: -32602 })

  const again = [await callRounds(changed, asked[0]), await callRounds(removed, asked[1])]
  for (const one of again) t.equal(one.resultType, 'input_required', 'the server asks once more')
  await reload({ changed: { ...demo, env: { A: 'b' } } })
  t.match(await callRounds(changed, again[0]), { resultType: 'complete' })
  t.match(await callRounds(removed, again[1]), { resultType: 'complete' })
  for (const pid of pids) await ended(pid)
  await until(async () => (await list(removed)).text.includes('there is nothing'))
  t.match(await callRounds(changed, again[0]), { code: -32602 }, 'each state is good once')
  t.equal((await command.kill()).code, 0)
})

t.test('a replaced server ends when its clients do not come back in time', async (t) => {
  const { command, changed, asked, pids } = await replaceHolders(t, '--input-timeout 2s')
  for (const pid of pids) await ended(pid)
  t.match(await callRounds(changed, asked[0]), { code: -32602, message: /expired/ })
  t.equal((await command.kill()).code, 0)
})

t.test('a stop does not wait for clients that may come back', async (t) => {
  const { command, pids } = await replaceHolders(t, '')
  const start = performance.now()
  t.equal((await command.kill()).code, 0)
  t.ok(performance.now() - start < 10_000)
  for (const pid of pids) await ended(pid)
})
