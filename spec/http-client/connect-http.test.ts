// The transport over Streamable HTTP: where its frames go, and how it ends.

import { finished } from 'node:stream/promises'
import tap, { test } from 'tap'
import { answer } from '../../fixtures/servers/http.js'
import type { Script } from '../../fixtures/servers/http.js'
import { connectHttp } from '../../lib/http-client/connect-http.ts'
import { parseFrame } from '../../lib/message/parse-frame.ts'
import { metaKeys } from '../../lib/protocol/meta-keys.ts'
import { KeptLog, notification, request, response } from '../helpers.ts'
import { byMethod, gate, hold, opening, overHttp, sent, serve } from './helpers.ts'

tap.setTimeout(120_000)

test('frames go out without a change of bytes', async (t) => {
  const { server, transport, initialize, answer } = await overHttp(t)
  await initialize()
  const text = '{"jsonrpc":"2.0",  "id":7,"method":"x","params":{"n":12345678901234567890,"n":1}}'
  transport.write(parseFrame(Buffer.from(text)))
  await answer(7)
  t.ok(server.received.some(({ body }) => body === text))
})

test('acknowledgements arrive while nobody reads the transport', async (t) => {
  const server = await serve(t, {
    onPost: byMethod({
      call: ({ sse }, { id }) => {
        const stream = sse()
        for (let i = 0; i < 100; i++) stream.send({ jsonrpc: '2.0', method: 'n', params: { i } })
        stream.send({ jsonrpc: '2.0', id, result: {} })
        stream.end()
      }
    })
  })
  const {
    transport,
    initialize,
    write,
    answer: to
  } = hold(t, connectHttp({ url: server.url }), server, new KeptLog())
  await initialize()
  transport.pause()
  await write(request(1, 'call'))
  while (transport.readableLength < transport.readableHighWaterMark) {
    await server.received.until(({ message }) => message?.method === 'call')
    await new Promise(setImmediate)
  }
  t.equal(await write(notification('notifications/x')), undefined)
  t.equal(await write(response('asked')), undefined)
  transport.resume()
  t.match(await to(1), { result: {} })
})

test('a transport without frames ends without a request', async (t) => {
  const { server, transport, closed } = await overHttp(t)
  transport.end()
  t.equal(await closed, undefined)
  t.strictSame([...server.requests], [])
})

test('destroy aborts everything under way', async (t) => {
  const asked = gate()
  const script: Script = {
    onPost: (message, { byDefault, sse }) => {
      if (message.method === 'initialize') return byDefault()
      if (message.method === 'broken') {
        const stream = sse()
        stream.raw('id: 1\nretry: 3600000\ndata:\n\n')
        return stream.end()
      }
      if (message.method === 'streamed') return void sse()
      asked.open()
      if (message.method === 'notifications/initialized') byDefault()
    },
    onGet: ({ status }) => status(503)
  }
  const { server, transport, initialize, write, closed } = await overHttp(t, script)
  await initialize()
  for (const [id, method] of ['silent', 'streamed', 'broken'].entries()) {
    transport.write(request(id, method))
  }
  const waiting = write(notification('notifications/unacknowledged'))
  const unsent = write(request(9, 'never'))
  await server.received.until(({ message }) => message?.method === 'notifications/unacknowledged')
  transport.destroy(new Error('enough'))
  t.match(await closed, { message: 'enough' })
  t.equal(await waiting, undefined, 'the server may have it')
  t.match(await unsent, { message: 'enough' })
  t.notOk(server.received.some(({ message }) => message?.method === 'never'))
  await finished(transport).catch(() => {})
})

test('destroy works before the first frame and while it is under way', async (t) => {
  const unused = await overHttp(t)
  unused.transport.destroy()
  t.equal(await unused.closed, undefined)
  t.strictSame([...unused.server.requests], [])

  const early = await overHttp(t)
  const unsent = early.write(opening())
  early.transport.destroy()
  t.equal(await early.closed, undefined)
  t.match(await unsent, { code: 'ERR_CLOSED' })
  t.strictSame([...early.server.requests], [], 'it was not sent')

  const asked = gate()
  const deaf = await overHttp(t, { onPost: asked.open })
  const unacknowledged = deaf.write(opening())
  await asked.opened
  deaf.transport.destroy()
  t.equal(await deaf.closed, undefined)
  t.match(await unacknowledged, { code: 'ERR_CLOSED' })
})

test('an AbortSignal destroys the transport, aborted before or later', async (t) => {
  const controller = new AbortController()
  const late = await overHttp(t, {}, { signal: controller.signal })
  await late.initialize()
  controller.abort()
  t.match(await late.closed, { name: 'AbortError' })
  t.equal(sent(late.server, 'DELETE').length, 1)

  const early = await overHttp(t, {}, { signal: AbortSignal.abort() })
  t.match(await early.closed, { name: 'AbortError' })
  t.strictSame([...early.server.requests], [])
})

test('a request of the modern revision is sent without the session, and a cancellation closes it', async (t) => {
  const asked = gate()
  const gone = gate()
  const {
    server,
    transport,
    initialize,
    answer: to,
    write,
    closed
  } = await overHttp(t, {
    onPost: byMethod({
      call: ({ json }, message) => json(answer(message)),
      long: ({ sse }) => {
        void sse().closed.then(gone.open)
        asked.open()
      }
    })
  })
  const modern = { _meta: { [metaKeys.protocolVersion]: '2026-07-28' } }
  await initialize()
  transport.write(request(1, 'call', modern))
  t.match(await to(1), { result: { method: 'call' } })
  transport.write(request(2, 'long', modern))
  await asked.opened
  t.equal(await write(notification('notifications/cancelled', { requestId: 2 })), undefined)
  await gone.opened
  transport.end()
  t.equal(await closed, undefined)
  const posts = sent(server, 'POST').slice(2)
  t.strictSame(
    posts.map(({ message }) => message.method),
    ['call', 'long'],
    'the cancellation is not sent'
  )
  for (const { headers } of posts) {
    t.equal(headers['mcp-session-id'], undefined)
    t.equal(headers['mcp-protocol-version'], '2026-07-28')
  }
})
