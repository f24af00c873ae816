// Big messages pass, in every way, whole and unharmed; one over the limit is an error for whoever
// waits for it, and nothing to anybody else.

import t from 'tap'
import type { Test } from 'tap'
import { httpClient, sseClient } from '../../fixtures/clients/raw.js'
import type { HttpClient, Json, SseClient, StdioClient } from '../../fixtures/clients/raw.js'
import { startHttpServer } from '../../fixtures/servers/http.js'
import { node, rawThroughProxy, servers, startProxy } from './helpers.ts'

t.setTimeout(120_000)

const MiB = 1024 * 1024
const rascal = ['--', node, ...servers.rascal]

type AnyClient = HttpClient | SseClient | StdioClient

/** Every way to the server behind a proxy. */
const kinds: Record<string, (proxy: { mcp(): string; sse(): string }) => Promise<AnyClient>> = {
  'Streamable HTTP': async (proxy) => httpClient(proxy.mcp()),
  'HTTP+SSE': async (proxy) => sseClient(proxy.sse()),
  'a second proxy': async (proxy) => rawThroughProxy(proxy.mcp()),
  'a second proxy over HTTP+SSE': async (proxy) =>
    rawThroughProxy('--transport', 'sse', proxy.sse())
}

async function begin(t: Test, client: AnyClient): Promise<AnyClient> {
  t.teardown(() => ('end' in client ? client.end() : client.close()))
  await client.initialize()
  return client
}

const proxy = await startProxy(...rascal)
t.teardown(proxy.close)

for (const [kind, open] of Object.entries(kinds)) {
  t.test(`10 and 60 MiB cross: ${kind}`, async (t) => {
    const client = await begin(t, await open(proxy))
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

t.test('a big answer on an event stream crosses, cut wherever', async (t) => {
  const text = 'é'.repeat(10 * MiB)
  const server = await startHttpServer({
    onPost(message, exchange) {
      if (message?.method !== 'test/big') return exchange.byDefault()
      exchange.sse().send({ jsonrpc: '2.0', id: message.id, result: { text } })
    }
  })
  t.teardown(() => server.close())
  const client = await begin(t, rawThroughProxy(server.url))
  t.ok((await client.request('test/big')).result.text === text)
})

t.test('one over the limit harms nothing but itself', async (t) => {
  const limit = ['--max-message', '1m']
  const strict = await startProxy(...limit, ...rascal)
  t.teardown(strict.close)
  const isRefusal = (answer: Json): boolean => /over the limit/.test(answer.error?.message)
  /** The server asks, and tells what it was answered. */
  const answerOf = async (client: AnyClient): Promise<Json> => {
    client.onRequest(() => ({ text: 'x'.repeat(2 * MiB) }))
    return (await client.request('test/ask', { method: 'test/question' })).result.answer
  }

  for (const [kind, open] of Object.entries(kinds)) {
    t.test(`set in server mode: ${kind}`, async (t) => {
      const client = await begin(t, await open(strict))
      await client.request('test/state', { set: 'kept' })
      const sleeping = client.request('test/sleep', { ms: 200 })
      t.ok(isRefusal(await client.request('test/big', { bytes: 2 * MiB })), 'a result')
      const request = client.request('test/echo', { text: 'x'.repeat(2 * MiB) })
      // Over HTTP the status tells; a proxy in between makes an error of it.
      const refused = await request.then(isRefusal, (error: Error) =>
        error.message.startsWith('HTTP 413')
      )
      t.ok(refused, 'a request')
      t.ok(isRefusal(await answerOf(client)), 'an answer to the server')
      await client.request('test/big', { bytes: 2 * MiB, where: 'notification' })
      t.match((await sleeping).result, { ms: 200 }, 'another call at the time')
      t.match((await client.request('test/state')).result, { state: 'kept' }, 'the server')
    })
  }

  for (const [name, args] of Object.entries({
    'Streamable HTTP': [proxy.mcp()],
    'HTTP+SSE': ['--transport', 'sse', proxy.sse()]
  })) {
    t.test(`set in client mode: ${name}`, async (t) => {
      const client = await begin(t, rawThroughProxy(...limit, ...args))
      await client.request('test/state', { set: 'kept' })
      const sleeping = client.request('test/sleep', { ms: 200 })
      t.ok(isRefusal(await client.request('test/big', { bytes: 2 * MiB })), 'a result')
      t.ok(isRefusal(await client.request('test/echo', { text: 'x'.repeat(2 * MiB) })), 'a request')
      t.ok(isRefusal(await answerOf(client)), 'an answer to the server')
      await client.request('test/big', { bytes: 2 * MiB, where: 'notification' })
      t.match((await sleeping).result, { ms: 200 }, 'another call at the time')
      t.match((await client.request('test/state')).result, { state: 'kept' }, 'the server')
    })
  }
})
