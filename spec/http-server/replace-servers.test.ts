// A listener that gets other servers, or another certificate, while clients use it.

import { readFileSync } from 'node:fs'
import { test } from 'tap'
import { issuerAuth } from '../../lib/http-server/auth/issuer-auth.ts'
import { tokenAuth } from '../../lib/http-server/auth/token-auth.ts'
import type { HttpResponse } from '../../fixtures/clients/raw.js'
import { fixture } from '../helpers.ts'
import { bodyOf, headersOf } from '../modern.ts'
import { getJson, json, serve } from './helpers.ts'
import { startIssuer } from './auth/small-issuer.ts'

const ping = json({ id: 99, method: 'ping' })
const mcpOf = (server: string): string => `servers/${server}/mcp`

test('only the clients of replaced servers end, when their calls have responses', async (t) => {
  const { client, servers, listener } = await serve(t, { servers: ['', 'a', 'b'] })
  const [kept, changed, removed] = ['mcp', mcpOf('a'), mcpOf('b')].map((path) => client({ path }))
  if (kept === undefined || changed === undefined || removed === undefined) return
  for (const one of [kept, changed, removed]) await one.initialize()
  const idle = client({ path: mcpOf('a') })
  await idle.initialize()
  const calls = [kept, changed, removed].map((one) => one.request('tools/call'))
  const [first, second, third] = servers
  for (const server of [first, second, third]) await server?.got('tools/call')
  const modern = idle.post(bodyOf('1', 'tools/list'), headersOf('tools/list'))
  await servers.until(() => servers.length === 5)
  const note = client({ path: mcpOf('b') })

  const states: string[] = []
  const wait = (name: string, done: Promise<void>): void => void done.then(() => states.push(name))
  wait('one', listener.replaceServers(['', 'a', 'c'], ['a', 'b']))
  wait('two', listener.replaceServers(['', 'a', 'c'], ['a', 'b']))
  t.equal((await idle.post(ping)).status, 404, 'an idle session has ended')
  t.equal((await changed.post(ping)).status, 404)
  t.equal((await removed.post(ping)).status, 404)
  t.equal((await note.post(ping)).status, 404, 'nothing is there for others')
  t.match(await kept.request('ping'), { result: {} })
  t.match(await client({ path: mcpOf('c') }).initialize(), { result: {} })
  t.strictSame(states, ['two'], 'a second change waits for no client of the first')

  for (const server of [first, second, third]) {
    await server?.respond(await server.got('tools/call'), { done: 1 })
  }
  for (const call of calls) t.match(await call, { result: { done: 1 } })
  t.strictSame(states, ['two'], 'the client without a session still waits')
  const last = servers[4]
  await last?.respond(await last.got('tools/list'))
  t.equal((await modern).status, 200)
  await listener.replaceServers([''], [])
  t.strictSame(states, ['two', 'one'])
  t.match(await kept.request('ping'), { result: {} })
})

test('with an issuer, new servers have metadata, and sessions of old ones their audience', async (t) => {
  const publicUrl = 'https://mcp.example.com'
  const issuer = await startIssuer(t)
  const auth = issuerAuth({ issuers: [issuer.url] })
  const { client, servers, listener } = await serve(t, { auth, publicUrl, servers: ['a'] })
  const token = await issuer.sign({ aud: `${publicUrl}/servers/a/mcp` })
  const one = client({ path: mcpOf('a'), headers: { authorization: `Bearer ${token}` } })
  await one.initialize()
  const call = one.request('tools/call')
  const [server] = servers
  await server?.got('tools/call')
  const ended = listener.replaceServers(['b'], ['a'])
  t.equal((await one.post(json({ method: 'notifications/x' }))).status, 202)
  t.ok(await server?.got('notifications/x'))
  t.equal((await one.post(ping)).status, 404)
  const metadata = '.well-known/oauth-protected-resource/servers/'
  t.equal((await getJson(t, listener, `${metadata}a/mcp`))[0], 401, 'as at each other path')
  t.match(await getJson(t, listener, `${metadata}b/mcp`), [
    200,
    { resource: `${publicUrl}/servers/b/mcp` }
  ])
  await server?.respond(await server.got('tools/call'))
  t.match(await call, { result: {} })
  await ended
  t.equal(auth.reload?.(), false, 'an issuer has no file')
  const file = `${t.testdir({ tokens: 'alice:one\n' })}/tokens`
  const both = issuerAuth({ issuers: [issuer.url], tokens: tokenAuth({ file }) })
  t.equal(both.reload?.(), false)
})

test('the path of a removed server takes requests while the server holds calls', async (t) => {
  const holding = new Set<string>()
  const holdsCalls = (server: string): boolean => holding.has(server)
  const { client, servers, listener } = await serve(t, { servers: ['a'], holdsCalls })
  await listener.replaceServers([''], ['a'])
  const post = (): Promise<HttpResponse> =>
    client({ path: mcpOf('a') }).post(bodyOf('1', 'tools/list'), headersOf('tools/list'))
  t.equal((await post()).status, 404)
  t.equal(servers.length, 0)
  holding.add('a')
  const response = post()
  await servers.until(() => servers.length === 1)
  await servers[0]?.respond(await servers[0].got('tools/list'))
  t.equal((await response).status, 200)
})

test('a listener without TLS ignores a certificate', async (t) => {
  const { listener, client } = await serve(t)
  listener.setTls({
    cert: readFileSync(fixture('tls/server.pem')),
    key: readFileSync(fixture('tls/server-key.pem'))
  })
  t.match(await client().initialize(), { result: {} })
})
