// The transport to a server over HTTP+SSE.

import { once } from 'node:events'
import tap, { test } from 'tap'
import { answer } from '../../fixtures/servers/http.js'
import type { Json, ServerExchange, ServerStream } from '../../fixtures/servers/http.js'
import { connectSse } from '../../lib/http-client/connect-sse.ts'
import type { SessionUnknownError } from '../../lib/http-client/session-unknown-error.ts'
import type { Frame } from '../../lib/message/frame.ts'
import { parseFrame } from '../../lib/message/parse-frame.ts'
import { KeptLog, notification, request, response } from '../helpers.ts'
import {
  byMethod,
  gate,
  hold,
  initialized,
  opening,
  overSse,
  parsed,
  sent,
  serve,
  shown
} from './helpers.ts'

tap.setTimeout(120_000)

/** The stream of the only session of a server. */
const streamOf = ({ server }: { server: { streams: ServerStream[] } }): ServerStream =>
  server.streams[0] as ServerStream

test('frames go to the endpoint in POSTs, and all that the server sends comes on the stream', async (t) => {
  const headers = { 'X-Api-Key': 'k' }
  const session = await overSse(t, {}, { headers })
  const { server, initialize, ask, frames, transport, closed } = session
  t.match(await initialize('2024-11-05'), { result: { protocolVersion: '2024-11-05' } })
  t.match(await ask('tools/list', { a: 1 }), { result: { params: { a: 1 } } })
  const question = { jsonrpc: '2.0', id: 'q', method: 'sampling/createMessage' }
  streamOf(session).send(question)
  t.strictSame(parsed(await frames.until(({ kind }) => kind === 'request')), question)
  transport.end(response('q', { a: 1 }))
  t.equal(await closed, undefined)
  const [get, ...posts] = server.received
  t.match(get, { method: 'GET', url: '/sse', headers: { accept: 'text/event-stream' } })
  t.strictSame(
    posts.map(({ message }) => message.method ?? message.id),
    ['initialize', 'notifications/initialized', 'tools/list', 'q']
  )
  for (const { url, headers } of posts) {
    t.match(url, /^\/messages\?session_id=[\da-f-]{36}$/)
    t.match(headers, { 'content-type': 'application/json', 'x-api-key': 'k' })
  }
  t.equal(get?.headers['x-api-key'], 'k')
})

test('a URL is the only option needed, and the server may send first', async (t) => {
  const server = await serve(t)
  const transport = connectSse({ url: server.sseUrl })
  const session = hold(t, transport, server, new KeptLog())
  await server.received.until(({ method }) => method === 'GET')
  streamOf(session).send('{')
  streamOf(session).send({ jsonrpc: '2.0', method: 'n' })
  t.equal((await session.frames.until(() => true))?.method, 'n')
  t.match(await session.ask('tools/list'), { result: {} })
  transport.end()
  t.equal(await session.closed, undefined)
})

test('frames go out and come in without a change of bytes', async (t) => {
  const call = '{"jsonrpc":"2.0",  "id":7,"method":"m","params":{"n":12345678901234567890,"n":1}}'
  const text = '{"jsonrpc":"2.0",  "id":7,"result":{"n":12345678901234567890,"n":1}}'
  const session = await overSse(t, { onMessage: (_message, { status }) => status(202) })
  const { server, write, frames } = session
  void write(parseFrame(Buffer.from(call)))
  const post = await server.received.until(({ method }) => method === 'POST')
  t.equal(post?.body, call)
  streamOf(session).send(text)
  t.equal(String(await frames.until(() => true)), text)
})

test('the endpoint is relative to the URL of the stream', async (t) => {
  const endpoints: Record<string, string> = {
    '/messages?a=1': '/messages?a=1',
    'messages?b=%20': '/messages?b=%20',
    '?c': '/sse?c',
    '[origin]/messages?d#e': '/messages?d'
  }
  for (const [endpoint, url] of Object.entries(endpoints)) {
    const { server, transport } = await overSse(t, {
      onSse: ({ req, sse }) => {
        const data = endpoint.replace('[origin]', `http://${req.headers.host}`)
        sse().send(data, { event: 'endpoint' })
      }
    })
    transport.write(opening())
    const post = await server.requests.until(({ method }) => method === 'POST')
    t.equal(post?.url, url)
  }
})

test('after a redirect the endpoint is relative to the new URL', async (t) => {
  const { server, transport } = await overSse(t, {
    onSse: ({ entry, sse, status }) => {
      if (entry.url === '/sse') return status(307, '', { location: '/sse?moved' })
      sse().send('?id=1', { event: 'endpoint' })
    }
  })
  transport.write(opening())
  const post = await server.requests.until(({ method }) => method === 'POST')
  t.equal(post?.url, '/sse?id=1')
})

test('an endpoint of another origin is refused', async (t) => {
  for (const endpoint of ['http://127.0.0.1:1/messages?secret', '//example.com/', 'http://']) {
    const { server, transport, closed, write } = await overSse(t, {
      onSse: ({ sse }) => sse().send(endpoint, { event: 'endpoint' })
    })
    const written = write(opening())
    t.strictSame(shown(await closed), {
      code: 'ERR_HTTP_ANSWER',
      text: `${server.sseUrl} names an endpoint of another origin`
    })
    t.ok(await written)
    t.ok(transport.destroyed)
    t.equal(server.requests.length, 1)
  }
})

test('frames wait for the endpoint, and other events are ignored', async (t) => {
  const streams: ServerStream[] = []
  const asked = gate()
  const { server, transport, ask } = await overSse(t, {
    onSse: ({ sse }) => {
      streams.push(sse())
      asked.open()
    },
    onMessage: ({ id }: Json, { status }) => {
      status(202)
      streams[0]?.send(answer({ id, method: 'x' }))
    }
  })
  const asking = ask('tools/list')
  await asked.opened
  t.equal(transport.writableLength, 1)
  streams[0]?.send('hello', { event: 'greeting' })
  streams[0]?.send('/messages?1', { event: 'endpoint' })
  streams[0]?.send('/messages?2', { event: 'endpoint' })
  t.match(await asking, { result: {} })
  await ask('tools/list')
  t.strictSame(
    sent(server, 'POST').map(({ url }) => url),
    ['/messages?1', '/messages?1'],
    'a second endpoint is ignored'
  )
})

test('the transport fails when the server names no endpoint in time', async (t) => {
  const { server, closed } = await overSse(t, { onSse: ({ sse }) => sse() }, { connectTimeout: 50 })
  t.strictSame(shown(await closed), {
    code: 'ERR_TIMEOUT',
    text: `${server.sseUrl} named no endpoint in time (see --connect-timeout)`
  })
  const patient = await overSse(t, {}, { connectTimeout: 0 })
  t.match(await patient.ask('tools/list'), { result: {} })
})

test('the transport fails with the HTTP response of a server without an event stream', async (t) => {
  const answers: Record<string, [(exchange: ServerExchange) => unknown, string]> = {
    'answered 404: no page': [({ status }) => status(404, 'no page'), 'ERR_HTTP_STATUS'],
    'answered 204': [({ status }) => status(204), 'ERR_HTTP_STATUS'],
    'answered 200: <html>': [
      ({ res }) => res.writeHead(200, { 'content-type': 'text/html' }).end('<html>'),
      'ERR_HTTP_STATUS'
    ],
    'ended its event stream': [({ sse }) => sse().end(), 'ERR_CONNECTION']
  }
  for (const [text, [onSse, code]] of Object.entries(answers)) {
    const { server, closed, write } = await overSse(t, { onSse })
    const written = write(opening())
    t.strictSame(shown(await closed), { code, text: `${server.sseUrl} ${text}` })
    t.ok(await written, 'the write fails')
  }
})

test('the transport fails at the end of the stream, after all its messages were read', async (t) => {
  for (const how of ['end', 'destroy'] as const) {
    const session = await overSse(t, { onMessage: (_message, { status }) => status(202) })
    const { transport, frames, closed, write } = session
    transport.write(request(1, 'unanswered'))
    await write(notification('notifications/x'))
    const stream = streamOf(session)
    transport.pause()
    for (let n = 0; n < 10; n++) stream.send({ jsonrpc: '2.0', method: 'n', params: { n } })
    await new Promise((resolve) => stream.comment() && setImmediate(resolve))
    stream[how]()
    while (transport.readableLength === 0) await new Promise(setImmediate)
    t.notOk(transport.destroyed)
    transport.resume()
    const { code, text } = shown(await closed)
    t.equal(code, 'ERR_CONNECTION')
    t.match(text, how === 'end' ? /ended its event stream$/ : /cannot reach .*other side closed$/)
    t.strictSame(
      frames.map((frame) => parsed(frame)?.params?.n),
      [...Array(10).keys()]
    )
  }
})

test('a request that the server refuses gets an error, and the session goes on', async (t) => {
  const { ask, write, initialize, log } = await overSse(t, {
    onMessage: byMethod({
      status: ({ status }) => status(500, 'broken\ndown'),
      connection: ({ res }) => res.destroy(),
      'notifications/x': ({ status }) => status(403),
      undefined: ({ status }) => status(400)
    })
  })
  await initialize()
  const status = await ask('status')
  t.match(status.error, { code: -32000, message: /\/sse answered 500: broken down$/ })
  t.match((await ask('connection')).error?.message, /^cannot reach .*: other side closed$/)
  t.equal(await write(notification('notifications/x')), undefined)
  t.equal(await write(response(1)), undefined)
  t.match(
    [...log.lines],
    [
      /^warn: cannot deliver a request: .* answered 500/,
      /^warn: cannot deliver a request: /,
      /^warn: cannot deliver a notification: .* answered 403$/,
      /^warn: cannot deliver a response: .* answered 400$/
    ]
  )
  t.match(await ask('tools/list'), { result: {} })
})

test('a response on the stream counts even if its POST fails', async (t) => {
  const session = await overSse(t, {
    onMessage: byMethod({
      call: ({ status }, message) => {
        streamOf(session).send(answer(message))
        setTimeout(() => status(500), 20)
      },
      taken: ({ res }) => {
        res.writeHead(202).write('...')
        setImmediate(() => res.destroy())
      }
    })
  })
  const { ask, frames, log, write } = session
  t.match(await ask('call'), { result: {} })
  await log.lines.until((line) => line.includes('answered 500'))
  await write(notification('taken'))
  await ask('tools/list')
  t.equal(frames.length, 2)
  t.equal(log.lines.length, 1)
})

test('404 for a POST means that the server does not know the session', async (t) => {
  const { initialize, transport, closed, write } = await overSse(t, {
    onMessage: byMethod({ call: ({ status }) => status(404) })
  })
  await initialize()
  const calls = [request(1, 'call'), request(2, 'call')]
  for (const frame of calls) transport.write(frame)
  const error = await closed
  t.match(shown(error), { code: 'ERR_SESSION_UNKNOWN', text: /\/sse no longer knows the session$/ })
  t.match((error as SessionUnknownError).undelivered[0], { method: 'call' })
  t.ok(await write(request(3, 'late')))
})

test('a notification refused with 404 is among the undelivered frames', async (t) => {
  const { initialize, closed, write } = await overSse(t, {
    onMessage: byMethod({ 'notifications/x': ({ status }) => status(404) })
  })
  await initialize()
  const frame = notification('notifications/x')
  await write(frame)
  t.strictSame(((await closed) as SessionUnknownError).undelivered, [frame])
})

test('a server may acknowledge a request late or never', async (t) => {
  // Some servers handle a message before they answer its POST.
  const held = new Map<string, ServerExchange>()
  const session = await overSse(t, {
    onMessage: (message: Json, exchange) => {
      if (message.method === 'initialize') {
        streamOf(session).send(answer(message)) // and 202 never comes
      } else if (message.method === 'call') {
        held.set('call', exchange)
        streamOf(session).send({ jsonrpc: '2.0', id: 'q', method: 'roots/list' })
      } else if (message.id === 'q') {
        exchange.status(202)
        held.get('call')?.status(202)
        streamOf(session).send({ jsonrpc: '2.0', id: 1, result: message.result })
      } else {
        exchange.byDefault()
      }
    }
  })
  const { initialize, transport, frames, answer: to, closed } = session
  await initialize()
  transport.write(request(1, 'call'))
  await frames.until(({ id }) => id === 'q')
  transport.end(response('q', { roots: [] }))
  t.match(await to(1), { result: { roots: [] } }, 'meanwhile the client can answer the server')
  t.equal(await closed, undefined)
})

test('the first request, notifications and responses are acknowledged before the next frame goes out', async (t) => {
  const order: string[] = []
  const session = await overSse(t, {
    onMessage: async ({ method, id }: Json, { status }) => {
      order.push(`> ${method}`)
      if (method !== 'call') await new Promise((resolve) => setTimeout(resolve, 30))
      order.push(`< ${method}`)
      status(202)
      if (method === 'call') streamOf(session).send(answer({ id, method }))
    }
  })
  const { transport, answer: to } = session
  for (const frame of [opening(), initialized, request(1, 'call')]) transport.write(frame)
  await to(1)
  t.strictSame(order, [
    '> initialize',
    '< initialize',
    '> notifications/initialized',
    '< notifications/initialized',
    '> call',
    '< call'
  ])
})

test('acknowledgements arrive while nobody reads the transport', async (t) => {
  const session = await overSse(t)
  const { initialize, transport, write, frames } = session
  await initialize()
  transport.pause()
  for (let n = 0; n < 100; n++) streamOf(session).send({ jsonrpc: '2.0', method: 'n' })
  while (transport.readableLength < transport.readableHighWaterMark) {
    await new Promise(setImmediate)
  }
  t.equal(await write(notification('notifications/x')), undefined)
  transport.resume()
  while (frames.length < 101) await frames.until((frame) => frame === frames[100])
  t.equal(frames.length, 101)
})

test('a slow reader stops the server', async (t) => {
  const session = await overSse(t)
  const { initialize, transport, closed } = session
  await initialize()
  transport.removeAllListeners('data').pause()
  const count = 300
  const pad = 'x'.repeat(256 * 1024)
  let written = 0
  const stream = streamOf(session)
  const writing = (async (): Promise<void> => {
    for (; written < count; written++) {
      const params = { n: written, pad }
      if (!stream.send({ jsonrpc: '2.0', method: 'n', params })) await once(stream.res, 'drain')
    }
    stream.end()
  })()
  for (let before = -1; before !== written;) {
    before = written
    await new Promise((resolve) => setTimeout(resolve, 300))
  }
  t.ok(written < count / 2, `it stopped after ${written} events`)
  let n = 0
  transport.on('data', (frame: Frame) => {
    if (parsed(frame)?.params?.n !== n++) t.fail('out of order')
  })
  transport.resume()
  t.match(await closed, { code: 'ERR_CONNECTION' })
  t.equal(n, count)
  await writing
})

test('an invalid message is logged, and a request among them gets an error', async (t) => {
  const session = await overSse(t, {}, { maxMessage: 10_000 })
  const { initialize, transport, frames, log, server } = session
  await initialize()
  server.script.onMessage = (_message, { status }) => status(202)
  transport.write(request('big', 'call'))
  await server.received.until(({ message }) => message?.id === 'big')
  const stream = streamOf(session)
  stream.send('{')
  stream.send('{"id":"bad","method":"m"}')
  stream.send({ jsonrpc: '2.0', id: 'big', result: { pad: 'x'.repeat(20_000) } })
  t.match(parsed(await frames.until(({ id }) => id === 'big')), { error: { code: -32600 } })
  const back = await server.received.until(({ message }) => message?.id === 'bad')
  t.match(back?.message, { error: { code: -32600 } })
  t.equal(log.lines.filter((line) => line.includes('sent an invalid message: ')).length, 3)
})

test('a server that sends invalid requests and takes no responses gets only some', async (t) => {
  const session = await overSse(t)
  const { initialize, server } = session
  await initialize()
  server.script.onMessage = () => {}
  const stream = streamOf(session)
  for (let id = 0; id < 100; id++) stream.send(`{"id":${id},"method":"m"}`)
  await server.received.until(({ message }) => message?.id === 15)
  await new Promise((resolve) => setTimeout(resolve, 50))
  t.equal(server.received.filter(({ message }) => message?.error).length, 16)
})

test('end waits for the responses to come', async (t) => {
  const asked = gate()
  const session = await overSse(t, {
    onMessage: byMethod({
      call: ({ status }) => {
        status(202)
        asked.open()
      }
    })
  })
  const { initialize, transport, frames, closed, write } = session
  await initialize()
  transport.write(request(1, 'call'))
  transport.write(request(2, 'call'))
  await write(notification('notifications/cancelled', { requestId: 2 }))
  transport.end()
  await asked.opened
  t.notOk(transport.destroyed)
  const stream = streamOf(session)
  stream.send({ jsonrpc: '2.0', id: 1, result: {} })
  t.equal(await closed, undefined)
  t.equal(frames.at(-1)?.id, 1)
  await stream.closed
})

test('destroy works at every stage', async (t) => {
  const early = await overSse(t)
  const unsent = early.write(opening())
  early.transport.destroy()
  early.transport.destroy(new Error('again'))
  t.equal(await early.closed, undefined)
  t.match(await unsent, { code: 'ERR_CLOSED' })

  const asked = gate()
  const waiting = await overSse(t, { onSse: asked.open })
  const unnamed = waiting.write(opening())
  await asked.opened
  waiting.transport.destroy(new Error('enough'))
  t.match(await waiting.closed, { message: 'enough' })
  t.match(await unnamed, { message: 'enough' })

  const open = await overSse(t, { onMessage: () => {} })
  const unacknowledged = open.write(opening())
  await open.server.received.until(({ method }) => method === 'POST')
  const stream = streamOf(open)
  open.transport.destroy()
  t.equal(await open.closed, undefined)
  t.equal(await unacknowledged, undefined, 'the server may have it')
  await stream.closed

  const ending = await overSse(t, { onMessage: (_message, { status }) => status(202) })
  ending.transport.end(request(1, 'call'))
  await ending.server.received.until(({ method }) => method === 'POST')
  ending.transport.destroy()
  t.equal(await ending.closed, undefined)
})

test('an AbortSignal destroys the transport, aborted before or later', async (t) => {
  const controller = new AbortController()
  const late = await overSse(t, {}, { signal: controller.signal })
  await late.initialize()
  controller.abort()
  t.match(await late.closed, { name: 'AbortError' })
  const early = await overSse(t, {}, { signal: AbortSignal.abort() })
  t.match(await early.closed, { name: 'AbortError' })
  t.strictSame([...early.server.requests], [])
})
