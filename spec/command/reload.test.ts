// Reloads of the built command, with real signals.

import { renameSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { httpClient } from '../../fixtures/clients/raw.js'
import type { Json } from '../../fixtures/clients/raw.js'
import { fixture, until } from '../helpers.ts'
import { openShell } from './run.ts'

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
