// Security: TLS certificates, HTTP proxies, headers and tokens, and that output never shows a secret.

import { readFileSync } from 'node:fs'
import { createServer, request as forward } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import t from 'tap'
import type { Test } from 'tap'
import { startHttpServer } from '../../fixtures/servers/http.js'
import type { HttpServer, Json } from '../../fixtures/servers/http.js'
import { fixture, listenLocally } from '../helpers.ts'
import { addition, demo, messagesIn, openShell } from './run.ts'

t.setTimeout(120_000)

const ca = fixture('tls/ca.pem')
const succeeded = { code: 0, stdout: /"text":"3"/, stderr: '' }
const serverTls = `--tls-cert ${fixture('tls/server.pem')} --tls-key ${fixture('tls/server-key.pem')}`

t.test('client mode verifies certificates of HTTPS', async (t) => {
  const shell = openShell(t)
  const { url, log, kill } = await shell.serve(`mcp-proxy --port 0 ${serverTls} ${demo}`)
  t.match(url, /^https:/)
  await log.until((line) => line.includes('try it'))
  t.match([...log].join('\n'), `"url":"${url}mcp"`)
  for (const path of ['mcp', 'sse']) {
    const run = (flags: string) =>
      shell.run(`mcp-proxy ${flags} ${url}${path}`, { input: addition })
    for (const trust of [
      `--ca ${ca}`,
      `--verify-ssl ${ca}`,
      '--no-verify-ssl',
      '--verify-ssl false',
      `--verify-ssl ${ca} --ca ${ca}`
    ]) {
      t.match(await run(trust), succeeded, `${path} ${trust}`)
    }
    for (const noTrust of ['', '--verify-ssl', `--verify-ssl true`]) {
      const { code, stderr } = await run(noTrust)
      t.equal(code, 1, `${path} ${noTrust}`)
      t.match(stderr, /^mcp-proxy: .*cannot reach .*certificate[^\n]*\n$/)
    }
  }
  t.match(await kill(), { code: 0 })
})

t.test('client mode sends its certificate to a server that requires one', async (t) => {
  const shell = openShell(t)
  const read = (file: string): Buffer => readFileSync(fixture(file))
  const server = await startHttpServer(
    {},
    {
      tls: {
        cert: read('tls/server.pem'),
        key: read('tls/server-key.pem'),
        ca: read('tls/ca.pem'),
        requestCert: true,
        rejectUnauthorized: true
      }
    }
  )
  t.teardown(() => server.close())
  const [cert, key] = [fixture('tls/client.pem'), fixture('tls/client-key.pem')]
  const flags = `--ca ${ca} --cert ${cert} --key ${key}`
  t.match(await shell.run(`mcp-proxy ${flags} ${server.url}`, { input: addition }), {
    code: 0,
    stderr: ''
  })
  t.match(await shell.run(`mcp-proxy --ca ${ca} ${server.url}`, { input: addition }), {
    code: 1,
    stderr: /^mcp-proxy: [^\n]*\n$/
  })
})

/**
 * Starts an HTTP proxy that forwards plain requests and opens tunnels. With a password, it refuses
 * requests without it. `requests` lists the method and the target of each.
 */
async function startHttpProxy(
  t: Test,
  password?: string
): Promise<{ url: string; requests: string[] }> {
  const requests: string[] = []
  const isAllowed = ({ headers }: IncomingMessage): boolean =>
    password === undefined || headers['proxy-authorization'] === `Basic ${btoa(`me:${password}`)}`
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`)
    if (!isAllowed(request)) return response.writeHead(407).end()
    const { url = '', method, headers } = request
    const forwarded = forward(url, { method, headers }, (received) => {
      response.writeHead(received.statusCode as number, received.headers).flushHeaders()
      received.on('error', () => {}).pipe(response)
    })
    forwarded.on('error', () => response.destroy())
    response.on('close', () => forwarded.destroy())
    request.pipe(forwarded)
  })
  server.on('connect', (request, socket: Socket) => {
    requests.push(`CONNECT ${request.url}`)
    socket.on('error', () => {})
    if (!isAllowed(request)) return socket.end('HTTP/1.1 407 No\r\n\r\n')
    const [hostname, port] = (request.url as string).split(':')
    const tunnel = connect(Number(port), hostname as string, () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n')
      socket.pipe(tunnel).pipe(socket)
    })
    tunnel.on('error', () => socket.destroy())
  })
  return { url: `http://127.0.0.1:${await listenLocally(t, server)}`, requests }
}

t.test('client mode uses the HTTP proxies of the environment', async (t) => {
  const shell = openShell(t)
  const plain = await shell.serve(`mcp-proxy --port 0 ${demo}`)
  const secure = await shell.serve(`mcp-proxy --port 0 ${serverTls} ${demo}`)
  const { url: proxy, requests } = await startHttpProxy(t)
  const run = (url: string, env: NodeJS.ProcessEnv) =>
    shell.run(`mcp-proxy --ca ${ca} ${url}mcp`, { input: addition, env })

  t.match(await run(plain.url, { HTTP_PROXY: proxy }), succeeded)
  t.match(requests, [`POST ${plain.url}mcp`])
  requests.length = 0
  t.match(await run(secure.url, { HTTPS_PROXY: proxy }), succeeded)
  t.match(requests, [`CONNECT ${new URL(secure.url).host}`])
  requests.length = 0
  for (const env of [
    { HTTPS_PROXY: proxy },
    { HTTP_PROXY: proxy, NO_PROXY: '127.0.0.1' },
    { http_proxy: proxy, no_proxy: '*' }
  ]) {
    t.match(await run(plain.url, env), succeeded)
  }
  t.strictSame(requests, [])
})

t.test('the log does not show the password of an HTTP proxy', async (t) => {
  const shell = openShell(t)
  const { url } = await shell.serve(`mcp-proxy --port 0 ${demo}`)
  const { url: proxy } = await startHttpProxy(t, 's3cret')
  const run = (HTTP_PROXY: string) =>
    shell.run(`mcp-proxy --debug ${url}mcp`, { input: addition, env: { HTTP_PROXY } })
  const good = await run(proxy.replace('//', '//me:s3cret@'))
  t.match(good, { code: 0, stdout: /"text":"3"/ })
  t.notMatch(good.stderr, 's3cret')
  const bad = await run(proxy.replace('//', '//me:wr0ng@'))
  t.match(bad, { code: 1, stderr: /407/ })
  t.notMatch(bad.stderr, 'wr0ng')
  t.match(await run('http://127.0.0.1:1'), {
    code: 1,
    stderr: /cannot reach the proxy 127.0.0.1:1/
  })
})

t.test('every request carries the headers of the command line', async (t) => {
  const shell = openShell(t)
  const server = await startHttpServer()
  t.teardown(() => server.close())
  const flags = `-H X-One one --headers X-Two 'two words' -H x-one 1`
  for (const url of [server.url, server.sseUrl]) {
    server.requests.length = 0
    t.match(await shell.run(`mcp-proxy ${flags} ${url}`, { input: addition }), { code: 0 })
    t.ok(server.requests.length >= 3)
    for (const { headers } of server.requests) {
      t.match(headers, { 'x-one': '1', 'x-two': 'two words' })
    }
  }
})

const tokensOf = ({ requests }: HttpServer): Set<string | undefined> =>
  new Set(requests.map(({ headers }) => headers.authorization))

t.test('every request carries the token of the environment', async (t) => {
  const shell = openShell(t)
  const server = await startHttpServer()
  t.teardown(() => server.close())
  for (const url of [server.url, server.sseUrl]) {
    t.match(
      await shell.run(`mcp-proxy ${url}`, { input: addition, env: { API_ACCESS_TOKEN: 'abc' } }),
      { code: 0, stderr: '' }
    )
  }
  t.strictSame(tokensOf(server), new Set(['Bearer abc']))
})

/** Issues token-1, token-2… */
async function startTokenEndpoint(t: Test): Promise<{ url: string; issued: string[] }> {
  const issued: string[] = []
  const server = createServer((request, response) => {
    const token = `token-${issued.length + 1}`
    issued.push(token)
    request.resume()
    response.setHeader('content-type', 'application/json')
    const body = { access_token: token, token_type: 'Bearer', expires_in: 3600 }
    response.end(JSON.stringify(body))
  })
  return { url: `http://127.0.0.1:${await listenLocally(t, server)}/token`, issued }
}

t.test('client credentials: a token serves all requests until a server refuses it', async (t) => {
  const shell = openShell(t)
  const { url, issued } = await startTokenEndpoint(t)
  const accepted = new Set(['Bearer token-1'])
  const server = await startHttpServer({
    onPost: (_message: Json, { req, status, byDefault }) => {
      if (accepted.has(String(req.headers.authorization))) byDefault()
      else status(401, '', { 'www-authenticate': 'Bearer' })
    }
  })
  t.teardown(() => server.close())
  const client = shell.client(
    `mcp-proxy --debug --client-id ID --client-secret s3cret --token-url ${url} ${server.url}`
  )
  t.match(await client.initialize(), { result: {} })
  t.match(await client.request('test/any'), { result: {} })
  t.equal(issued.length, 1)
  accepted.clear()
  accepted.add('Bearer token-2')
  t.match(await client.request('test/any'), { result: {} })
  t.equal(issued.length, 2)
  const { code, stderr } = await client.end()
  t.equal(code, 0)
  t.notMatch(stderr, /token-|s3cret/)
})

t.test('client mode exits with 1 when its client credentials are refused', async (t) => {
  const shell = openShell(t)
  const server = await startHttpServer()
  t.teardown(() => server.close())
  const endpoint = createServer((_request, response) => {
    response.writeHead(401, { 'content-type': 'application/json' })
    response.end('{"error":"invalid_client"}')
  })
  const port = await listenLocally(t, endpoint)
  const { code, stdout, stderr } = await shell.run(
    `mcp-proxy --client-id ID --client-secret s3cret --token-url http://127.0.0.1:${port}/ ${server.url}`,
    { input: addition }
  )
  t.equal(code, 1)
  t.match(stderr, /^mcp-proxy: [^\n]*invalid_client[^\n]*\n$/)
  t.match(messagesIn(stdout)[0], { id: 1, error: { code: -32000 } })
  t.notMatch(stdout + stderr, 's3cret')
})

t.test('client mode never prints a secret, on success or failure', async (t) => {
  const shell = openShell(t)
  const { url: tokenUrl } = await startTokenEndpoint(t)
  const server = await startHttpServer()
  const { url } = server
  const env = { API_ACCESS_TOKEN: 's3cret-token' }
  const flags =
    `--debug -H X-Key s3cret-header -H Cookie s3cret-cookie ` +
    `--client-id ID --client-secret s3cret-client --token-url ${tokenUrl}`
  const address = new URL(url)
  address.username = 'me'
  address.password = 's3cret-password'
  address.searchParams.set('key', 's3cret-query')
  const lines = [
    `mcp-proxy ${flags} '${address.href}'`,
    `mcp-proxy ${flags} '${address.href.replace('/mcp', '/nothing')}'`,
    `mcp-proxy ${flags} --transport sse '${address.href}'`,
    `mcp-proxy ${flags} --nonsense '${address.href}'`,
    `mcp-proxy ${flags} '${address.href.replace('http:', 'htp:')}'`,
    `mcp-proxy ${flags} 'http://me:s3cret-password@:x/'`,
    `mcp-proxy --debug -H 'Authorization: s3cret-header' ${url}`,
    `mcp-proxy --debug '-HAuthorization: s3cret-header' ${url}`,
    `mcp-proxy --debug --client-secret=s3cret-client ${url}`,
    `mcp-proxy --debug --token-url s3cret-token ${url}`
  ]
  const check = async (): Promise<void> => {
    for (const line of lines) {
      const { stdout, stderr } = await shell.run(line, { input: addition, env })
      t.notMatch(stderr, 's3cret', line)
      t.notMatch(stdout, 's3cret', line)
    }
  }
  await check()
  await server.close()
  await check()
})

t.test('server mode never prints a secret of a server', async (t) => {
  const shell = openShell(t)
  const { kill, url } = await shell.serve(
    `mcp-proxy --port 0 --debug -e KEY s3cret --named-server one "sh -c '${demo}' s3cret" ${demo}`
  )
  for (const path of ['mcp', 'servers/one/mcp']) {
    await shell.run(`mcp-proxy ${url}${path}`, { input: addition })
  }
  t.notMatch((await kill()).stderr, 's3cret')
})
