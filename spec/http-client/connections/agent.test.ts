// Connections to a server over real sockets: with and without TLS, directly and through a proxy.

import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import http from 'node:http'
import https from 'node:https'
import { createRequire } from 'node:module'
import net from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import tls from 'node:tls'
import { fileURLToPath } from 'node:url'
import { test } from 'tap'
import type { Test } from 'tap'
import { describe, ProxyError } from '../../../lib/errors.ts'
import { createAgent } from '../../../lib/http-client/connections/agent.ts'
import type { AgentOptions } from '../../../lib/http-client/connections/agent.ts'

const pem = (name: string): string =>
  fileURLToPath(new URL(`../../../fixtures/tls/${name}.pem`, import.meta.url))
const ca = pem('ca')
const identity = { cert: readFileSync(pem('server')), key: readFileSync(pem('server-key')) }
const clientsFromCa = { ca: readFileSync(ca), requestCert: true }

/** The error depends on whether the server sent the certificate of its authority as well. */
const unverified =
  /unable to verify the first certificate|self-signed certificate in certificate chain/

const loaded = (path: string): boolean =>
  Object.keys(createRequire(import.meta.url).cache).some((file) => file.endsWith(`undici/${path}`))

interface Reply {
  status: number
  body: string
}

/** A GET with an agent of its own. The environment names no proxy unless `options` has another. */
async function get(
  t: Test,
  url: string,
  options: Omit<AgentOptions, 'origin'> = {},
  headers = {}
): Promise<Reply> {
  const { origin, pathname } = new URL(url)
  const agent = await createAgent({ env: {}, ...options, origin: new URL(url) })
  t.teardown(() => agent.destroy())
  return new Promise((resolve, reject) => {
    let status = 0
    let body = ''
    agent.dispatch(
      { origin, path: pathname, method: 'GET', headers },
      {
        onRequestStart() {},
        onResponseStart(_controller, statusCode) {
          status = statusCode
        },
        onResponseData(_controller, chunk) {
          body += chunk.toString()
        },
        onResponseEnd: () => resolve({ status, body }),
        onResponseError: (_controller, error) => reject(error)
      }
    )
  })
}

/** The code of the expected error, if it is a ProxyError, and its text in the log. */
async function failure(promise: Promise<unknown>): Promise<{ code?: string; text: string }> {
  try {
    await promise
  } catch (error) {
    return { ...(error instanceof ProxyError && { code: error.code }), text: describe(error) }
  }
  throw new Error('it succeeded')
}

async function listen(t: Test, server: net.Server, scheme: string): Promise<string> {
  const sockets = new Set<net.Socket>()
  server.on('connection', (socket: net.Socket) => {
    sockets.add(socket.on('error', () => {}).on('close', () => sockets.delete(socket)))
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.teardown(async () => {
    for (const socket of sockets) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  })
  return `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const answer = (request: http.IncomingMessage, response: http.ServerResponse): void => {
  const { socket } = request
  const peer = socket instanceof tls.TLSSocket ? socket.getPeerCertificate() : undefined
  response.end(`${request.url} for ${peer?.subject?.CN ?? 'nobody'} at ${request.headers.host}`)
}

const serveHttp = (t: Test): Promise<string> => listen(t, http.createServer(answer), 'http')

const serveHttps = (t: Test, options: https.ServerOptions = {}): Promise<string> =>
  listen(t, https.createServer({ ...identity, ...options }, answer), 'https')

interface Proxy {
  url: string
  /** The URL with a user and a password. */
  secretUrl: string
  host: string
  /** The requests that the proxy got, with their credentials. */
  seen: string[]
}

/** A usual proxy: it makes tunnels, and forwards plain requests whose target is a whole URL. */
async function serveProxy(
  t: Test,
  { scheme = 'http', refuse }: { scheme?: 'http' | 'https'; refuse?: number } = {}
): Promise<Proxy> {
  const seen: string[] = []
  const note = ({ method, url, headers }: http.IncomingMessage): void => {
    const [, credentials = ''] = headers['proxy-authorization']?.split(' ') ?? []
    const user = credentials && ` as ${Buffer.from(credentials, 'base64').toString()}`
    seen.push(`${method} ${url}${user}`)
  }
  const server = scheme === 'https' ? https.createServer(identity) : http.createServer()
  server.on('request', (request: http.IncomingMessage, response: http.ServerResponse) => {
    note(request)
    if (refuse !== undefined) return void response.writeHead(refuse).end('no')
    const { method, headers, url = '' } = request
    const forwarded = http.request(url, { method, headers, agent: false }, (reply) => {
      response.writeHead(reply.statusCode ?? 502, reply.headers)
      reply.pipe(response)
    })
    request.pipe(forwarded)
  })
  server.on('connect', (request: http.IncomingMessage, socket: Duplex) => {
    note(request)
    socket.on('error', () => {})
    if (refuse !== undefined) return void socket.end(`HTTP/1.1 ${refuse} No\r\n\r\n`)
    const { hostname, port } = new URL(`http://${request.url}`)
    const target = net.connect(Number(port), hostname, () => {
      socket.write('HTTP/1.1 200 Go on\r\n\r\n')
      target.pipe(socket).pipe(target)
    })
    target.on('error', () => socket.destroy())
    socket.on('close', () => target.destroy())
  })
  const { port } = new URL(await listen(t, server, scheme))
  const host = `localhost:${port}`
  return { url: `${scheme}://${host}`, host, seen, secretUrl: `${scheme}://ann:s3cr%23t@${host}` }
}

/** A port that nothing listens on. */
async function closedPort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

async function tempDir(t: Test): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'agent-'))
  t.teardown(() => rm(dir, { recursive: true }))
  return dir
}

test('a plain HTTP server needs only the agent of undici, and loads no other part', async (t) => {
  const url = await serveHttp(t)
  t.match(await get(t, `${url}/mcp`), { status: 200, body: /^\/mcp for nobody/ })
  t.ok(loaded('lib/dispatcher/agent.js'))
  t.notOk(loaded('index.js'))
  t.notOk(loaded('lib/dispatcher/proxy-agent.js'))
})

test('a call without a response delays no other', async (t) => {
  const held: http.ServerResponse[] = []
  const server = http.createServer((_request, response) => {
    if (held.push(response) === 20) for (const each of held) each.end('at last')
  })
  const url = new URL(await listen(t, server, 'http'))
  const agent = await createAgent({ origin: url, env: {} })
  t.teardown(() => agent.destroy())
  const calls = Array.from({ length: 20 }, () => {
    return new Promise<void>((resolve, reject) => {
      agent.dispatch(
        { origin: url.origin, path: '/', method: 'POST', body: 'x' },
        {
          onRequestStart() {},
          onResponseStart() {},
          onResponseData() {},
          onResponseEnd: () => resolve(),
          onResponseError: (_controller, error) => reject(error)
        }
      )
    })
  })
  await Promise.all(calls)
  t.equal(held.length, 20)
})

test('a connection fails when it takes too long', async (t) => {
  // The server accepts, and never answers the TLS handshake.
  const url = await listen(t, net.createServer(), 'https')
  const { text } = await failure(get(t, url, { connectTimeout: 50 }))
  t.match(text, /timeout/i)
})

test('a certificate of an unknown authority is refused', async (t) => {
  const { text } = await failure(get(t, await serveHttps(t)))
  t.match(text, unverified)
})

test('`ca` adds an authority that is trusted', async (t) => {
  t.match(await get(t, await serveHttps(t), { ca }), { status: 200 })
})

test('`ca` adds to the authorities that the system trusts', async (t) => {
  const contexts: tls.SecureContextOptions[] = []
  const original = tls.createSecureContext
  t.intercept(tls, 'createSecureContext', {
    value: (options: tls.SecureContextOptions) => {
      contexts.push(options)
      return original(options)
    }
  })
  const origin = new URL('https://localhost')
  const extra = readFileSync(ca, 'utf8')

  t.intercept(tls, 'getCACertificates' as keyof typeof tls, { value: undefined })
  await createAgent({ origin, ca, env: {} })
  t.strictSame(contexts.pop()?.ca, [...tls.rootCertificates, extra])

  t.intercept(tls, 'getCACertificates' as keyof typeof tls, { value: (type: string) => [type] })
  await createAgent({ origin, ca, env: {} })
  t.strictSame(contexts.pop()?.ca, ['default', extra])
})

test('a path in `verify` replaces the authorities of the system', async (t) => {
  const url = await serveHttps(t)
  t.match(await get(t, url, { verify: ca }), { status: 200 })
  await t.rejects(get(t, url, { verify: pem('server'), ca: undefined }), 'with another bundle')
  t.match(
    await get(t, url, { verify: pem('client'), ca }),
    { status: 200 },
    'with an authority added'
  )
})

test('with `verify: false` any certificate is accepted', async (t) => {
  t.match(await get(t, await serveHttps(t), { verify: false }), { status: 200 })
  t.match(await get(t, await serveHttps(t), { verify: false, ca }), { status: 200 })
})

test('a server that asks for a client certificate gets it', async (t) => {
  const url = await serveHttps(t, clientsFromCa)
  const cert = pem('client')
  t.match(await get(t, url, { ca, cert, key: pem('client-key') }), { body: /for test client/ })

  const both = join(await tempDir(t), 'both.pem')
  await writeFile(both, readFileSync(cert, 'utf8') + readFileSync(pem('client-key'), 'utf8'))
  t.match(
    await get(t, url, { ca, cert: both }),
    { body: /for test client/ },
    'key in the same file'
  )

  await t.rejects(get(t, url, { ca }), 'without one')
})

test('the error of an unusable file names the file and its flag', async (t) => {
  const origin = new URL('https://localhost')
  const cases: [Omit<AgentOptions, 'origin'>, RegExp][] = [
    [{ ca: '/no/such' }, /^--ca \/no\/such cannot be read: ENOENT/],
    [{ verify: '/no/such' }, /^--verify-ssl \/no\/such cannot be read: ENOENT/],
    [{ cert: '/no/such' }, /^--cert \/no\/such cannot be read: ENOENT/],
    [{ cert: pem('client'), key: '/no/such' }, /^--key \/no\/such cannot be read: ENOENT/],
    [{ key: pem('client-key') }, /^--key .*client-key\.pem needs --cert as well$/],
    [{ ca: pem('client-key') }, /^--ca .*client-key\.pem holds no certificate \(PEM\): /],
    [
      { cert: pem('client'), key: pem('server-key') },
      /^--cert .* are not a certificate and its key/
    ],
    [{ cert: pem('client') }, /^--cert .* are not a certificate and its key/]
  ]
  for (const [options, expected] of cases) {
    const { code, text } = await failure(createAgent({ origin, env: {}, ...options }))
    t.equal(code, 'ERR_CONFIG')
    t.match(text, expected)
    t.notMatch(text, /\n/)
  }
})

test('no certificate is read for a plain HTTP server', async (t) => {
  t.match(await get(t, await serveHttp(t), { ca: '/no/such' }), { status: 200 })
})

test('plain HTTP goes through HTTP_PROXY in plain requests', async (t) => {
  const [url, proxy] = await Promise.all([serveHttp(t), serveProxy(t)])
  const { host } = new URL(url)
  const reply = await get(t, `${url}/mcp`, { env: { HTTP_PROXY: proxy.url } })
  t.strictSame(reply, { status: 200, body: `/mcp for nobody at ${host}` })
  t.strictSame(proxy.seen, [`GET ${url}/mcp`])
})

test('HTTPS goes through HTTPS_PROXY in a tunnel, with the same verification', async (t) => {
  const [url, proxy] = await Promise.all([serveHttps(t, clientsFromCa), serveProxy(t)])
  const { host } = new URL(url)
  const env = { HTTPS_PROXY: proxy.url }
  const mine = { cert: pem('client'), key: pem('client-key') }
  const reply = await get(t, `${url}/mcp`, { env, ca, ...mine })
  t.strictSame(reply, { status: 200, body: `/mcp for test client at ${host}` })
  t.strictSame(proxy.seen, [`CONNECT ${host}`])

  const { text } = await failure(get(t, url, { env, ...mine }))
  t.match(text, unverified)
  t.match(await get(t, url, { env, verify: false, ...mine }), { status: 200 })
})

test('a proxy is used for its scheme only', async (t) => {
  const [plain, secure, proxy] = await Promise.all([serveHttp(t), serveHttps(t), serveProxy(t)])
  t.match(await get(t, plain, { env: { HTTPS_PROXY: proxy.url } }), { status: 200 })
  t.match(await get(t, secure, { ca, env: { HTTP_PROXY: proxy.url } }), { status: 200 })
  t.strictSame(proxy.seen, [])
})

test('lower case wins over upper case, and an empty value means no proxy', async (t) => {
  const [url, one, other] = await Promise.all([serveHttp(t), serveProxy(t), serveProxy(t)])
  await get(t, url, { env: { HTTP_PROXY: one.url, http_proxy: other.url } })
  t.equal(one.seen.length, 0)
  t.equal(other.seen.length, 1)
  await get(t, url, { env: { HTTP_PROXY: one.url, http_proxy: '' } })
  t.equal(one.seen.length, 0)
})

test('NO_PROXY names hosts that are reached directly', async (t) => {
  const [plain, secure, proxy] = await Promise.all([serveHttp(t), serveHttps(t), serveProxy(t)])
  const both = { HTTP_PROXY: proxy.url, HTTPS_PROXY: proxy.url }
  await get(t, plain, { env: { ...both, NO_PROXY: 'example.com,127.0.0.1' } })
  await get(t, secure, { env: { ...both, no_proxy: '*' }, ca })
  t.strictSame(proxy.seen, [])
  await get(t, plain, { env: { ...both, NO_PROXY: 'example.com' } })
  t.equal(proxy.seen.length, 1)
})

test('the environment of the process is used unless another is given', async (t) => {
  const [url, proxy] = await Promise.all([serveHttp(t), serveProxy(t)])
  const names = ['HTTP_PROXY', 'http_proxy', 'NO_PROXY', 'no_proxy']
  const before = names.map((name) => [name, process.env[name]] as const)
  t.teardown(() => {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name]
      else process.env[name] = value
    }
  })
  for (const name of names) delete process.env[name]
  process.env.HTTP_PROXY = proxy.url
  await get(t, url, { env: undefined })
  t.equal(proxy.seen.length, 1)
  await get(t, url, { env: {} })
  t.equal(proxy.seen.length, 1)
  await get(t, url, { env: { HTTP_PROXY: proxy.url } })
  t.equal(proxy.seen.length, 2)
})

test('a proxy gets the credentials of its URL', async (t) => {
  const [plain, secure, proxy] = await Promise.all([serveHttp(t), serveHttps(t), serveProxy(t)])
  const { host } = new URL(secure)
  await get(t, `${plain}/`, { env: { HTTP_PROXY: proxy.secretUrl } }, { accept: 'x/y' })
  await get(t, secure, { env: { HTTPS_PROXY: proxy.secretUrl }, ca })
  await get(t, secure, { env: { HTTPS_PROXY: `http://tok%en@${proxy.host}` }, ca })
  t.strictSame(proxy.seen, [
    `GET ${plain}/ as ann:s3cr#t`,
    `CONNECT ${host} as ann:s3cr#t`,
    `CONNECT ${host} as tok%en:`
  ])
})

test('the variable may name a proxy without a scheme, or with a path', async (t) => {
  const [url, proxy] = await Promise.all([serveHttp(t), serveProxy(t)])
  await get(t, url, { env: { HTTP_PROXY: proxy.host } })
  await get(t, url, { env: { HTTP_PROXY: `${proxy.url}/some/path` } })
  t.equal(proxy.seen.length, 2)
})

test('the certificate of a proxy is verified even with `verify: false`', async (t) => {
  const [plain, secure] = await Promise.all([serveHttp(t), serveHttps(t)])
  const proxy = await serveProxy(t, { scheme: 'https' })
  const env = { HTTP_PROXY: proxy.url, HTTPS_PROXY: proxy.url }
  t.match(await get(t, secure, { env, ca }), { status: 200 })
  t.match(await get(t, plain, { env, ca }), { status: 200 })
  t.equal(proxy.seen.length, 2)

  const { code, text } = await failure(get(t, secure, { env, verify: false }))
  t.equal(code, 'ERR_CONNECTION')
  t.match(text, /^cannot reach the proxy \S+ \(HTTPS_PROXY\): unable to verify/)
})

test('the error of an unusable proxy URL names the variable and not the value', async (t) => {
  const cases: [NodeJS.ProcessEnv, string][] = [
    [{ HTTP_PROXY: 'http://ann:s3cret@:x' }, 'HTTP_PROXY is not a URL'],
    [
      { http_proxy: 'socks5://ann:s3cret@localhost' },
      'http_proxy: only http:// and https:// proxies can be used, not socks5://'
    ]
  ]
  for (const [env, expected] of cases) {
    const { code, text } = await failure(createAgent({ origin: new URL('http://localhost'), env }))
    t.equal(code, 'ERR_CONFIG')
    t.equal(text, expected)
  }
})

test('the error of a proxy that refuses does not show the password', async (t) => {
  const [plain, secure] = await Promise.all([serveHttp(t), serveHttps(t)])
  const { host } = new URL(secure)

  const strict = await serveProxy(t, { refuse: 407 })
  const strictEnv = { HTTP_PROXY: strict.secretUrl, HTTPS_PROXY: strict.secretUrl }
  t.strictSame(await failure(get(t, secure, { env: strictEnv })), {
    code: 'ERR_CONNECTION',
    text: `the proxy ${strict.host} (HTTPS_PROXY) wants other credentials (407): they belong in its URL, http://user:password@host`
  })
  t.match(await failure(get(t, plain, { env: strictEnv })), { text: /Proxy Authentication .*407/ })

  const choosy = await serveProxy(t, { refuse: 403 })
  const choosyEnv = { HTTP_PROXY: choosy.secretUrl, HTTPS_PROXY: choosy.secretUrl }
  t.strictSame(await failure(get(t, secure, { env: choosyEnv })), {
    code: 'ERR_CONNECTION',
    text: `the proxy ${choosy.host} (HTTPS_PROXY) answered 403 to a request for ${host}`
  })
  t.match(
    await get(t, plain, { env: choosyEnv }),
    { status: 403 },
    'the status may come from the server'
  )
})

test('the error of an unreachable proxy does not show the password', async (t) => {
  const [plain, secure] = await Promise.all([serveHttp(t), serveHttps(t)])
  const host = `127.0.0.1:${await closedPort()}`
  const env = { HTTP_PROXY: `http://ann:s3cret@${host}`, https_proxy: `http://ann:s3cret@${host}` }
  const reason = `connect ECONNREFUSED ${host}`
  t.strictSame(await failure(get(t, plain, { env })), {
    code: 'ERR_CONNECTION',
    text: `cannot reach the proxy ${host} (HTTP_PROXY): ${reason}`
  })
  t.strictSame(await failure(get(t, secure, { env })), {
    code: 'ERR_CONNECTION',
    text: `cannot reach the proxy ${host} (https_proxy): ${reason}`
  })
})

test('a tunnel fails when the proxy is silent', async (t) => {
  const url = await serveHttps(t)
  const deaf = await listen(t, net.createServer(), 'http')
  const { text } = await failure(get(t, url, { env: { HTTPS_PROXY: deaf }, connectTimeout: 100 }))
  t.match(text, /^the proxy \S+ \(HTTPS_PROXY\) does not answer: Headers Timeout/)
})

test('a tunnel fails when its target cannot be reached', async (t) => {
  const proxy = await serveProxy(t)
  const url = `https://127.0.0.1:${await closedPort()}`
  const { code, text } = await failure(get(t, url, { env: { HTTPS_PROXY: proxy.url } }))
  t.equal(code, 'ERR_CONNECTION')
  t.match(text, /^the proxy \S+ \(HTTPS_PROXY\) does not answer: other side closed/)
})
