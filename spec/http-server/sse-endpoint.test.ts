// The endpoint of HTTP+SSE, as clients use it.

import { test } from 'tap'
import { sseClient } from '../../fixtures/clients/raw.js'
import { json, rawConnection, serve, until } from './helpers.ts'

const ping = json({ id: 1, method: 'ping' })

test('the endpoint is beside the stream, as an absolute path if the base path is known', async (t) => {
  const named = 'servers/two%20words'
  const cases: [basePath: string | undefined, path: string, endpoint: string, pathname: string][] =
    [
      [undefined, 'sse', 'messages/', '/messages/'],
      [undefined, 'sse/', '../messages/', '/messages/'],
      [undefined, `${named}/sse`, 'messages/', `/${named}/messages/`],
      [undefined, `${named}/sse/`, '../messages/', `/${named}/messages/`],
      ['', 'sse', '/messages/', '/messages/'],
      ['/', `${named}/sse/`, `/${named}/messages/`, `/${named}/messages/`],
      ['/base', 'sse', '/base/messages/', '/base/messages/'],
      ['/base', `base/${named}/sse/`, `/base/${named}/messages/`, `/base/${named}/messages/`]
    ]
  for (const [basePath, path, endpoint, expected] of cases) {
    const { sse, contexts } = await serve(t, { basePath, servers: ['', 'two words'] })
    const { client } = await sse(path)
    const { pathname, searchParams } = new URL(client.endpoint)
    t.ok(client.connection.events[0]?.data?.startsWith(`${endpoint}?`), endpoint)
    t.equal(pathname, expected, `${path}, base path "${basePath}"`)
    t.match(contexts, [{ session: searchParams.get('session_id') }])
    t.match(await client.request('ping'), { result: {} })
  }
})

test('a session is found by its id at any path that ends with /messages/', async (t) => {
  const { sse } = await serve(t, { servers: ['', 'one', 'two'] })
  const { client } = await sse('servers/one/sse')
  const { endpoint } = client
  for (const path of ['/', '/servers/one/', '/servers/two/', '/servers/unknown/', '/tools/x/']) {
    client.endpoint = endpoint.replace('/servers/one/', path)
    t.match(await client.request('ping'), { result: {} }, client.endpoint)
    client.endpoint = client.endpoint.replace('messages/', 'messages')
    t.match(await client.request('ping'), { result: {} }, client.endpoint)
  }
  client.endpoint = endpoint.replace(/\w$/, 'x')
  t.equal((await client.post(ping)).status, 404)
})

test('an incomplete initialize gets its error on the POST and on the stream', async (t) => {
  const { sse } = await serve(t)
  const { client, server } = await sse()
  const error = { code: -32602, message: /^initialize: / }
  for (const params of [undefined, {}, { protocolVersion: 1 }]) {
    const id = 9007199254740993n
    const body = json({ id: 'ID', method: 'initialize', params }).replace('"ID"', `${id}`)
    const { status, text } = await client.post(body)
    t.equal(status, 400)
    t.match(JSON.parse(text), { error })
    t.match(text, `"id":${id}`)
    t.match(await client.messages.until(() => true), { error })
    t.match(client.connection.events.at(-1)?.data, `"id":${id}`)
  }
  const { status } = await client.post(json({ method: 'initialize' }))
  t.equal(status, 400, 'a notification has no response')
  t.equal(client.messages.length, 3)
  t.match(await client.request('ping'), { result: {} })
  t.strictSame(
    server.received.map(({ method }) => method as unknown),
    ['ping']
  )
})

test('the headers of the stream tell reverse proxies to forward each event', async (t) => {
  const { sse } = await serve(t)
  const { client } = await sse()
  t.match(client.connection.headers, {
    'content-type': 'text/event-stream',
    'cache-control': 'no-cache, no-transform',
    'x-accel-buffering': 'no'
  })
})

test('each connection is a separate session', async (t) => {
  const { sse, listener } = await serve(t)
  const one = await sse()
  const two = await sse()
  t.not(one.client.endpoint, two.client.endpoint)
  t.equal(listener.sessions, 2)
  const results = [one, two].map(({ client }) => client.request('x', {}, { id: 1 }))
  for (const [n, { server }] of [one, two].entries()) {
    const request = await server.got('x')
    await server.respond(request, { n })
  }
  t.match(await Promise.all(results), [{ result: { n: 0 } }, { result: { n: 1 } }])
})

test('each kind of refusal has its status', async (t) => {
  const { sse, client } = await serve(t, { maxMessage: 100 })
  const { client: old } = await sse()
  const post = async (body: string, headers = {}): Promise<[number, number]> => {
    const { status, text } = await old.post(body, headers)
    return [status, JSON.parse(text).error.code]
  }
  t.strictSame(await post('{'), [400, -32700])
  t.strictSame(await post('{}'), [400, -32600])
  t.strictSame(await post(`[${ping}]`), [400, -32600], 'a batch')
  t.strictSame(await post(ping.padEnd(101)), [413, -32600])
  t.strictSame(await post(ping, { 'content-type': 'text/plain' }), [415, -32600])
  const { endpoint } = old
  for (const unknown of [endpoint.replace(/\w$/, 'x'), endpoint.replace(/\?.*/, '')]) {
    old.endpoint = unknown
    t.strictSame(await post(ping), [404, -32001], unknown)
  }
  old.endpoint = endpoint
  t.match(await old.request('ping'), { result: {} }, 'the session goes on')
  const wrong = client({ path: 'messages/' })
  t.match(await wrong.open('GET'), { statusCode: 405, headers: { allow: 'POST' } })
  // From this a client of both transports learns that the URL is for the older one.
  t.match(await client({ path: 'sse' }).open('POST', ping), {
    statusCode: 405,
    headers: { allow: 'GET' }
  })
})

test('the server gets an error in place of a response that is too large', async (t) => {
  const { sse } = await serve(t, { maxMessage: 100 })
  const { client, server } = await sse()
  const response = json({ id: 'q', result: 'x'.repeat(100) })
  t.equal((await client.post(response)).status, 413)
  t.match(await server.received.until(({ id }) => id === 'q'), { error: { code: -32600 } })
})

test('the id of a Streamable HTTP session does not name a connection', async (t) => {
  const { sse, session } = await serve(t)
  const { client } = await session()
  const { client: old } = await sse()
  old.endpoint = old.endpoint.replace(/=.*/, `=${client.sessionId}`)
  t.equal((await old.post(ping)).status, 404)
})

test('no more connections open than the limit allows', async (t) => {
  const { sse, listener } = await serve(t, { maxSessions: 1 })
  const { client } = await sse()
  const refusal: unknown = await sseClient(`${listener.url}sse`).catch((error: unknown) => error)
  t.match(refusal, { status: 503, headers: { 'retry-after': '10' } })
  client.close()
  await until(() => listener.sessions === 0)
  await sse()
})

test('a POST is refused if its connection ends before its body has come', async (t) => {
  const { sse, listener } = await serve(t)
  const { client } = await sse()
  const { socket, text } = rawConnection(t, listener)
  const { pathname, search } = new URL(client.endpoint)
  const lines = [
    `POST ${pathname}${search} HTTP/1.1`,
    'Host: localhost',
    'Content-Type: application/json',
    `Content-Length: ${ping.length}`,
    'Expect: 100-continue'
  ]
  socket.write(`${lines.join('\r\n')}\r\n\r\n`)
  await text.until('100 Continue')
  client.close()
  await until(() => listener.sessions === 0)
  socket.write(ping)
  t.match(await text.until('"error"'), / 404 /)
})
