// Runs the examples of the manual as they are written, but on free ports. The last test connects both
// modes.

import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import t from 'tap'
import type { Test } from 'tap'
import { httpClient, sseClient } from '../../fixtures/clients/raw.js'
import { startHttpServer } from '../../fixtures/servers/http.js'
import { fixture, listenLocally } from '../helpers.ts'
import { add, addition, demo, messagesIn, openShell, three } from './run.ts'
import type { Shell } from './run.ts'

// Each test starts processes, which takes long on a busy machine.
t.setTimeout(120_000)

/** A shell with the programs of the examples. Each writes its arguments to a file and runs the demo. */
const openExampleShell = (t: Test): Shell =>
  openShell(t, {
    uvx: `sh -c 'echo "$@" >"$HOME/uvx-args"; exec ${demo}' sh "$@"`,
    'your-command': `sh -c 'echo "$@" "$KEY" "$ANOTHER_KEY" "$SECRET" >"$HOME/args"; exec ${demo}' sh "$@"`
  })

/** Calls a tool at both endpoints under `base`. */
async function callBothEndpoints(t: Test, base: string): Promise<void> {
  const http = httpClient(`${base}mcp`)
  await http.initialize()
  t.match(await http.request('tools/call', add), three, `${base}mcp`)
  await http.delete()
  http.close()
  const sse = await sseClient(`${base}sse`)
  await sse.initialize()
  t.match(await sse.request('tools/call', add), three, `${base}sse`)
  sse.close()
}

/** Replaces the port of an example by 0, which means a free port. */
const onFreePort = (line: string): string => line.replace(/80\d\d/, '0')

t.test('client mode', async (t) => {
  const shell = openExampleShell(t)
  const server = await shell.serve('mcp-proxy --port 0 uvx mcp-server-fetch')
  const withUrl = (line: string): string => line.replace(/http:\/\/localhost:8080\//, server.url)
  for (const line of [
    'mcp-proxy http://localhost:8080/sse',
    'mcp-proxy --transport streamablehttp http://localhost:8080/mcp',
    "mcp-proxy --headers Authorization 'Bearer YOUR_TOKEN' http://localhost:8080/sse"
  ]) {
    const { code, stdout, stderr } = await shell.run(withUrl(line), { input: addition })
    t.equal(code, 0, line)
    t.equal(stderr, '')
    const messages = messagesIn(stdout)
    t.equal(messages.length, 2)
    t.match(messages, [
      { id: 1, result: { serverInfo: { name: 'demo' } } },
      { id: 2, ...three }
    ])
  }
})

t.test('client mode, with a host name in the URL', async (t) => {
  const shell = openExampleShell(t)
  const { url } = await shell.serve('mcp-proxy --port 0 uvx mcp-server-fetch')
  const line = `mcp-proxy ${url.replace('127.0.0.1', 'localhost')}sse`
  t.match(await shell.run(line, { input: addition }), { code: 0, stdout: /"text":"3"/, stderr: '' })
})

t.test('client mode, with a certificate of an unknown authority', async (t) => {
  const shell = openExampleShell(t)
  const { url } = await shell.serve(
    `mcp-proxy --port 0 --tls-cert ${fixture('tls/server.pem')} --tls-key ${fixture('tls/server-key.pem')} uvx mcp-server-fetch`
  )
  t.match(url, /^https:/)
  const line = 'mcp-proxy --no-verify-ssl https://server.local/sse'.replace(
    'https://server.local/',
    url
  )
  t.match(await shell.run(line, { input: addition }), { code: 0, stdout: /"text":"3"/, stderr: '' })
})

t.test('client mode, with client credentials', async (t) => {
  const shell = openExampleShell(t)
  const tokens = createServer((_request, response) => {
    response.setHeader('content-type', 'application/json')
    response.end('{"access_token":"abc","token_type":"Bearer","expires_in":3600}')
  })
  const port = await listenLocally(t, tokens)
  const server = await startHttpServer()
  t.teardown(() => server.close())
  const line =
    'mcp-proxy --client-id CLIENT_ID --client-secret CLIENT_SECRET --token-url https://auth.example.com/token http://localhost:8080/sse'
  const lineWithUrls = line
    .replace('https://auth.example.com/', `http://127.0.0.1:${port}/`)
    .replace('http://localhost:8080/sse', server.sseUrl)
  const { code, stderr } = await shell.run(lineWithUrls, { input: addition })
  t.equal(code, 0)
  t.equal(stderr, '')
  t.ok(server.requests.length >= 3)
  for (const { headers } of server.requests) t.equal(headers.authorization, 'Bearer abc')
})

t.test('server mode, with a default server', async (t) => {
  const shell = openExampleShell(t)
  for (const line of [
    'mcp-proxy uvx mcp-server-fetch',
    'mcp-proxy --port=8080 -- uvx mcp-server-fetch --user-agent=YourUserAgent',
    'mcp-proxy --pass-environment --port=8096 --sse-host 0.0.0.0 uvx mcp-server-fetch',
    'mcp-proxy --port 8080 uvx mcp-server-fetch'
  ]) {
    const server = await shell.serve(onFreePort(line), { env: { HOME: shell.directory } })
    await callBothEndpoints(t, server.url.replace('0.0.0.0', '127.0.0.1'))
    const args = readFileSync(`${shell.directory}/uvx-args`, 'utf8').trim()
    t.equal(args, /uvx (.*)/.exec(line)?.[1], line)
    t.match(await server.kill(), { code: 0, stdout: '' })
  }
})

t.test('server mode, with arguments and an environment', async (t) => {
  const shell = openExampleShell(t)
  for (const [line, args] of [
    [
      'mcp-proxy --port 8080 -- your-command --arg1 value1 --arg2 value2',
      '--arg1 value1 --arg2 value2'
    ],
    [
      'mcp-proxy your-command --port 8080 -e KEY VALUE -e ANOTHER_KEY ANOTHER_VALUE',
      'VALUE ANOTHER_VALUE'
    ]
  ] as const) {
    const server = await shell.serve(onFreePort(line), {
      env: { HOME: shell.directory, SECRET: 'not passed on' }
    })
    await callBothEndpoints(t, server.url)
    t.equal(readFileSync(`${shell.directory}/args`, 'utf8').trim(), args, line)
    t.match(await server.kill(), { code: 0 })
  }
})

t.test('server mode, with CORS for web pages', async (t) => {
  const shell = openExampleShell(t)
  for (const line of [
    "mcp-proxy your-command --port 8080 --allow-origin='*'",
    "mcp-proxy your-command --port 8080 --allow-origin='*' --expose-header Custom-Header"
  ]) {
    const server = await shell.serve(onFreePort(line), { env: { HOME: shell.directory } })
    await callBothEndpoints(t, server.url)
    const response = await fetch(`${server.url}status`, {
      headers: { origin: 'https://example.com' }
    })
    t.equal(response.headers.get('access-control-allow-origin'), '*', line)
    t.equal(
      response.headers.get('access-control-expose-headers'),
      line.includes('Custom') ? 'Custom-Header' : 'Mcp-Session-Id'
    )
    t.match(await server.kill(), { code: 0 })
  }
})

t.test('server mode, with named servers', async (t) => {
  const shell = openExampleShell(t)
  const config = { mcpServers: { fetch: { command: 'uvx', args: ['mcp-server-fetch'] } } }
  writeFileSync(`${shell.directory}/servers.json`, JSON.stringify(config))
  for (const line of [
    "mcp-proxy --named-server fetch 'uvx mcp-server-fetch' --port 8080",
    "mcp-proxy --port=8080 --named-server fetch 'uvx mcp-server-fetch' --named-server fetch2 'uvx mcp-server-fetch'",
    'mcp-proxy --port=8080 --named-server-config ./servers.json'
  ]) {
    const server = await shell.serve(onFreePort(line), { env: { HOME: shell.directory } })
    const names = line.includes('fetch2') ? ['fetch', 'fetch2'] : ['fetch']
    for (const name of names) await callBothEndpoints(t, `${server.url}servers/${name}/`)
    const status = (await (await fetch(`${server.url}status`)).json()) as object
    t.match(status, {
      api_last_activity: /^\d{4}-\d\d-\d\dT[\d:.]+Z$/,
      server_instances: Object.fromEntries(names.map((name) => [name, 'configured']))
    })
    t.equal((await fetch(`${server.url}mcp`, { method: 'POST' })).status, 404, 'no default server')
    t.match(await server.kill(), { code: 0 })
  }
})

t.test('client mode connects to server mode', async (t) => {
  const shell = openExampleShell(t)
  const server = await shell.serve(onFreePort('mcp-proxy --port 8080 uvx mcp-server-fetch'))
  const client = shell.client(`mcp-proxy ${server.url}sse`)
  t.match(await client.initialize(), { result: { serverInfo: { name: 'demo' } } })
  t.match(await client.request('tools/list'), { result: { tools: [{ name: 'echo' }] } })
  t.match(await client.request('tools/call', add), three)
  t.match(await client.end(), { code: 0, stderr: '' })
})
