// From a server's configuration to the transport to it.

import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'tap'
import type { Test } from 'tap'
import { browse, startAuthorizationServer } from '../../fixtures/servers/authorization.js'
import { toUrlConfig } from '../../lib/config/checks.ts'
import { unattended } from '../../lib/config/credentials.ts'
import type {
  ClientConfig,
  ServeConfig,
  TransportName,
  UrlConfig
} from '../../lib/config/config.ts'
import { describe } from '../../lib/errors.ts'
import { makeFrame } from '../../lib/message/frame.ts'
import type { Frame } from '../../lib/message/frame.ts'
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
    logFormat: 'text',
    inspectMemory: 0,
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
    prewarm: 0,
    watch: false
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

test('a person signs in when the server asks for it', async (t) => {
  const authorization = await startAuthorizationServer()
  const before = process.env.XDG_CONFIG_HOME
  process.env.XDG_CONFIG_HOME = t.testdir()
  t.teardown(() => {
    if (before === undefined) delete process.env.XDG_CONFIG_HOME
    else process.env.XDG_CONFIG_HOME = before
    return authorization.close()
  })
  const credentials = { kind: 'signIn' as const, browser: false, callbackPort: 0 }
  const config = configOf(toUrlConfig(authorization.url, [], 'auto'), { credentials })
  t.capture(process.stderr, 'write', (text: string) => {
    void browse(new URL(text.slice(text.indexOf('http')).trim()))
    return true
  })
  const server = (await urlConnector(config.server, config, new KeptLog()))()
  server.write(makeFrame({ jsonrpc: '2.0', id: 1, method: 'initialize' }))
  const [frame] = (await once(server, 'data')) as [Frame]
  t.match(frame, { kind: 'response', id: 1 })
  server.destroy()
})

test('in server mode, the error says how to sign in', async (t) => {
  const authorization = await startAuthorizationServer()
  t.teardown(() => authorization.close())
  const opening = makeFrame({ jsonrpc: '2.0', id: 1, method: 'initialize' })
  const failsWith = async (server: UrlConfig): Promise<string> => {
    const config = { ...configOf(server), mode: 'server' } as unknown as ServeConfig
    const transport = (await urlConnector(server, config, new KeptLog()))()
    transport.on('data', () => {})
    transport.write(opening)
    const [error] = (await once(transport, 'error')) as [Error]
    return describe(error)
  }
  const { href } = authorization.url
  const plain = toUrlConfig(authorization.url, [], 'auto')
  t.match(await failsWith(plain), `nobody can sign in here: run mcp-proxy login ${href}`)
  const sign = { kind: 'signIn', ...unattended } as const
  const id = { ...plain, credentials: { ...sign, clientId: 'a' } }
  t.match(await failsWith(id), `login ${href} --client-id a`)
  const issuer = { ...plain, credentials: { ...id.credentials, clientIssuer: 'https://a.b' } }
  t.match(await failsWith(issuer), `login ${href} --client-id a --client-issuer https://a.b`)
  const document = { ...plain, credentials: { ...sign, clientMetadataUrl: 'https://a.b/c' } }
  t.match(await failsWith(document), `login ${href} --client-metadata-url https://a.b/c`)
  const secret = toUrlConfig(new URL(`${href}?key=hidden`), [], 'auto')
  t.match(await failsWith(secret), `login ${href}?…`)
  const header = toUrlConfig(authorization.url, [['Authorization', 'x']], 'auto')
  t.match(await failsWith(header), `${href} answered 401`)
})

test('a secret and a key may be in files', async (t) => {
  const authorization = await startAuthorizationServer()
  t.teardown(() => authorization.close())
  const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
  const pem = key.export({ type: 'pkcs8', format: 'pem' }) as string
  const folder = t.testdir({ secret: 'se-cret\n', 'key.pem': pem })
  const sign = { kind: 'signIn', ...unattended, clientId: 'a', clientCredentials: true } as const
  const proofs = [{ clientSecretFile: `${folder}/secret` }, { clientKey: `${folder}/key.pem` }]
  const config = configOf(toUrlConfig(authorization.url, [], 'auto'))
  const before = process.env.XDG_CONFIG_HOME
  t.teardown(() => {
    if (before === undefined) delete process.env.XDG_CONFIG_HOME
    else process.env.XDG_CONFIG_HOME = before
  })
  for (const [index, proof] of proofs.entries()) {
    process.env.XDG_CONFIG_HOME = `${folder}/${index}`
    const { tokenUrl, asked } = await serveTokens(t)
    for (const credentials of [
      { ...sign, ...proof },
      { kind: 'oauth' as const, clientId: 'a', ...proof, tokenUrl }
    ]) {
      const transport = (
        await urlConnector(config.server, { ...config, credentials }, new KeptLog())
      )()
      transport.on('error', () => {}).on('data', () => {})
      transport.write(makeFrame({ jsonrpc: '2.0', id: 1, method: 'initialize' }))
      await once(transport, credentials.kind === 'oauth' ? 'error' : 'data')
      transport.destroy()
    }
    t.equal(asked.length > 0, true)
    const sent = authorization.asked.filter(({ path }) => path === '/token').at(-1)
    const expected = index === 0 ? 'Basic ' : undefined
    t.equal(sent?.headers.authorization?.slice(0, 6), expected)
    t.equal(sent?.body.includes('client_assertion='), index === 1)
  }
  const missing = {
    kind: 'oauth' as const,
    clientId: 'a',
    clientKey: '/missing',
    tokenUrl: new URL('http://a')
  }
  await t.rejects(urlConnector(config.server, { ...config, credentials: missing }, new KeptLog()), {
    code: 'ERR_CONFIG',
    message: '/missing: no such file'
  })
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
