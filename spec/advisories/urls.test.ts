// Advisories about URLs from outside: a server's URL that becomes a command or a script, and one that
// takes a regular expression minutes.

import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import type { Test } from 'tap'
import { addition, openShell } from '../command/run.ts'
import { FakeServer, initialize, json, serve } from '../http-server/helpers.ts'
import { parseFrame } from '../../lib/message/parse-frame.ts'
import { shareSessions } from '../../lib/wrappers/share-sessions.ts'
import { bodyOf, headersOf } from '../modern.ts'
import { watch } from '../helpers.ts'

t.setTimeout(120_000)

/** A server that asks for a sign-in, and names `endpoint` as the page to open in a browser. */
async function serveSignIn(t: Test, endpoint: string): Promise<string> {
  const server = createServer((request, response) => {
    const { origin } = new URL(`http://${request.headers.host}`)
    const answer = (status: number, body: object, headers = {}): void => {
      response.writeHead(status, { 'content-type': 'application/json', ...headers })
      response.end(JSON.stringify(body))
    }
    const { url = '' } = request
    if (url.includes('oauth-protected-resource')) {
      answer(200, { resource: `${origin}/mcp`, authorization_servers: [origin] })
    } else if (url.includes('.well-known')) {
      answer(200, {
        issuer: origin,
        authorization_endpoint: endpoint,
        token_endpoint: `${origin}/token`,
        registration_endpoint: `${origin}/register`,
        response_types_supported: ['code'],
        code_challenge_methods_supported: ['S256']
      })
    } else if (url === '/register') {
      answer(201, { client_id: 'a', redirect_uris: ['http://127.0.0.1/callback'] })
    } else {
      const metadata = `${origin}/.well-known/oauth-protected-resource`
      answer(
        401,
        { error: 'sign in' },
        { 'www-authenticate': `Bearer resource_metadata="${metadata}"` }
      )
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`
}

/** Signs in at a hostile server. Returns what the programs that open a browser got. */
async function opened(t: Test, endpoint: string): Promise<string[]> {
  const shell = openShell(t)
  const note = `node -e "require('fs').appendFileSync('opened', process.argv.slice(1).join(' ') + '\\\\n')" --`
  for (const name of [
    'xdg-open',
    'open',
    'start',
    'wslview',
    'sensible-browser',
    'x-www-browser'
  ]) {
    writeFileSync(`${shell.directory}/${name}`, `#!/bin/sh\nexec ${note} "$@"\n`, { mode: 0o755 })
  }
  const url = await serveSignIn(t, endpoint)
  const running = shell.start(`mcp-proxy --login-timeout 2s ${url}`, {
    input: addition,
    env: {
      XDG_STATE_HOME: shell.directory,
      XDG_CONFIG_HOME: shell.directory,
      HOME: shell.directory,
      DISPLAY: ':9'
    }
  })
  // A sign-in waits for the user. A hostile one must have ended before, or be ended.
  const timer = setTimeout(() => void running.kill(), 8000)
  await running.ended
  clearTimeout(timer)
  t.notOk(existsSync(`${shell.directory}/pwned`), 'no command ran')
  const file = `${shell.directory}/opened`
  return existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : []
}

t.test('CVE-2025-6514: the authorization endpoint of a server becomes no command', async (t) => {
  const commands = ';touch${IFS}pwned;$(touch pwned)`touch pwned`&touch pwned|touch pwned'
  const [url = '', ...others] = await opened(t, `http://127.0.0.1:9/${commands}`)
  t.match(url, /^http:\/\/127\.0\.0\.1:9\/;touch\S+$/, 'the browser gets the URL as one word')
  t.strictSame(others, [])
  for (const endpoint of ['file:///usr/bin/touch?pwned', 'http://a$(touch pwned)/', '-pwned']) {
    t.strictSame(await opened(t, endpoint), [], endpoint)
  }
})

t.test('CVE-2025-58444: the authorization endpoint of a server becomes no script', async (t) => {
  for (const endpoint of [
    'javascript:fetch("http://evil.example")',
    'data:text/html,<script>alert(1)</script>'
  ]) {
    t.strictSame(await opened(t, endpoint), [], endpoint)
  }
})

t.test('CVE-2026-0621: a long URI of a resource takes linear time', async (t) => {
  const uri = `a://x/${'a,'.repeat(100_000)}!`
  const milliseconds = (since: NodeJS.CpuUsage): number => {
    const { user, system } = process.cpuUsage(since)
    return (user + system) / 1000
  }
  const shared = shareSessions(() => new FakeServer())
  const port = shared.port()
  const { answer } = watch(port)
  port.write(parseFrame(Buffer.from(json(initialize))))
  await answer(0)
  const start = process.cpuUsage()
  for (const method of ['resources/subscribe', 'resources/read', 'resources/unsubscribe']) {
    port.write(parseFrame(Buffer.from(json({ id: method, method, params: { uri } }))))
  }
  await new Promise((resolve) => setImmediate(resolve))
  t.ok(milliseconds(start) < 250, `${milliseconds(start)} ms in a shared session`)
  await shared.destroy()

  const served = await serve(
    t,
    {},
    () => new FakeServer((message, server) => void server.respond(message))
  )
  const short = `a://x/${'a,'.repeat(2000)}!`
  const before = process.cpuUsage()
  const headers = headersOf('resources/read', { uri: short })
  const response = await served
    .client()
    .post(bodyOf('1', 'resources/read', { uri: short }), headers)
  t.equal(response.status, 200)
  t.ok(milliseconds(before) < 500, `${milliseconds(before)} ms over HTTP`)
})
