// Every feature between a client and a server of each era, in every way to connect them. The results
// are the table in the README: a feature that fails in one way has no ✓. To write the table, set
// WRITE_README.

import { SSEClientTransport, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import type { Transport } from '@modelcontextprotocol/client'
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio'
import { writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { Test } from 'tap'
import { httpClient } from '../../../fixtures/clients/raw.js'
import { fixture } from '../../helpers.ts'
import { ask } from '../../modern.ts'
import { command, environment, node, openSession as openRaw, startProxy } from '../helpers.ts'
import type { Proxy } from '../helpers.ts'
import { features, openSession } from './features.ts'
import type { Era } from './features.ts'
import { compare, pairs } from './table.ts'
import type { Results } from './table.ts'

t.setTimeout(300_000)

const stdio = (...args: string[]): Transport =>
  new StdioClientTransport({ command: node, args, env: environment, stderr: 'ignore' })

interface Ways {
  /** Serves the server over stdio, and again what `origin` serves over HTTP. */
  proxy: Proxy
  /** Client transport and server transport → the transport. */
  ways: Record<string, () => Transport>
}

/** HTTP+SSE has no modern revision, so it is not for a modern client or a modern server. */
async function openWays(t: Test, client: Era, server: Era): Promise<Ways> {
  const count = `${t.testdir({ cancelled: '' })}/cancelled`
  const args = [fixture('servers/features.js'), server, count]
  const origin = await startProxy(t, '--translate', 'off', '--', node, ...args)
  const servers = {
    stdio: { command: node, args },
    http: { url: origin.mcp(), transport: 'streamablehttp' },
    ...(server === 'legacy' && { sse: { url: origin.sse(), transport: 'sse' } })
  }
  const file = `${t.testdirName}/servers.json`
  writeFileSync(file, JSON.stringify({ mcpServers: servers }))
  const proxy = await startProxy(t, '--named-server-config', file)
  const ways: Ways['ways'] = {}
  for (const name of Object.keys(servers)) {
    ways[`Streamable HTTP, ${name}`] = () =>
      new StreamableHTTPClientTransport(new URL(proxy.mcp(name)))
    if (client === 'modern') continue
    ways[`HTTP+SSE, ${name}`] = () => new SSEClientTransport(new URL(proxy.sse(name)))
  }
  ways['stdio, stdio'] = () => stdio(command, proxy.mcp('stdio'))
  ways['stdio, http'] = () => stdio(command, origin.mcp())
  if (server === 'legacy') ways['stdio, sse'] = () => stdio(command, origin.sse())
  return { proxy, ways }
}

const results: Results = new Map(
  [...Object.keys(features), 'tasks'].map((name) => [name, new Map()])
)

for (const [client, server] of pairs) {
  const pair = `${client} ${server}`
  t.test(`a ${client} client and a ${server} server`, async (t) => {
    const { proxy, ways } = await openWays(t, client, server)
    for (const [name] of results) results.get(name)?.set(pair, true)
    for (const [way, connect] of Object.entries(ways)) {
      const session = await openSession(client, connect())
      t.teardown(() => session.client.close())
      for (const [name, use] of Object.entries(features)) {
        try {
          await inTime(use(session))
        } catch (error) {
          results.get(name)?.set(pair, false)
          t.fail(`${name}: ${way}: ${String(error)}`)
        }
      }
      await session.client.close()
    }
    if (client === server) t.ok(await hasTasks(t, client, proxy.mcp('stdio')))
  })
}

/** Rejects if the feature takes longer than any should. */
async function inTime(promise: Promise<void>): Promise<void> {
  const ended = new AbortController()
  const tooLong = sleep(10_000, undefined, ended).then(() => {
    throw new Error('took too long')
  })
  tooLong.catch(() => {})
  await Promise.race([promise, tooLong]).finally(() => ended.abort())
}

/** Tasks are not in the SDK's client, so this sends a request of its own. */
async function hasTasks(t: Test, era: Era, url: string): Promise<boolean> {
  const params = { taskId: 'a' }
  if (era === 'modern') {
    const { messages } = await ask(url, '1', 'tasks/get', params, { 'mcp-name': 'a' })
    return messages.at(-1).result.status === 'working'
  }
  const session = httpClient(url)
  t.teardown(() => session.close())
  await openRaw(t, session)
  const { result } = await session.request('tasks/get', params)
  return result.status === 'working'
}

t.test('the README has the table', async (t) => {
  const { found, wanted } = await compare(results)
  t.equal(found, wanted)
})
