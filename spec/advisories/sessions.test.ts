// Advisories about sessions: a client that gets into the session of another, or gets its messages.

import { createHmac, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import t from 'tap'
import { httpClient, sseClient } from '../../fixtures/clients/raw.js'
import type { Json } from '../../fixtures/clients/raw.js'
import { startHttpServer } from '../../fixtures/servers/http.js'
import { asModern } from '../../lib/era/as-modern.ts'
import { connectHttp } from '../../lib/http-client/connect-http.ts'
import { tokenAuth } from '../../lib/http-server/auth/token-auth.ts'
import { listen } from '../../lib/http-server/listener.ts'
import { parseFrame } from '../../lib/message/parse-frame.ts'
import { join, joinPort } from '../../lib/proxy/join.ts'
import { shareSessions } from '../../lib/wrappers/share-sessions.ts'
import { FakeServer, initialize, json, respondAsUsual, serve } from '../http-server/helpers.ts'
import { watch } from '../helpers.ts'
import { bodyOf, headersOf } from '../modern.ts'

const auth = tokenAuth({ token: 'operator' })
const twoUsers = {
  check: (token: string) => (['alice', 'bob'].includes(token) ? { principal: token } : undefined)
}
const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } })

t.test('CVE-2025-6515: no id of a session follows from others', async (t) => {
  const served = await serve(t)
  const ids: string[] = []
  for (let count = 0; count < 40; count++) {
    const client = served.client()
    await client.initialize()
    ids.push(client.sessionId as string)
    // An id that an allocator gave out would come again after this.
    if (count % 2 === 0) await client.delete()
  }
  for (let count = 0; count < 10; count++) {
    const { client } = await served.sse()
    ids.push(new URL(client.endpoint).searchParams.get('session_id') as string)
  }
  t.equal(new Set(ids).size, ids.length, 'no id comes twice')
  for (const [at, id] of ids.entries()) {
    t.ok(id.replaceAll('-', '').length >= 22, `${id} has 128 bits or more`)
    const other = ids[at - 1] ?? ''
    const same = [...id].filter(
      (character, index) => character !== '-' && character === other[index]
    )
    t.ok(same.length < id.length / 2, `${id} is not close to ${other}`)
  }
  const near = (ids[1] as string).replace(/.$/, (last) => (last === '0' ? '1' : '0'))
  const response = await served
    .client()
    .post(json({ id: 1, method: 'ping' }), { 'mcp-session-id': near })
  t.equal(response.status, 404)
})

t.test('CVE-2026-25536: clients that use equal ids at once get their own responses', async (t) => {
  const waiting: { id: unknown; name: unknown; token: unknown }[] = []
  const server = new FakeServer((message, server) => {
    if (message.method !== 'tools/call') return respondAsUsual(message, server)
    const { name, _meta } = message.params
    waiting.push({ id: message.id, name, token: _meta.progressToken })
    if (waiting.length < 3) return
    // The last request is answered first.
    for (const { id, name, token } of waiting.splice(0).reverse()) {
      void server.notify('notifications/progress', {
        progressToken: token,
        progress: 1,
        message: name
      })
      void server.say({ id, result: { name } })
    }
  })
  const shared = shareSessions(() => server)
  const listener = await listen({ stateless: true, streamAfter: 1 }, (client) => {
    joinPort(client, shared.port(false))
  })
  t.teardown(async () => {
    await listener.close(0)
    await shared.destroy()
  })
  for (let round = 0; round < 5; round++) {
    const results = ['a', 'b', 'c'].map(async (name) => {
      const client = httpClient(new URL('mcp', listener.url))
      const seen: unknown[] = []
      const params = { name, arguments: {}, _meta: { progressToken: 0 } }
      const onMessage = (message: { params?: { message?: unknown } }) =>
        seen.push(message.params?.message)
      const { result } = await client.request('tools/call', params, { id: 0, onMessage })
      client.close()
      t.equal(result.name, name)
      t.ok(
        seen.every((text) => text === name),
        `progress of ${String(seen)} for ${name}`
      )
    })
    await Promise.all(results)
  }
})

t.test(
  'CVE-2026-33946: with tokens, the id of a session is of no use to another user',
  async (t) => {
    const served = await serve(t, { auth: twoUsers })
    const alice = served.client(bearer('alice'))
    await alice.initialize()
    const stream = await alice.openGet()
    const stolen = { 'mcp-session-id': alice.sessionId as string }
    const bob = served.client(bearer('bob'))
    for (const method of ['GET', 'POST', 'DELETE']) {
      const headers = {
        ...stolen,
        accept: 'text/event-stream, application/json',
        'content-type': 'application/json'
      }
      const body = method === 'POST' ? json({ id: 1, method: 'ping' }) : undefined
      const response = await bob.open(method, body, headers)
      response.resume()
      t.equal(response.statusCode, 404, method)
    }
    // The stream of alice still is the one that gets the messages.
    const server = served.servers[0] as FakeServer
    await server.notify('notifications/message', { level: 'info', data: 'for alice' })
    const event = await stream.events.until(({ message }) => message?.params?.data === 'for alice')
    t.ok(event)
    t.equal(served.servers.length, 1)
  }
)

t.test('CVE-2026-52869: a session is unknown to a principal that did not open it', async (t) => {
  const served = await serve(t, { auth: twoUsers })
  const alice = served.client(bearer('alice'))
  await alice.initialize()
  const events = await sseClient(new URL('sse', served.listener.url), bearer('alice'))
  t.teardown(() => events.close())
  await events.initialize()
  const counts = served.servers.map(({ received }) => received.length)
  const id = alice.sessionId as string
  const endpoint = new URL(events.endpoint)
  const connection = endpoint.searchParams.get('session_id') as string
  const paths = [endpoint.pathname + endpoint.search, `messages/?session_id=${id}`]
  const call = json({ id: 9, method: 'tools/call', params: { name: 'a' } })
  for (const [token, status] of [
    ['bob', 404],
    ['nobody', 401]
  ] as const) {
    const thief = served.client(bearer(token))
    for (const header of [id, connection]) {
      for (const method of ['POST', 'GET', 'DELETE']) {
        const body = method === 'POST' ? call : undefined
        const response = await thief.open(method, body, { 'mcp-session-id': header })
        response.resume()
        t.equal(response.statusCode, status, `${method} mcp of ${token}`)
      }
    }
    for (const path of paths) {
      const response = await thief.open('POST', call, {}, new URL(path, served.listener.url))
      response.resume()
      t.equal(response.statusCode, status, `POST ${path} of ${token}`)
    }
  }
  t.strictSame(
    served.servers.map(({ received }) => received.length),
    counts
  )
  for (const client of [alice, events]) t.match(await client.request('ping'), { result: {} })
})

t.test('CVE-2026-67431: nobody else puts a message into a session', async (t) => {
  const served = await serve(t, { auth: twoUsers })
  const alice = served.client(bearer('alice'))
  await alice.initialize()
  const stream = await alice.openGet()
  const server = served.servers[0] as FakeServer
  void server.say({ id: 'question', method: 'elicitation/create', params: { message: 'sure?' } })
  await stream.events.until(({ message }) => message?.id === 'question')
  alice.onRequest(() => undefined)
  const call = alice.request('tools/call', { name: 'slow' }, { id: 7 })
  await server.got('tools/call')
  const before = server.received.length
  const poisons = [
    { id: 8, method: 'tools/call', params: { name: 'delete-all' } },
    { id: 'question', result: { action: 'accept' } },
    { id: 7, result: {} },
    { method: 'notifications/cancelled', params: { requestId: 7 } },
    { method: 'notifications/initialized' }
  ]
  const bob = served.client(bearer('bob'))
  await bob.initialize()
  for (const poison of poisons) {
    const stolen = { 'mcp-session-id': alice.sessionId as string }
    t.equal((await bob.post(json(poison), stolen)).status, 404, json(poison))
    // In the session of bob, the same ids mean nothing to alice.
    if (!('name' in (poison.params ?? {}))) await bob.post(json(poison))
  }
  t.equal(server.received.length, before)
  void server.say({ id: 7, result: { for: 'alice' } })
  t.match(await call, { result: { for: 'alice' } })
})

t.test('GHSA-953h-535j-jg2v: an id of a session has no authority', async (t) => {
  const replica = 'mcp-0'
  const [one, two] = [
    await serve(t, { auth: twoUsers, replica }),
    await serve(t, { auth: twoUsers, replica })
  ]
  const alice = one.client(bearer('alice'))
  await alice.initialize()
  const id = alice.sessionId as string
  const seed = 'default-insecure-seed'
  const mac = createHmac('sha256', seed).update('alice').digest('hex')
  const forged = [
    id, // at another proxy with the same name
    `${'0'.repeat(32)}.${replica}`,
    `${randomBytes(16).toString('hex')}.${replica}`,
    `${mac.slice(0, 32)}.${replica}`,
    Buffer.from(JSON.stringify({ sub: 'alice' })).toString('base64url')
  ]
  for (const name of ['alice', 'bob']) {
    const client = two.client(bearer(name))
    for (const forgery of forged) {
      const headers = { 'mcp-session-id': forgery }
      t.equal((await client.post(json({ id: 1, method: 'ping' }), headers)).status, 404, forgery)
    }
  }
  t.equal(two.servers.length, 0)
  const resumed = await one.client(bearer('bob')).open('GET', undefined, {
    'mcp-session-id': id,
    'last-event-id': '1'
  })
  resumed.resume()
  t.equal(resumed.statusCode, 404)

  // Without sessions, the principal of a request is that of its token, whatever id it has.
  const answer = (message: Json, server: FakeServer): void => void server.respond(message)
  const free = await serve(t, { auth: twoUsers, stateless: true }, () => new FakeServer(answer))
  const bob = free.client(bearer('bob'))
  const list = { method: 'tools/list' }
  await bob.post(json({ id: 1, ...list }), { 'mcp-session-id': id })
  await bob.post(bodyOf('2', list.method), { ...headersOf(list.method), 'mcp-session-id': id })
  t.strictSame(
    free.contexts.map(({ principal }) => principal),
    ['bob', 'bob']
  )
})

t.test('GHSA-953h-535j-jg2v: the state of a call is good for its user only', async (t) => {
  const server = new FakeServer((message, server) => {
    respondAsUsual(message, server)
    if (message.method !== 'tools/call') return
    void server.say({ id: 'q', method: 'elicitation/create', params: { message: 'sure?' } })
  })
  const modern = asModern(() => server)
  t.teardown(() => modern.destroy())
  const _meta = { 'io.modelcontextprotocol/clientCapabilities': { elicitation: {} } }
  const answers = { inputResponses: { q: { action: 'accept' } } }
  const ask = async (user: string, params: object): Promise<Json> => {
    const port = modern.port(user)
    const { answer } = watch(port)
    port.write(parseFrame(Buffer.from(bodyOf('1', 'tools/call', { name: 'a', _meta, ...params }))))
    return answer(1)
  }
  const { result } = await ask('alice', {})
  t.match(result, { resultType: 'input_required', requestState: /^[\w-]{32}$/ })
  const { requestState } = result
  const stolen = await ask('bob', { requestState, ...answers })
  t.match(stolen, { error: { code: -32602, message: /the requestState is unknown/ } })
  t.equal(
    server.received.some(({ id }) => id === 'q'),
    false
  )
})

t.test('GHSA-84j6-jc92-77jm: an event id of another session replays nothing of it', async (t) => {
  const served = await serve(t)
  const victim = await served.session()
  const stream = await victim.client.openGet()
  await victim.server.notify('notifications/message', { level: 'info', data: 'secret 1' })
  await stream.events.until(({ message }) => message?.params?.data === 'secret 1')
  const lastEventId = stream.lastEventId as string
  await victim.server.notify('notifications/message', { level: 'info', data: 'secret 2' })
  await stream.events.until(({ message }) => message?.params?.data === 'secret 2')

  const attacker = await served.session()
  const guesses = [lastEventId, '0', '1', '_GET_stream:0', lastEventId.replace(/\d+$/, '0')]
  for (const guess of guesses) {
    const replayed = await attacker.client.openGet({ lastEventId: guess }).catch(() => undefined)
    // A response shows that everything before it has come.
    await attacker.client.request('ping')
    t.notMatch(JSON.stringify(replayed?.events ?? []), 'secret', guess)
    replayed?.close()
  }
  t.notMatch(JSON.stringify(attacker.client.messages), 'secret')
})

t.test(
  'GHSA-g53w-w6mj-hrpp: no header of a client chooses the server or replaces the token',
  async (t) => {
    const remote = await startHttpServer()
    t.teardown(() => remote.close())
    const other = await startHttpServer()
    t.teardown(() => other.close())
    let count = 0
    const listener = await listen({ auth }, (client) => {
      count++
      join(client, connectHttp({ url: remote.url, env: {} })).catch(() => {})
    })
    t.teardown(() => listener.close(0))
    const evil = `127.0.0.1:${other.port}`
    const headers = {
      'mcp-init-host': evil,
      'router-key': 'secret-api-key',
      'x-forwarded-host': evil,
      forwarded: `host="${evil}"`,
      'x-mcp-authorized': 'yes'
    }
    const stranger = httpClient(new URL('mcp', listener.url))
    const refused = await stranger.open('POST', json(initialize), {
      ...headers,
      accept: 'application/json, text/event-stream',
      'content-type': 'application/json'
    })
    refused.resume()
    await once(refused, 'end')
    stranger.close()
    t.equal(refused.statusCode, 401)
    t.equal(count, 0, 'without a token, no server is connected')

    const client = httpClient(new URL('mcp', listener.url), {
      headers: { ...headers, ...bearer('operator').headers }
    })
    t.teardown(() => client.close())
    await client.initialize()
    t.equal(other.requests.length, 0, 'the other server gets no request')
    for (const { headers: sent } of remote.requests) {
      t.equal(sent.host, `127.0.0.1:${remote.port}`)
      for (const name of [...Object.keys(headers), 'authorization'])
        t.equal(sent[name], undefined, name)
    }
  }
)
