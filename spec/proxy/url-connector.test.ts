// From a server's configuration to the transport to it.

import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'tap'
import type { Test } from 'tap'
import { toUrlConfig } from '../../lib/config/checks.ts'
import type {
  ClientConfig,
  ServeConfig,
  TransportName,
  UrlConfig
} from '../../lib/config/config.ts'
import { describe } from '../../lib/errors.ts'
import { limits } from '../../lib/limits.ts'
import { urlConnector } from '../../lib/proxy/url-connector.ts'
import { fixture, KeptLog } from '../helpers.ts'
import { hold, sent, serve } from '../http-client/helpers.ts'
import type { Connected } from '../http-client/helpers.ts'

/** The configuration of client mode for a server at a URL. */
function configOf(server: UrlConfig, more: Partial<ClientConfig> = {}): ClientConfig {
  return {
    mode: 'client',
    logLevel: 'INFO',
    limits,
    verify: true,
    era: 'auto',
    translate: 'auto',
    warnings: [],
    server,
    ...more
  }
}

async function connect(
  t: Test,
  transport: TransportName,
  more: Partial<ClientConfig> = {},
  path: 'url' | 'sseUrl' = 'url',
  tls?: { cert: Buffer; key: Buffer }
): Promise<Connected> {
  const server = await serve(t, {}, tls && { tls })
  const config = configOf(toUrlConfig(new URL(server[path]), [['X-Key', 'k']], transport), more)
  const log = new KeptLog()
  const connector = await urlConnector(config.server, config, log)
  return hold(t, connector(), server, log)
}

test('each configured transport is used', async (t) => {
  const http = await connect(t, 'streamablehttp')
  await http.initialize()
  t.equal(http.server.received[0]?.headers['x-key'], 'k')
  t.strictSame(http.server.received[0]?.path, '/mcp')

  const sse = await connect(t, 'sse', {}, 'sseUrl')
  await sse.initialize()
  t.match(sse.server.received[0], { method: 'GET', path: '/sse', headers: { 'x-key': 'k' } })

  const auto = await connect(t, 'auto', {}, 'sseUrl')
  await auto.initialize()
  t.strictSame(
    auto.server.received.slice(0, 2).map(({ method }) => method),
    ['POST', 'GET']
  )

  const wrong = await connect(t, 'streamablehttp', {}, 'sseUrl')
  await t.rejects(wrong.initialize(), { code: 'ERR_HTTP_STATUS' })
})

test('a connector can be used more than once', async (t) => {
  const server = await serve(t)
  const config = configOf(toUrlConfig(new URL(server.url), [], 'auto'))
  const log = new KeptLog()
  const connector = await urlConnector(config.server, config, log)
  for (const times of [1, 2]) {
    const { initialize, transport, closed } = hold(t, connector(), server, log)
    await initialize()
    transport.end()
    t.equal(await closed, undefined)
    t.equal(sent(server, 'DELETE').length, times)
  }
})

test('the configured limits are used', async (t) => {
  const patient = { ...limits, connectTimeout: 100, maxMessage: 1000 }
  const { server, initialize, ask } = await connect(t, 'streamablehttp', { limits: patient })
  await initialize()
  const { error } = await ask('tools/list', { pad: 'x'.repeat(2000) })
  t.match(error?.message, /over the limit of 1000 /)
  server.script.onPost = () => {}
  const config = configOf(toUrlConfig(new URL(server.url), [], 'auto'), { limits: patient })
  const log = new KeptLog()
  const silent = hold(t, (await urlConnector(config.server, config, log))(), server, log)
  await t.rejects(silent.initialize(), { code: 'ERR_TIMEOUT' })
})

test('certificates are checked as configured', async (t) => {
  const tls = {
    cert: readFileSync(fixture('tls/server.pem')),
    key: readFileSync(fixture('tls/server-key.pem'))
  }
  for (const more of [{ ca: fixture('tls/ca.pem') }, { verify: false }]) {
    const { initialize } = await connect(t, 'auto', more, 'url', tls)
    t.match(await initialize(), { result: {} })
  }
  const { initialize } = await connect(t, 'auto', {}, 'url', tls)
  await t.rejects(initialize(), { code: 'ERR_CONNECTION' })
})

test('server mode reaches servers by URL as well', async (t) => {
  const server = await serve(t)
  const { server: url, ...common } = configOf(toUrlConfig(new URL(server.url), [], 'auto'))
  const config: ServeConfig = {
    ...common,
    limits,
    mode: 'server',
    named: new Map([['remote', url]]),
    port: 0,
    host: '127.0.0.1',
    stateless: false,
    requireAuth: false,
    trustProxy: [],
    auditRequired: false,
    shared: false,
    allowOrigins: [],
    exposeHeaders: [],
    allowHosts: [],
    basePath: '',
    prewarm: 0
  }
  const log = new KeptLog()
  const { initialize } = hold(t, (await urlConnector(url, config, log))(), server, log)
  t.match(await initialize(), { result: {} })
})

/** A token endpoint whose tokens are numbered. */
async function serveTokens(t: Test): Promise<{ tokenUrl: URL; asked: string[] }> {
  const asked: string[] = []
  const server = createServer((request, response) => {
    request.resume()
    asked.push(request.headers.authorization ?? '')
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end(JSON.stringify({ access_token: `token-${asked.length}`, token_type: 'bearer' }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  const { port } = server.address() as AddressInfo
  return { tokenUrl: new URL(`http://127.0.0.1:${port}/token`), asked }
}

test('a token is fetched for every transport, and fetched again when it is refused', async (t) => {
  for (const transport of ['auto', 'streamablehttp', 'sse'] as const) {
    const { tokenUrl, asked } = await serveTokens(t)
    const credentials = { kind: 'oauth' as const, clientId: 'id', clientSecret: 'secret', tokenUrl }
    const path = transport === 'sse' ? 'sseUrl' : 'url'
    const { initialize, ask, server } = await connect(t, transport, { credentials }, path)
    await initialize()
    t.strictSame(asked, [`Basic ${Buffer.from('id:secret').toString('base64')}`], transport)
    for (const { headers } of server.received) t.equal(headers.authorization, 'Bearer token-1')
    const refuse: NonNullable<typeof server.script.onPost> = (_message, exchange) => {
      if (exchange.req.headers.authorization === 'Bearer token-2') exchange.byDefault()
      else exchange.status(401)
    }
    Object.assign(server.script, { onPost: refuse, onMessage: refuse })
    t.match(await ask('tools/list'), { result: {} })
    t.equal(asked.length, 2)
  }
})

test('a login authenticates every request', async (t) => {
  const credentials = { kind: 'login' as const, username: 'me', password: 'p', digest: false }
  for (const transport of ['auto', 'streamablehttp', 'sse'] as const) {
    const path = transport === 'sse' ? 'sseUrl' : 'url'
    const { initialize, server } = await connect(t, transport, { credentials }, path)
    await initialize()
    for (const { headers } of server.received) t.equal(headers.authorization, 'Basic bWU6cA==')
  }
})

test('a token that cannot be fetched is an error without the secret in it', async (t) => {
  const credentials = {
    kind: 'oauth' as const,
    clientId: 'id',
    clientSecret: 'xyzzy',
    tokenUrl: new URL('http://127.0.0.1:1/')
  }
  const { initialize, closed } = await connect(t, 'auto', { credentials })
  await t.rejects(initialize(), { code: 'ERR_TOKEN' })
  const text = describe(await closed)
  t.match(text, '127.0.0.1:1')
  t.notMatch(text, 'xyzzy')
})

test('a silent token endpoint fails after `connectTimeout`', async (t) => {
  const server = createServer(() => {})
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  const { port } = server.address() as AddressInfo
  const tokenUrl = new URL(`http://127.0.0.1:${port}/token`)
  const credentials = { kind: 'oauth' as const, clientId: 'id', clientSecret: 'secret', tokenUrl }
  const short = { ...limits, connectTimeout: 100 }
  const { initialize } = await connect(t, 'auto', { credentials, limits: short })
  await t.rejects(initialize(), { code: 'ERR_TOKEN' })
})
