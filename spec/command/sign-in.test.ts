// Many processes that sign in at the same server, with the built command and a real authorization server.

import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { Test } from 'tap'
import { startOidc } from '../../fixtures/servers/oidc.js'
import type { OidcFixture } from '../../fixtures/servers/oidc.js'
import { fixture, initializeParams } from '../helpers.ts'

t.setTimeout(300_000)

const entry = fileURLToPath(new URL('../../bin/mcp-proxy.js', import.meta.url))
const processes = 40

const initialize = `${JSON.stringify({
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: initializeParams
})}\n`

/** Starts client mode with a request on its stdin. */
function start(t: Test, url: URL, env: NodeJS.ProcessEnv, flags: string[] = []): ChildProcess {
  const child = spawn(process.execPath, [entry, ...flags, url.href], {
    env: { PATH: process.env.PATH, ...env },
    stdio: ['pipe', 'pipe', 'pipe']
  })
  child.stdin?.write(initialize)
  t.teardown(() => child.kill('SIGKILL'))
  return child
}

const lineOf = async (
  stream: Readable | null,
  fits: (line: string) => boolean
): Promise<string> => {
  for await (const line of createInterface({ input: stream as Readable })) {
    if (fits(line)) return line
  }
  return ''
}

/** Starts many processes at once. Resolves to the first line of each. */
async function startMany(t: Test, url: URL, env: NodeJS.ProcessEnv): Promise<string[]> {
  const all = Array.from({ length: processes }, () => start(t, url, env))
  const lines = await Promise.all(all.map(({ stdout }) => lineOf(stdout, () => true)))
  for (const child of all) child.kill('SIGKILL')
  return lines
}

async function serve(
  t: Test
): Promise<{ server: OidcFixture; env: NodeJS.ProcessEnv; folder: string }> {
  const server = await startOidc()
  t.teardown(() => server.close())
  const config = t.testdir({})
  const env = { XDG_CONFIG_HOME: config, BROWSER: fixture('clients/person.js') }
  return { server, env, folder: join(config, 'mcp-duplex') }
}

t.test('many processes without a token open one browser', async (t) => {
  const { server, env, folder } = await serve(t)
  const lines = await startMany(t, server.url, env)
  t.equal(lines.length, processes)
  for (const line of lines) t.match(line, '"serverInfo"')
  t.match(server.counts, { authorize: 1, register: 1, refresh: 0 })

  // Then the token expires, for all of them.
  const name = readdirSync(folder).find((name) => name.endsWith('.json')) as string
  const file = join(folder, name)
  writeFileSync(file, readFileSync(file, 'utf8').replace(/"expiresAt":\d+/, '"expiresAt":1'))
  const before = server.counts.unauthorized
  for (const line of await startMany(t, server.url, env)) t.match(line, '"serverInfo"')
  t.match(server.counts, { authorize: 1, register: 1, refresh: 1, unauthorized: before })
  t.equal(readdirSync(folder).length, 2, 'the tokens, and the last lock')
})

t.test(
  'a process that is killed while it asks the person delays others by less than 1 s',
  async (t) => {
    const { server, env } = await serve(t)
    const asks = (line: string): boolean => line.includes('to sign in')
    const first = start(t, server.url, env, ['--no-browser'])
    // This server offers a device flow, so the first process waits for a person that does not come.
    await lineOf(first.stderr, asks)
    const second = start(t, server.url, env)
    const shown = lineOf(second.stderr, asks)
    await once(second, 'spawn')
    while (server.counts.unauthorized < 2) await new Promise((resolve) => setTimeout(resolve, 20))
    await new Promise((resolve) => setTimeout(resolve, 300))
    first.kill('SIGKILL')
    await once(first, 'exit')
    const begun = Date.now()
    await shown
    const delay = Date.now() - begun
    t.ok(delay < 1000, `${delay} ms`)
    t.match(await lineOf(second.stdout, () => true), '"serverInfo"')
  }
)
