// Modern and legacy clients at one address, in front of a server of either era or of both.

import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import t from 'tap'
import { httpClient } from '../../fixtures/clients/raw.js'
import { fixture } from '../helpers.ts'
import { node, openSession, startProxy } from '../interop/helpers.ts'
import { ask, callTool, textOf } from '../modern.ts'

t.setTimeout(120_000)

const bothEras = ['--', node, fixture('conformance/server.js')]
const legacy = ['--', node, fixture('servers/demo.js')]

t.test('clients of both eras get their responses at one address, at once', async (t) => {
  const proxy = await startProxy(t, ...bothEras)
  const sessions = await Promise.all([1, 2, 3].map(() => openSession(t, httpClient(proxy.mcp()))))
  for (const { protocolVersion } of sessions) t.equal(protocolVersion, '2025-11-25')
  await Promise.all(
    [...Array(20).keys()].flatMap((n) => [
      callTool(proxy.mcp(), '1', 'greet', { name: `modern ${n}` }).then(({ text, response }) => {
        t.equal(text, `Hello, modern ${n}!`)
        t.equal(response.result.resultType, 'complete')
      }),
      ...sessions.map(async (session, index) => {
        const params = { name: 'greet', arguments: { name: `legacy ${index} ${n}` } }
        const response = await session.request('tools/call', params)
        t.equal(textOf(response), `Hello, legacy ${index} ${n}!`)
        t.notOk('resultType' in response.result)
      })
    ])
  )
})

t.test(
  'without translation a modern client of a legacy server gets 400, at any speed',
  async (t) => {
    const flags = ['--translate', 'off', '--stream-after', '1ms', '--probe-timeout', '300ms']
    const silent = ['--', node, '-e', 'process.stdin.resume()']
    for (const server of [legacy, silent]) {
      const proxy = await startProxy(t, ...flags, ...server)
      for (const method of [
        'server/discover',
        'tools/list',
        'tools/call',
        'subscriptions/listen'
      ]) {
        const refusal = await ask(proxy.mcp(), '1', method, { name: 'echo' })
        t.match(refusal, { status: 400, messages: [{ id: 1, error: { code: -32600 } }] }, method)
      }
      t.notMatch(proxy.stderr, /\[E /, 'the log shows no error')
      if (server !== legacy) continue
      const session = httpClient(proxy.mcp())
      t.teardown(() => session.close())
      t.match(await session.initialize(), { result: { serverInfo: { name: 'demo' } } })
    }
  }
)

t.test('a request of an unknown revision gets 400 while the server starts slowly', async (t) => {
  const file = JSON.stringify(fixture('conformance/server.js'))
  const slow = `process.argv.splice(1, 0, ''); setTimeout(() => import(${file}), 300)`
  const proxy = await startProxy(t, '--stream-after', '1ms', '--', node, '-e', slow)
  const unknown = { 'io.modelcontextprotocol/protocolVersion': '2030-01-01' }
  const headers = { 'mcp-protocol-version': '2030-01-01' }
  const { status } = await ask(proxy.mcp(), '1', 'server/discover', { _meta: unknown }, headers)
  t.equal(status, 400)
})

t.test('a modern client uses a legacy server, and the log shows no error', async (t) => {
  const proxy = await startProxy(t, ...legacy)
  t.match(await callTool(proxy.mcp(), '1', 'echo', { text: 'é' }), { text: 'é' })
  t.match(await ask(proxy.mcp(), '1', 'ping'), {
    status: 404,
    messages: [{ error: { code: -32601 } }]
  })
  t.notMatch(proxy.stderr, /\[[EW] /)
})

t.test('a server that cannot start counts neither as modern nor as legacy', async (t) => {
  const exiting = ['--', node, '-e', 'console.error("no config"); process.exit(3)']
  const proxy = await startProxy(t, ...exiting)
  for (let attempt = 0; attempt < 2; attempt++) {
    const { messages } = await ask(proxy.mcp(), '1', 'tools/list')
    t.match(messages, [{ id: 1, error: { code: -32000, message: /exited with code 3$/ } }])
  }
  t.match(proxy.stderr, /exited with code 3.*no config/)
})

t.test('the SDK’s client detects the server’s era', async (t) => {
  const off = ['--translate', 'off', ...legacy]
  const cases: [version: string, argv: string[]][] = [
    ['2026-07-28', bothEras],
    ['2026-07-28', legacy],
    ['2025-11-25', off]
  ]
  for (const [version, argv] of cases) {
    const proxy = await startProxy(t, ...argv)
    const client = new Client(
      { name: 'test', version: '1.0.0' },
      { versionNegotiation: { mode: 'auto' } }
    )
    t.teardown(() => client.close())
    await client.connect(new StreamableHTTPClientTransport(new URL(proxy.mcp())))
    t.equal(client.getNegotiatedProtocolVersion(), version)
    const tools = (await client.listTools()).tools.map(({ name }) => name)
    const [name, args, text] = tools.includes('greet')
      ? ['greet', { name: 'é' }, 'Hello, é!']
      : ['echo', { text: 'é' }, 'é']
    const { content } = await client.callTool({ name, arguments: args })
    t.match(content, [{ type: 'text', text }])
  }
})
