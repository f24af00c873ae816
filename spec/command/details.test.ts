// What clients over HTTP see of a server that fails: what failed and the exit code. The log shows
// the rest: the output of the server, the PATH, files, URLs and causes.

import { mkdirSync, rmdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import t from 'tap'
import { httpClient, sseClient } from '../../fixtures/clients/raw.js'
import { listenLocally } from '../helpers.ts'
import { bodyOf, headersOf } from '../modern.ts'
import { openShell } from './run.ts'

t.setTimeout(120_000)

const secret = 'hunter2'
const initialize = {
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: {
    protocolVersion: '2025-11-25',
    capabilities: {},
    clientInfo: { name: 'test', version: '1' }
  }
}

t.test('clients over HTTP see what failed, and the log shows why', async (t) => {
  const shell = openShell(t)
  const answering = createServer((request, response) => {
    if (request.url === '/broken') response.writeHead(200, { 'content-type': 'application/json' })
    else response.writeHead(500)
    response.end(`the password is ${secret}`)
  })
  const port = await listenLocally(t, answering)
  const remote = (path: string, scheme = 'http'): object => ({
    url: `${scheme}://user:${secret}@127.0.0.1:${port}/${path}`,
    type: 'http'
  })
  const gone = join(shell.directory, secret)
  const crash = `console.error("the password is ${secret}"); process.exit(3)`
  const cases: Record<string, { server: object; seen: RegExp; logged: RegExp }> = {
    command: {
      server: { command: `no-such-${secret}`, args: [] },
      seen: /the command of the server cannot be found/,
      logged: /not found; PATH is /
    },
    path: {
      server: { command: `/no/such/${secret}`, args: [] },
      seen: /the command of the server cannot be found/,
      logged: /no program at \/no\/such/
    },
    cwd: {
      server: { command: 'node', args: [], cwd: gone },
      seen: /the command of the server cannot be found/,
      logged: /there is no directory .*hunter2/
    },
    crash: {
      server: { command: 'node', args: ['-e', crash] },
      seen: /the server exited with code 3/,
      logged: /it said: the password is/
    },
    signal: {
      server: { command: 'sh', args: ['-c', `echo ${secret} >&2; kill -9 $$`] },
      seen: /the server was ended by SIGKILL/,
      logged: /it said: hunter2/
    },
    refused: {
      server: { url: `http://user:${secret}@127.0.0.1:1/mcp`, type: 'http' },
      seen: /the connection to the server failed/,
      logged: /cannot reach .*ECONNREFUSED/
    },
    status: {
      server: remote('status'),
      seen: /the server answered with the HTTP status 500/,
      logged: /500: the password is/
    },
    broken: {
      server: remote('broken'),
      seen: /the server sent an invalid response/,
      logged: /not (valid )?JSON/
    },
    tls: {
      server: remote('mcp', 'https'),
      seen: /the connection to the server failed/,
      logged: /cannot reach .*(SSL|wrong version|EPROTO)/i
    }
  }
  const mcpServers = Object.fromEntries(
    Object.entries(cases).map(([name, { server }]) => [name, server])
  )
  const config = join(shell.directory, 'servers.json')
  writeFileSync(config, JSON.stringify({ mcpServers }))
  for (const flag of ['', '--shared', '--stateless']) {
    mkdirSync(gone)
    const { url, log, kill } = await shell.serve(
      `mcp-proxy --port 0 ${flag} --named-server-config ${config} -- true`
    )
    rmdirSync(gone)
    for (const [name, { seen, logged }] of Object.entries(cases)) {
      const base = `${url}servers/${name}/`
      const client = httpClient(`${base}mcp`)
      const legacy = await client.post(JSON.stringify(initialize))
      const modern = await client.post(bodyOf('1', 'tools/list'), headersOf('tools/list'))
      const texts = { legacy: legacy.text, modern: modern.text }
      const old = flag === '' ? await sseClient(`${base}sse`) : undefined
      if (old !== undefined) {
        const answer = await old.request('initialize', initialize.params).catch(String)
        old.close()
        Object.assign(texts, { sse: JSON.stringify(answer) })
      }
      for (const [kind, text] of Object.entries(texts)) {
        const subject = `${flag} ${name} ${kind}: ${text}`
        t.notMatch(
          text,
          /hunter2|PATH|password|127\.0\.0\.1|\/no\/|ECONN|SSL|it said|JSON \(/,
          subject
        )
        if (kind !== 'sse' || text.includes('error')) t.match(text, seen, subject)
      }
      t.ok(await log.until((line) => logged.test(line)), `${flag} ${name}: ${String(logged)}`)
      client.close()
    }
    await kill()
  }
})
