// Advisories about web pages that reach a server on the user's machine. A page can send requests to
// 127.0.0.1, also under a host name that it makes resolve to that address (DNS rebinding).

import t from 'tap'
import type { Test } from 'tap'
import { httpClient } from '../../fixtures/clients/raw.js'
import { initialize, json, rawConnection, serve } from '../http-server/helpers.ts'
import type { Served } from '../http-server/helpers.ts'
import type { ListenerOptions } from '../../lib/http-server/listener.ts'
import { tokenAuth } from '../../lib/http-server/auth/token-auth.ts'
import { bodyOf, headersOf } from '../modern.ts'

const opening = json(initialize)

interface Attack {
  method: string
  path: string
  body?: string
  headers?: Record<string, string | undefined>
}

/** Every way in which a client can begin. */
const beginnings: Attack[] = [
  { method: 'POST', path: 'mcp', body: opening },
  {
    method: 'POST',
    path: 'mcp',
    body: bodyOf('1', 'tools/list'),
    headers: headersOf('tools/list')
  },
  { method: 'GET', path: 'mcp' },
  { method: 'GET', path: 'sse' },
  { method: 'POST', path: 'messages/?session_id=x', body: opening }
]

/** Resolves to the status of a request. */
async function send(t: Test, { listener }: Served, attack: Attack): Promise<number> {
  const client = httpClient(new URL(attack.path, listener.url))
  t.teardown(() => client.close())
  const headers = { accept: '*/*', ...(attack.body && { 'content-type': 'application/json' }) }
  const all = { ...headers, ...attack.headers }
  const response = await client.open(attack.method, attack.body, all)
  response.resume()
  return response.statusCode ?? 0
}

/** Sends each beginning with these headers. None may reach a server. */
async function refuses(
  t: Test,
  served: Served,
  headers: Record<string, string>,
  prefix = ''
): Promise<void> {
  for (const attack of beginnings) {
    const path = prefix + attack.path
    const all = { ...attack.headers, ...headers }
    const status = await send(t, served, { ...attack, path, headers: all })
    t.equal(status, 403, `${attack.method} ${path} ${JSON.stringify(headers)}`)
  }
  t.equal(served.servers.length, 0, 'no server was started')
}

t.test('CVE-2025-49596: a web page starts no command of its choice', async (t) => {
  const served = await serve(t)
  const { host } = new URL(served.listener.url)
  // The page used the address 0.0.0.0, which browsers took for one of another machine.
  await refuses(t, served, { origin: 'http://evil.example', host })
  await refuses(t, served, { origin: 'http://evil.example', host: `0.0.0.0:${host.split(':')[1]}` })
  const command = 'transportType=stdio&command=touch&args=/tmp/pwned'
  for (const path of [`sse?${command}`, `mcp?${command}`, `stdio?${command}`]) {
    const status = await send(t, served, { method: 'GET', path })
    t.ok(status === 200 || status === 400 || status === 404, `GET ${path}: ${status}`)
  }
  // A client without an `Origin` is no web page. It gets the configured server, and no other.
  t.ok(served.contexts.every(({ server }) => server === ''))
})

t.test('CVE-2025-66414: a host name that resolves to loopback reaches no server', async (t) => {
  const served = await serve(t)
  const { port } = new URL(served.listener.url)
  await refuses(t, served, { host: `evil.example:${port}`, origin: `http://evil.example:${port}` })
})

t.test('CVE-2025-66416: nor if the request has no `Origin`, as one within an origin', async (t) => {
  const served = await serve(t)
  for (const host of ['evil.example', 'localhost.evil.example', '127.0.0.1.evil.example']) {
    await refuses(t, served, { host })
  }
})

t.test(
  'CVE-2026-35568: an `Origin` that is not allowed is refused with the right `Host`',
  async (t) => {
    const served = await serve(t)
    const { host } = new URL(served.listener.url)
    for (const origin of [
      'http://evil.example',
      'https://127.0.0.1.evil.example',
      'null',
      `http://${host}.evil.example`
    ]) {
      await refuses(t, served, { host, origin })
    }
  }
)

/** More advisories about DNS rebinding, and how the server listened that was attacked. */
const rebindings: Record<string, [options: ListenerOptions, prefix?: string]> = {
  // On all addresses, a page still shows its origin.
  'CVE-2026-63118': [{ host: '0.0.0.0' }],
  'CVE-2026-42559': [{ host: 'localhost' }],
  'CVE-2025-64443': [{ servers: ['', 'a'] }, 'servers/a/'],
  // A token in the browser does not help the page.
  'CVE-2026-9739': [{ auth: tokenAuth({ token: 'secret' }) }]
}
for (const [id, [options, prefix = '']] of Object.entries(rebindings)) {
  t.test(`${id}: a page of another host name reaches no server`, async (t) => {
    for (const stateless of [false, true]) {
      const served = await serve(t, { ...options, stateless })
      const { port } = new URL(served.listener.url)
      for (const name of ['evil.example', '127.0.0.1.evil.example', 'localhost.evil.example']) {
        const page = { host: `${name}:${port}`, origin: `http://${name}:${port}` }
        await refuses(t, served, { ...page, authorization: 'Bearer secret' }, prefix)
      }
    }
  })
}

t.test('CVE-2026-59950: a web page opens no WebSocket', async (t) => {
  const served = await serve(t)
  const { host } = new URL(served.listener.url)
  for (const origin of ['http://evil.example', 'null', undefined]) {
    for (const path of ['mcp', 'sse', 'ws', '']) {
      const { socket, text } = rawConnection(t, served.listener)
      const lines = [
        `GET /${path} HTTP/1.1`,
        `Host: ${origin === undefined ? 'evil.example' : host}`,
        ...(origin === undefined ? [] : [`Origin: ${origin}`]),
        'Connection: Upgrade, close',
        'Upgrade: websocket',
        'Sec-WebSocket-Version: 13',
        'Sec-WebSocket-Protocol: mcp',
        'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=='
      ]
      socket.write(`${lines.join('\r\n')}\r\n\r\n`)
      await text.ended
      t.match(text.all, /^HTTP\/1\.1 403 /, `/${path} of ${origin}`)
    }
  }
  t.equal(served.servers.length, 0)
})

t.test('CVE-2026-34742: the listener on `localhost` is protected on every path', async (t) => {
  for (const stateless of [false, true]) {
    const served = await serve(t, { host: 'localhost', stateless })
    await refuses(t, served, { host: 'evil.example' })
  }
})

t.test('CVE-2026-33252: a POST that a form could send calls no tool', async (t) => {
  const bodies = [
    opening,
    bodyOf('1', 'tools/call', { name: 'a' }),
    json({ id: 1, method: 'tools/list' })
  ]
  const types = [
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data',
    'text/plain; application/json'
  ]
  for (const stateless of [false, true]) {
    const served = await serve(t, { stateless })
    for (const body of bodies) {
      for (const type of types) {
        const attack = { method: 'POST', path: 'mcp', body, headers: { 'content-type': type } }
        t.equal(await send(t, served, attack), 415, type)
        const origin = { ...attack.headers, origin: 'https://evil.example' }
        t.equal(
          await send(t, served, { ...attack, headers: origin }),
          403,
          `${type} with an origin`
        )
      }
      const none = { method: 'POST', path: 'mcp', body, headers: { 'content-type': undefined } }
      t.equal(await send(t, served, none), 415, 'without a type')
    }
    t.equal(served.servers.length, 0, 'no server was started')
  }
})
