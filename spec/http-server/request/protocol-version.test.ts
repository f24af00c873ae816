// The header `MCP-Protocol-Version` of the requests to /mcp.

import { test } from 'tap'
import { FakeServer, initialize, json, serve } from '../helpers.ts'

const ping = json({ id: 1, method: 'ping' })

test('the version header of a request in a session may name any legacy revision', async (t) => {
  const { session } = await serve(t, {}, () => {
    return new FakeServer((message, server) => {
      if (message.method === 'ping') void server.respond(message)
      const result = { protocolVersion: '2099-01-01', capabilities: {}, serverInfo: {} }
      if (message.method === 'initialize') void server.respond(message, result)
    })
  })
  const { client } = await session()
  const statusFor = async (version: string | undefined): Promise<number> =>
    (await client.post(ping, { 'mcp-protocol-version': version })).status
  for (const version of ['2024-11-05', '2025-03-26', '2025-06-18', '2025-11-25', undefined]) {
    t.equal(await statusFor(version), 200, version ?? 'none')
  }
  for (const version of ['1900-01-01', 'x']) t.equal(await statusFor(version), 400, version)
  t.equal(await statusFor('2099-01-01'), 200, 'the negotiated version')
  const get = (version: string) => client.openGet({ headers: { 'mcp-protocol-version': version } })
  t.equal((await get('2025-06-18')).status, 200)
  t.equal((await get('2099-01-01')).status, 200, 'the negotiated version')
  t.equal((await get('1900-01-01')).status, 400)
  t.equal((await client.delete({ 'mcp-protocol-version': 'x' })).status, 400)
})

test('an unknown version matters more than an unknown session', async (t) => {
  const { client } = await serve(t)
  const headers = { 'mcp-protocol-version': '1999-01-01', 'mcp-session-id': 'unknown' }
  const { status, text } = await client().post(ping, headers)
  t.match([status, JSON.parse(text)], [400, { id: 1, error: { message: /^MCP-Protocol-Version/ } }])
})

test('the error for an unknown version names the header, the version and those that are known', async (t) => {
  const known = '2024-11-05, 2025-03-26, 2025-06-18, 2025-11-25, 2026-07-28'
  const errorFor = (version: string): object => ({
    code: -32600,
    message: `MCP-Protocol-Version ${version} is not supported; supported are ${known}`
  })
  for (const stateless of [false, true]) {
    const { session, client } = await serve(t, { stateless })
    const clients = stateless ? [client()] : [client(), (await session()).client]
    for (const raw of clients) {
      for (const [version, shown] of [
        ['1999-01-01', '"1999-01-01"'],
        ['a\tb', '"a b"'],
        ['x'.repeat(1000), `"${'x'.repeat(100)}…"`]
      ] as const) {
        const headers = { 'mcp-protocol-version': version }
        for (const body of [ping, json(initialize)]) {
          const { status, text } = await raw.post(body, headers)
          t.match([status, JSON.parse(text)], [400, { error: errorFor(shown) }])
          t.equal(JSON.parse(text).id, JSON.parse(body).id)
        }
        if (stateless) continue
        for (const method of ['GET', 'DELETE']) {
          const response = await raw.open(method, undefined, headers)
          const text = (await response.setEncoding('utf8').toArray()).join('')
          t.match([response.statusCode, JSON.parse(text)], [400, { error: errorFor(shown) }])
        }
      }
    }
  }
})
