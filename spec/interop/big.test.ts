// Large messages, in every way to connect. A message below the limit arrives complete. A message over
// the limit fails its own request, and the session and its other requests continue.

import t from 'tap'
import type { Json } from '../../fixtures/clients/raw.js'
import { startHttpServer } from '../../fixtures/servers/http.js'
import { connectors, node, openSession, servers, startClientMode, startProxy } from './helpers.ts'
import type { AnyClient } from './helpers.ts'

t.setTimeout(120_000)

const MiB = 1024 * 1024
const misbehaving = ['--', node, ...servers.misbehaving]

const proxy = await startProxy(t, ...misbehaving)

for (const [kind, connect] of Object.entries(connectors)) {
  t.test(`messages of 10 and 60 MiB arrive: ${kind}`, async (t) => {
    const client = await openSession(t, await connect(proxy))
    for (const size of [10 * MiB, 60 * MiB]) {
      const text = 'x'.repeat(size)
      const { result } = await client.request('test/mirror', { text })
      t.ok(result.text === text, `a request of ${size} bytes, and a result`)
    }
    await client.request('test/big', { bytes: 10 * MiB, where: 'notification' })
    const notification = await client.messages.until(
      ({ method }) => method === 'notifications/message'
    )
    t.equal(notification.params.data.length, 10 * MiB, 'a notification')
  })
}

t.test('a large response in an event stream arrives, whatever chunks carry it', async (t) => {
  const text = 'é'.repeat(10 * MiB)
  const server = await startHttpServer({
    onPost(message, exchange) {
      if (message?.method !== 'test/big') return exchange.byDefault()
      exchange.sse().send({ jsonrpc: '2.0', id: message.id, result: { text } })
    }
  })
  t.teardown(() => server.close())
  const client = await openSession(t, startClientMode(server.url))
  t.ok((await client.request('test/big')).result.text === text)
})

t.test('a message over the limit fails only its own request', async (t) => {
  const limit = ['--max-message', '1m']
  const limited = await startProxy(t, ...limit, ...misbehaving)
  const isRefusal = (response: Json): boolean => /over the limit/.test(response.error?.message)
  /**
   * The server sends a request, the client responds with too much, and the server reports what it
   * received as the response.
   */
  const respondWithTooMuch = async (client: AnyClient): Promise<Json> => {
    client.onRequest(() => ({ text: 'x'.repeat(2 * MiB) }))
    return (await client.request('test/ask', { method: 'test/question' })).result.answer
  }

  for (const [kind, connect] of Object.entries(connectors)) {
    t.test(`the limit is set in server mode: ${kind}`, async (t) => {
      const client = await openSession(t, await connect(limited))
      await client.request('test/state', { set: 'kept' })
      const sleeping = client.request('test/sleep', { ms: 200 })
      t.ok(isRefusal(await client.request('test/big', { bytes: 2 * MiB })), 'a result')
      const request = client.request('test/echo', { text: 'x'.repeat(2 * MiB) })
      // Over HTTP the status is 413. A second proxy makes a JSON-RPC error of it.
      const refused = await request.then(isRefusal, (error: Error) =>
        error.message.startsWith('HTTP 413')
      )
      t.ok(refused, 'a request')
      t.ok(isRefusal(await respondWithTooMuch(client)), 'a response to the server')
      await client.request('test/big', { bytes: 2 * MiB, where: 'notification' })
      t.match((await sleeping).result, { ms: 200 }, 'another call at the same time')
      t.match((await client.request('test/state')).result, { state: 'kept' }, 'the server')
    })
  }

  for (const [name, args] of Object.entries({
    'Streamable HTTP': [proxy.mcp()],
    'HTTP+SSE': ['--transport', 'sse', proxy.sse()]
  })) {
    t.test(`the limit is set in client mode: ${name}`, async (t) => {
      const client = await openSession(t, startClientMode(...limit, ...args))
      await client.request('test/state', { set: 'kept' })
      const sleeping = client.request('test/sleep', { ms: 200 })
      t.ok(isRefusal(await client.request('test/big', { bytes: 2 * MiB })), 'a result')
      t.ok(isRefusal(await client.request('test/echo', { text: 'x'.repeat(2 * MiB) })), 'a request')
      t.ok(isRefusal(await respondWithTooMuch(client)), 'a response to the server')
      await client.request('test/big', { bytes: 2 * MiB, where: 'notification' })
      t.match((await sleeping).result, { ms: 200 }, 'another call at the same time')
      t.match((await client.request('test/state')).result, { state: 'kept' }, 'the server')
    })
  }
})
