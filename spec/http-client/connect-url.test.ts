// The transport to a server that may speak Streamable HTTP or HTTP+SSE.

import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { test } from 'tap'
import type { Test } from 'tap'
import { answer as answerOf } from '../../fixtures/servers/http.js'
import type { Json, Script, ServerExchange, ServerStream } from '../../fixtures/servers/http.js'
import { connectUrl } from '../../lib/http-client/connect-url.ts'
import type { Frame } from '../../lib/message/frame.ts'
import { metaKeys } from '../../lib/protocol/meta-keys.ts'
import { reconnect } from '../../lib/wrappers/reconnect.ts'
import { KeptLog, notification, request } from '../helpers.ts'
import {
  byMethod,
  gate,
  hold,
  initialized,
  opening,
  overUrl,
  sent,
  serve,
  shown
} from './helpers.ts'
import type { Connected } from './helpers.ts'

/** A server of HTTP+SSE whose stream is at /mcp. It answers a POST there with `refuse`. */
const oldServer = (refuse: (exchange: ServerExchange) => unknown): Script => ({
  onPost: (_message, exchange) => refuse(exchange),
  onGet: ({ sse }) => {
    sse().send('/mcp/messages', { event: 'endpoint' })
  }
})

/** The transport to the HTTP+SSE stream of a server, which refuses a POST with 405. */
async function overOld(t: Test, script?: Script): Promise<Connected> {
  const server = await serve(t, script)
  const log = new KeptLog()
  return hold(t, connectUrl({ url: server.sseUrl, log }), server, log)
}

test('a server of Streamable HTTP is used over Streamable HTTP', async (t) => {
  const { server, initialize, ask, transport, closed } = await overUrl(t)
  await initialize()
  t.match(await ask('tools/list'), { result: {} })
  transport.end()
  t.equal(await closed, undefined)
  t.equal(sent(server, 'DELETE').length, 1)
  t.notOk(server.requests.some(({ path }) => path !== '/mcp'))
})

test('a server that refuses the first POST is used over HTTP+SSE, and no frame is lost', async (t) => {
  const { server, initialize, ask, transport, closed, log } = await overOld(t)
  const answer = await initialize('2024-11-05')
  t.match(answer, { result: { protocolVersion: '2024-11-05' } })
  t.match(await ask('tools/list'), { result: {} })
  transport.end()
  t.equal(await closed, undefined)
  t.strictSame(
    server.received.map(({ method, path }) => `${method} ${path}`),
    ['POST /sse', 'GET /sse', ...Array<string>(3).fill('POST /messages')]
  )
  t.strictSame([...log.lines], [])
})

test('frames that are piped in at once reach a server of HTTP+SSE in order', async (t) => {
  const { server, transport, frames, closed } = await overOld(t)
  for (const frame of [opening(), initialized, request(1, 'tools/list')]) transport.write(frame)
  transport.end()
  t.equal(await closed, undefined)
  t.strictSame(
    frames.map(({ id }) => id),
    ['init', 1]
  )
  const posts = server.received.filter(({ path }) => path === '/messages')
  t.strictSame(
    posts.map(({ message }) => message.method),
    ['initialize', 'notifications/initialized', 'tools/list']
  )
})

test('400, 404 and 405 lead to HTTP+SSE, other failures do not', async (t) => {
  for (const status of [400, 404, 405]) {
    const { server, transport } = await overUrl(
      t,
      oldServer((exchange) => exchange.status(status))
    )
    transport.write(opening())
    const get = await server.requests.until(({ method }) => method === 'GET')
    t.equal(get?.headers.accept, 'text/event-stream', String(status))
  }
  const failures: Record<string, (exchange: ServerExchange) => unknown> = {
    'answered 401': ({ status }) => status(401),
    'answered 403': ({ status }) => status(403),
    'answered 500': ({ status }) => status(500),
    'answered 200': ({ status }) => status(200),
    'redirects to': ({ status }) => status(307, '', { location: 'http://127.0.0.1:1' }),
    'cannot reach': ({ res }) => res.destroy()
  }
  for (const [text, failure] of Object.entries(failures)) {
    const { server, transport, closed, write } = await overUrl(t, oldServer(failure))
    const written = write(opening())
    const error = shown(await closed)
    t.match(error.text, text)
    t.notMatch(error.text, 'HTTP+SSE')
    t.ok(await written)
    t.ok(transport.destroyed)
    t.strictSame(sent(server, 'GET'), [], text)
  }
})

const modern = (id: number, method = 'server/discover'): Frame =>
  request(id, method, { _meta: { [metaKeys.protocolVersion]: '2026-07-28' } })

/** The HTTP responses of servers of HTTP+SSE to a POST at the URL of their stream. */
const refusals: Record<string, (exchange: ServerExchange) => unknown> = {
  '405': ({ status }) => status(405),
  '405 with a JSON-RPC error': ({ status }) =>
    status(405, { jsonrpc: '2.0', id: null, error: { code: -32000, message: 'no POST' } }),
  'an event stream': ({ sse }) => sse().send('/messages?session_id=x', { event: 'endpoint' })
}

test('a server of HTTP+SSE gets the modern requests again that it refused', async (t) => {
  for (const [name, refuse] of Object.entries(refusals)) {
    const { server, answer, transport, write, initialize, closed } = await overUrl(t, {
      onPost: (_message, exchange) => refuse(exchange),
      onGet: (exchange) => server.script.onSse?.(exchange)
    })
    // The fixture has its event stream at another path, and its default handler keeps the session.
    const streams: ServerStream[] = []
    server.script.onSse = ({ sse }) => {
      const stream = sse()
      streams.push(stream)
      stream.send('/messages?session_id=y', { event: 'endpoint' })
    }
    server.script.onMessage = (message: Json, { status }) => {
      status(202)
      if (message.id !== undefined) streams[0]?.send(answerOf(message))
    }
    await write(modern(1))
    await write(modern(2, 'tools/list'))
    t.match(await answer(1), { result: { method: 'server/discover' } }, name)
    t.match(await answer(2), { result: { method: 'tools/list' } })
    await initialize()
    transport.end()
    t.equal(await closed, undefined)
    const messages = server.received.filter(({ path }) => path === '/messages')
    t.strictSame(
      messages.map(({ message }) => message.method),
      ['server/discover', 'tools/list', 'initialize', 'notifications/initialized']
    )
  }
})

test('a modern request and a request of another revision both reach a server of HTTP+SSE', async (t) => {
  const { transport, frames, closed, server } = await overOld(t)
  transport.write(modern(1))
  transport.end(opening())
  t.equal(await closed, undefined)
  t.strictSame(frames.map(({ id }) => id).sort(), [1, 'init'])
  const ended = await overOld(t)
  ended.transport.end(modern(1))
  t.equal(await ended.closed, undefined)
  t.strictSame(
    ended.frames.map(({ id }) => id),
    [1]
  )
  t.equal(sent(server, 'GET').length, 1)
})

test('after a result, or with another status, a modern request does not lead to HTTP+SSE', async (t) => {
  const {
    server,
    transport,
    answer: to
  } = await overUrl(t, {
    onPost: (message, { json, status }) =>
      message.id === 2 ? json(answerOf(message)) : status(message.id === 1 ? 404 : 405)
  })
  for (const id of [1, 2, 3]) {
    transport.write(modern(id))
    t.match(await to(id), id === 2 ? { result: {} } : { error: { code: -32000 } })
  }
  t.strictSame(sent(server, 'GET'), [])
})

test('once initialize has its response, a modern request does not lead to HTTP+SSE', async (t) => {
  const initialized = gate()
  const {
    transport,
    initialize,
    answer: to
  } = await overUrl(t, {
    onPost: async (message, { status, byDefault }) => {
      if (message.id !== 1) return byDefault()
      await initialized.opened
      status(405)
    }
  })
  transport.write(modern(1))
  await initialize()
  initialized.open()
  t.match(await to(1), { error: { message: /answered 405$/ } })
})

test('400 with a JSON-RPC error is a response, not a refusal of the transport', async (t) => {
  const error = { code: -32602, message: 'Unsupported protocol version' }
  const {
    server,
    transport,
    answer: to
  } = await overUrl(t, {
    onPost: (_message, { status }) => status(400, { jsonrpc: '2.0', id: null, error })
  })
  transport.write(opening())
  t.match(await to('init'), { error })
  t.strictSame(sent(server, 'GET'), [])
})

test('the error of a server that speaks neither transport names both refusals in one line', async (t) => {
  const neither = 'no MCP server answers there: not over Streamable HTTP'
  const { server, transport, closed } = await overUrl(t, {
    onPost: (_message, { status }) => status(404, 'Not\nFound'),
    onGet: ({ status }) => status(403, 'Go away')
  })
  transport.write(opening())
  t.strictSame(shown(await closed), {
    code: 'ERR_HTTP_STATUS',
    text:
      `${neither} (${server.url} answered 404: Not Found), ` +
      `and not over HTTP+SSE: ${server.url} answered 403: Go away`
  })

  const silent = await overUrl(
    t,
    { onPost: (_message, { status }) => status(405), onGet: ({ sse }) => sse() },
    { connectTimeout: 100 }
  )
  silent.transport.write(opening())
  const { code, text } = shown(await silent.closed)
  t.equal(code, 'ERR_TIMEOUT')
  t.match(text, / answered 405\), and not over HTTP\+SSE: .* named no endpoint in time/)
})

test('once the server has accepted a frame, 405 fails only its request', async (t) => {
  const { initialize, ask, server } = await overUrl(t, {
    onPost: byMethod({ call: ({ status }) => status(405) })
  })
  await initialize()
  t.match((await ask('call')).error?.message, /answered 405$/)
  t.equal(sent(server, 'GET').length, 1, 'the GET stream of the session')

  const old = await overOld(t)
  await old.initialize()
  old.server.streams[0]?.end()
  t.match(shown(await old.closed), { text: `${old.server.sseUrl} ended its event stream` })
})

test('after a lost connection HTTP+SSE is found again', async (t) => {
  const server = await serve(t)
  const log = new KeptLog()
  const transport = reconnect(() => connectUrl({ url: server.sseUrl, log }), { log })
  const { initialize, ask } = hold(t, transport, server, log)
  await initialize()
  t.match(await ask('tools/list'), { result: {} })
  for (let round = 2; round <= 3; round++) {
    server.streams[0]?.destroy()
    await log.lines.until((line) => line.startsWith('warn: starting again'))
    log.lines.length = 0
    t.match(await ask('tools/list'), { result: {} })
    const methods = server.received.map(({ method, path }) => `${method} ${path}`)
    t.equal(methods.filter((text) => text === 'POST /sse').length, round)
    t.equal(methods.filter((text) => text === 'GET /sse').length, round)
  }
})

test('an unreachable server fails the transport without a second attempt', async (t) => {
  const listener = createServer()
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  const { port } = listener.address() as AddressInfo
  await new Promise((resolve) => listener.close(resolve))
  const server = await serve(t)
  const url = `http://127.0.0.1:${port}/mcp`
  const { transport, closed } = hold(t, connectUrl({ url }), server, new KeptLog())
  transport.write(opening())
  t.match(shown(await closed).text, /^cannot reach http:.*: connect ECONNREFUSED/)
})

test('end without a frame works, and destroy works at every stage', async (t) => {
  const unused = await overUrl(t)
  unused.transport.end()
  t.equal(await unused.closed, undefined)
  t.strictSame([...unused.server.requests], [])

  const early = await overUrl(t)
  const unsent = early.write(opening())
  early.transport.destroy(new Error('enough'))
  t.match(await early.closed, { message: 'enough' })
  t.match(await unsent, { message: 'enough' })

  const asked = gate()
  const between = await overUrl(t, {
    onPost: (_message, { status }) => status(405),
    onGet: asked.open
  })
  const waiting = between.write(opening())
  await asked.opened
  between.transport.destroy()
  t.equal(await between.closed, undefined)
  t.match(await waiting, { code: 'ERR_CLOSED' })

  const open = await overUrl(t)
  await open.initialize()
  open.transport.destroy()
  t.equal(await open.closed, undefined)
  t.equal(sent(open.server, 'DELETE').length, 1)
})

test('a session lost during end fails the transport after its messages were read', async (t) => {
  const asked = gate()
  const { server, initialize, transport, closed, frames } = await overUrl(t, {
    onPost: byMethod({
      call: ({ sse }) => {
        sse().send({ jsonrpc: '2.0', method: 'started' })
        asked.open()
      },
      forgotten: ({ status }) => status(404)
    })
  })
  await initialize()
  transport.write(request(1, 'call'))
  await asked.opened
  transport.write(notification('notifications/x'))
  transport.end(request(2, 'forgotten'))
  t.match(shown(await closed), { code: 'ERR_SESSION_UNKNOWN' })
  t.equal(frames.at(-1)?.method, 'started')
  t.strictSame(sent(server, 'DELETE'), [])
})

test('end of a transport whose server is gone waits only for the reader', async (t) => {
  const { initialize, transport, server, closed } = await overOld(t)
  await initialize()
  transport.pause()
  const listeners = transport.listenerCount('end')
  server.streams[0]?.end()
  // The transport fails when the reader has reached the end.
  while (transport.listenerCount('end') === listeners) await new Promise(setImmediate)
  transport.end()
  await once(transport, 'finish')
  transport.resume()
  t.match(await closed, { code: 'ERR_CONNECTION' })
})

test('a slow reader stops the server', async (t) => {
  const { initialize, transport, write, server } = await overUrl(t)
  await initialize()
  await server.received.until(({ method }) => method === 'GET')
  transport.pause()
  const pad = 'x'.repeat(256 * 1024)
  let full = false
  for (let n = 0; n < 300 && !full; n++) {
    full = server.streams[0]?.send({ jsonrpc: '2.0', method: 'n', params: { n, pad } }) === false
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  t.ok(full)
  t.equal(await write(notification('notifications/x')), undefined)
  transport.resume()
})

test('an AbortSignal destroys the transport, aborted before or later', async (t) => {
  const controller = new AbortController()
  const late = await overUrl(t, {}, { signal: controller.signal })
  await late.initialize()
  controller.abort()
  t.match(await late.closed, { name: 'AbortError' })
  t.equal(sent(late.server, 'DELETE').length, 1)
  const early = await overUrl(t, {}, { signal: AbortSignal.abort() })
  t.match(await early.closed, { name: 'AbortError' })
  t.strictSame([...early.server.requests], [])
})
