// What clients may use of a server, on the built command: every transport, both eras, both modes.

import { writeFileSync } from 'node:fs'
import t from 'tap'
import {
  connectors,
  node,
  openSession,
  servers,
  startClientMode,
  startProxy
} from '../interop/helpers.ts'
import { fixture } from '../helpers.ts'
import { ask } from '../modern.ts'

t.setTimeout(120_000)

const demo = ['--', node, ...servers.demo.slice(0, 1)]
const flags = ['--allow-tool', 'a*', '--allow-tool', 'echo', '--deny-tool', 'ask']
const unknown = { error: { code: -32602, message: 'unknown tool: count' } }
const names = ({ result }: { result: { tools: { name: string }[] } }): string[] =>
  result.tools.map(({ name }) => name)

for (const more of [[], ['--shared']]) {
  t.test(`clients with sessions ${more.join('')}`, async (t) => {
    const proxy = await startProxy(t, ...flags, ...more, ...demo)
    for (const [way, connect] of Object.entries(connectors)) {
      const client = await openSession(t, await connect(proxy))
      t.strictSame(names(await client.request('tools/list')), ['echo', 'add'], way)
      const call = { name: 'echo', arguments: { text: way } }
      t.match(await client.request('tools/call', call), { result: { content: [{ text: way }] } })
      t.match(await client.request('tools/call', { name: 'count' }), unknown, way)
    }
  })
}

t.test('clients of the modern revision', async (t) => {
  const modern = ['--', node, fixture('servers/modern.js')]
  for (const server of [demo, modern]) {
    const proxy = await startProxy(t, '--deny-tool', 'count', ...server)
    const list = await ask(proxy.mcp(), '1', 'tools/list')
    t.notOk(names(list.messages.at(-1)).includes('count'))
    t.match(list.messages.at(-1), { result: { resultType: 'complete' } })
    const { status, messages } = await ask(proxy.mcp(), '2', 'tools/call', { name: 'count' })
    t.match(messages, [unknown])
    t.equal(status, 400)
  }
})

t.test('clients without sessions', async (t) => {
  const proxy = await startProxy(t, '--stateless', '--deny-tool', 'count', ...demo)
  const body = '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"count"}}'
  const response = await fetch(proxy.mcp(), {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
    body
  })
  t.match(await response.json(), unknown)
})

t.test('client mode', async (t) => {
  const proxy = await startProxy(t, ...demo)
  for (const url of [[proxy.mcp()], ['--transport', 'sse', proxy.sse()]]) {
    const client = await openSession(t, startClientMode('--deny-tool', 'count', ...url))
    t.notOk(names(await client.request('tools/list')).includes('count'))
    t.match(await client.request('tools/call', { name: 'count' }), unknown)
  }
})

t.test('the entry of a server adds to the flags', async (t) => {
  const entry = { command: node, args: servers.demo.slice(0, 1), tools: ['echo', 'count', 'add'] }
  const file = `${t.testdir()}/servers.json`
  writeFileSync(file, JSON.stringify({ mcpServers: { demo: entry } }))
  const proxy = await startProxy(t, '--deny-tool', 'add', '--named-server-config', file)
  const { messages } = await ask(proxy.mcp('demo'), '1', 'tools/list')
  t.strictSame(names(messages.at(-1)), ['echo', 'count'])
})
