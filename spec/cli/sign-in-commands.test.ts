// The subcommands for the tokens that all processes share.

import { readdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { hostname } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { browse, startAuthorizationServer } from '../../fixtures/servers/authorization.js'
import { storeName } from '../../lib/http-client/auth/sign-in/store-folder.ts'
import { run } from './process.ts'

/** Runs the command, and signs in where it asks. Resolves to the exit code and the output. */
function caller(t: Test, env: NodeJS.ProcessEnv): (line: string) => Promise<[number, string]> {
  return async (line) => {
    const { code, messages, log } = run(t, line, env)
    void log
      .until((text: string) => text.includes('to sign in'))
      .then(
        (text = '') =>
          text === '' ? undefined : browse(new URL(text.slice(text.indexOf('http')))),
        () => {}
      )
    const exit = await code
    return [exit, messages.join('\n') || log.join('\n')]
  }
}

t.test('login stores tokens, tokens lists them without secrets, logout removes them', async (t) => {
  const server = await startAuthorizationServer()
  t.teardown(() => server.close())
  const env = { XDG_CONFIG_HOME: t.testdir({}) }
  const call = caller(t, env)
  const { href, origin } = server.url
  t.strictSame(await call('tokens'), [0, 'no tokens'])
  t.strictSame(await call(`login ${href} --no-browser`), [0, `signed in at ${origin}`])
  const [, list] = await call('tokens')
  t.match(list, `${href}  from ${origin}  scope: read  until `)
  t.match(list, ', can be refreshed')
  t.notMatch(list, /access-|refresh-[0-9a-f]/)
  t.ok(server.access.size > 0)
  t.strictSame(await call(`logout ${href}`), [0, `signed out at ${origin}`])
  t.equal(server.access.size + server.refreshes.size, 0, 'the server has revoked the tokens')
  t.strictSame(await call(`logout ${href}`), [0, `not signed in at ${origin}`])
  server.script.token = { refresh_token: undefined, expires_in: undefined }
  server.script.resource = { scopes_supported: undefined }
  await call(`login ${href} --no-browser`)
  t.strictSame(await call('tokens'), [0, `${href}  from ${origin}  scope: none  no end`])
  const [code, error] = await call(`login ${href} -H Authorization x`)
  t.equal(code, 2)
  t.match(error, 'login and logout take no other credentials')
})

t.test(
  'login asks the server first, so it gets the scope and the address of the metadata',
  async (t) => {
    const metadata = (origin: string): string => `${origin}/elsewhere`
    const server = await startAuthorizationServer({
      handle: (req, res, { pathname }) => {
        if (pathname === '/mcp' && req.method === 'POST' && sse) {
          res.writeHead(405).end()
          return true
        }
        if (pathname === '/elsewhere') req.url = '/.well-known/oauth-protected-resource/mcp'
        if (pathname !== '/elsewhere') return false
        res.end(
          JSON.stringify({ resource: server.url.href, authorization_servers: [server.origin] })
        )
        return true
      }
    })
    let sse = false
    t.teardown(() => server.close())
    server.script.challenge = `Bearer resource_metadata="${metadata(server.origin)}", scope="special"`
    const call = caller(t, { XDG_CONFIG_HOME: t.testdir({}) })
    t.match(await call(`login ${server.url.href} --no-browser`), [0, 'signed in'])
    t.match(await call('tokens'), [0, 'scope: special'])
    sse = true
    t.match(await call(`login ${server.url.href} --no-browser`), [0, 'signed in'])
    t.match(server.asked.at(-1), { path: '/token' })
    t.equal(server.asked.filter(({ path }) => path === '/elsewhere').length, 2)
  }
)

t.test('login works at a server that refuses nothing, and says why it fails', async (t) => {
  const server = await startAuthorizationServer({
    handle: (_req, res, { pathname }) => {
      if (pathname !== '/mcp') return false
      res.writeHead(200).end()
      return true
    }
  })
  t.teardown(() => server.close())
  const call = caller(t, { XDG_CONFIG_HOME: t.testdir({}) })
  t.match(await call(`login ${server.url.href} --no-browser`), [0, 'signed in'])
  const closed = createServer()
  await once(closed.listen(0, '127.0.0.1'), 'listening')
  const { port } = closed.address() as AddressInfo
  closed.close()
  const [code, text] = await call(`login http://127.0.0.1:${port}/mcp`)
  t.equal(code, 1)
  t.match(text, `cannot sign in: cannot reach http://127.0.0.1:${port}/.well-known/`)
})

t.test('logout removes the tokens even if they cannot be revoked', async (t) => {
  const server = await startAuthorizationServer()
  t.teardown(() => server.close())
  const { href, origin } = server.url
  const folder = t.testdir({})
  const call = caller(t, { XDG_CONFIG_HOME: folder })
  await call(`login ${href} --no-browser`)
  server.script.handle = (_req, res, { pathname }) => {
    if (pathname !== '/revoke') return false
    res.writeHead(503).end()
    return true
  }
  const reason = 'cannot sign in: the tokens could not be revoked: HTTP status 503'
  const text = `signed out at ${origin}, but its tokens may stay valid: ${reason}`
  t.strictSame(await call(`logout ${href}`), [0, text])
  server.script.metadata = { revocation_endpoint: undefined }
  await call(`login ${href} --no-browser`)
  t.strictSame(await call(`logout ${href}`), [
    0,
    `signed out at ${origin}, which does not offer to revoke tokens`
  ])
  server.script.metadata = {}
  const client = `--client-id a --client-issuer`
  await call(`login ${href} --no-browser ${client} ${origin}`)
  t.match(await call(`logout ${href} ${client} https://auth.example.com`), [
    0,
    `signed out at ${origin}, but its tokens may stay valid: cannot sign in: the authorization server is`
  ])
  t.equal(server.counts.revoke, 0, 'another authorization server gets no secret')
  await call(`login ${href} --no-browser`)
  const files = readdirSync(join(folder, 'mcp-duplex')).filter((name) => name.endsWith('.json'))
  writeFileSync(join(folder, 'mcp-duplex', files[0] as string), '{')
  t.match(await call('tokens'), [1, 'is damaged: remove it, and sign in again'])
  t.strictSame(await call(`logout ${href}`), [0, `signed out at ${origin}`])
  t.strictSame(await call('tokens'), [0, 'no tokens'])
})

t.test('logout does not wait for long for another process', async (t) => {
  const folder = t.testdir({ 'mcp-duplex': {} })
  const url = new URL('http://127.0.0.1:1/mcp')
  const owner = JSON.stringify({ pid: process.pid, host: hostname() })
  writeFileSync(join(folder, 'mcp-duplex', `${storeName(url, '')}.lock.1`), owner)
  t.strictSame(await caller(t, { XDG_CONFIG_HOME: folder })(`logout ${url.href}`), [
    1,
    'mcp-proxy: another process signs in at this server just now'
  ])
})

t.test('on a terminal, login takes the address that the browser could not open', async (t) => {
  const server = await startAuthorizationServer()
  t.teardown(() => server.close())
  const { stdin, log, code } = run(t, `login ${server.url.href} --no-browser`, {
    XDG_CONFIG_HOME: t.testdir({})
  })
  Object.assign(stdin, { isTTY: true })
  const line = (await log.until((text: string) => text.includes('to sign in'))) as string
  await log.until((text: string) => text.includes('paste the address'))
  const answer = await fetch(line.slice(line.indexOf('http')), { redirect: 'manual' })
  stdin.write('\nhello\n')
  await log.until((text: string) => text.includes('not the address of this sign-in'))
  stdin.write(`${answer.headers.get('location')}\n`)
  t.equal(await code, 0)
})
