// A server that goes silent in the middle of something must not hang the transport.

import t, { test } from 'tap'
import type { Script, ServerExchange, Json } from '../../fixtures/servers/http.js'
import { ErrorBody } from '../../lib/http-client/error-body.ts'
import { notification, request } from '../helpers.ts'
import { opening, overHttp, overSse, overUrl, parsed, sent, shown } from './helpers.ts'

// The tests with these options wait for 5 s each, so they run beside one another.
t.jobs = 3
const beside = { buffered: true }

const connectTimeout = 200
const stalledJson = ({ res }: ServerExchange, length?: number): void => {
  res.writeHead(200, {
    'content-type': 'application/json',
    ...(length !== undefined && { 'content-length': length })
  })
  res.write('{"jsonrpc":')
}
const incomplete = { code: 'ERR_TIMEOUT', text: /did not complete its response in time/ }

const stalls: Record<string, NonNullable<Script['onPost']>> = {
  'an event stream without an event': (_message, { sse }) => void sse(),
  'an event stream that stops in an event': (_message, { sse }) => sse().raw('data: {"jso'),
  'a JSON body without a length': (_message, exchange) => stalledJson(exchange),
  'a JSON body that is shorter than its length': (_message, exchange) => stalledJson(exchange, 999),
  '202 and nothing more': (_message, { status }) => status(202),
  'a stream that polls return without an event': (_message, { sse }) => {
    const stream = sse()
    stream.send('', { id: 1 })
    stream.end()
  }
}

for (const [name, onPost] of Object.entries(stalls)) {
  test(`initialize fails after a silence: ${name}`, async (t) => {
    const script = { onPost, onGet: ({ sse }: ServerExchange) => void sse().comment() }
    const { transport, closed } = await overHttp(t, script, { connectTimeout })
    transport.write(opening())
    t.match(shown(await closed), incomplete)
  })
}

test('server/discover fails after a silence, alone', async (t) => {
  const { transport, answer } = await overHttp(
    t,
    {
      onPost: (message: Json, { sse, byDefault }) =>
        message.method === 'server/discover' ? void sse() : byDefault()
    },
    { connectTimeout, server: { sessions: false } }
  )
  const params = { _meta: { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' } }
  transport.write(request(1, 'server/discover', params))
  t.match(await answer(1), { error: { message: incomplete.text } })
  transport.write(request(2, 'tools/list', params))
  t.match(await answer(2), { result: {} })
})

test('heartbeats and parts of a body are signs of life', async (t) => {
  for (const text of [': heartbeat\n\n', ' ']) {
    const { transport, answer } = await overHttp(
      t,
      {
        onPost: ({ id, params }: Json, exchange) => {
          const { res } = exchange
          if (text === ' ') res.writeHead(200, { 'content-type': 'application/json' })
          else exchange.sse()
          const result = { protocolVersion: params.protocolVersion, capabilities: {} }
          const response = JSON.stringify({ jsonrpc: '2.0', id, result })
          const beat = setInterval(() => res.write(text), 100)
          setTimeout(() => {
            clearInterval(beat)
            res.end(text === ' ' ? response : `data: ${response}\n\n`)
          }, 1000)
        }
      },
      { connectTimeout: 500 }
    )
    transport.write(opening())
    t.match(await answer('init'), { result: {} })
  }
})

test('the time does not run while the client does not read', async (t) => {
  let stream: ReturnType<ServerExchange['sse']> | undefined
  const { transport, answer } = await overHttp(
    t,
    {
      onPost: ({ id, params }: Json, { sse }) => {
        stream = sse()
        for (let n = 0; n < 50; n++) stream.send({ jsonrpc: '2.0', method: 'notifications/any' })
        stream.send({ jsonrpc: '2.0', id, result: { protocolVersion: params.protocolVersion } })
      }
    },
    { connectTimeout }
  )
  transport.pause()
  transport.write(opening())
  await new Promise((resolve) => setTimeout(resolve, 3 * connectTimeout))
  transport.resume()
  t.match(await answer('init'), { result: {} })
})

test('with a limit of 0 the first response may take any time', async (t) => {
  const { transport, answer } = await overHttp(
    t,
    { onPost: (_message, exchange) => stalledThen(exchange) },
    { connectTimeout: 0 }
  )
  function stalledThen({ sse, res }: ServerExchange): void {
    sse()
    setTimeout(() => {
      res.end('data: {"jsonrpc":"2.0","id":"init","result":{"protocolVersion":"2025-11-25"}}\n\n')
    }, 300)
  }
  transport.write(opening())
  t.match(await answer('init'), { result: {} })
})

test('over HTTP+SSE, the first response must come within the time, too', async (t) => {
  const { transport, closed } = await overSse(
    t,
    { onMessage: (_message, { status }) => status(202) },
    { connectTimeout }
  )
  transport.write(opening())
  t.match(shown(await closed), incomplete)
})

test('over HTTP+SSE, a heartbeat is a sign of life', async (t) => {
  const { transport, answer, server } = await overSse(
    t,
    {
      onMessage: ({ id }: Json, { status }) => {
        status(202)
        const [stream] = server.streams
        const beat = setInterval(() => stream?.comment('beat'), 100)
        setTimeout(() => {
          clearInterval(beat)
          stream?.send({ jsonrpc: '2.0', id, result: {} })
        }, 1000)
      }
    },
    { connectTimeout: 500 }
  )
  transport.write(opening())
  t.match(await answer('init'), { result: {} })
})

test('a later body that is shorter than its length fails its call', async (t) => {
  const { transport, initialize, answer } = await overHttp(
    t,
    {
      onPost: (message: Json, exchange) =>
        message.method === 'call' ? stalledJson(exchange, 999) : exchange.byDefault()
    },
    { connectTimeout }
  )
  await initialize()
  transport.write(request(1, 'call'))
  t.match(await answer(1), { error: { message: incomplete.text } })
})

/** A response that never ends. */
const endless =
  (code: number, bytes = 10) =>
  ({ res }: ServerExchange): void => {
    res.writeHead(code)
    res.write('x'.repeat(bytes))
  }

test('a body of an error status is read for 64 KiB at most', async (t) => {
  const { transport, initialize, answer } = await overHttp(t, {
    onPost: (message: Json, exchange) =>
      message.method === 'call' ? endless(500, 70_000)(exchange) : exchange.byDefault(),
    onGet: endless(405, 70_000)
  })
  await initialize()
  transport.write(request(1, 'call'))
  t.match(await answer(1), { error: { message: /answered 500: xxx/ } })
})

test('a body of an error status is read for 5 s at most', beside, async (t) => {
  const script = {
    onPost: (message: Json, exchange: ServerExchange) =>
      message.method === 'call' ? endless(500)(exchange) : exchange.byDefault(),
    onMessage: (message: Json, exchange: ServerExchange) =>
      message.method === 'call' ? endless(500)(exchange) : exchange.byDefault()
  }
  const all = [await overHttp(t, script), await overSse(t, script)].map(async (connected) => {
    const { transport, initialize, answer } = connected
    await initialize()
    const began = performance.now()
    transport.write(request(1, 'call'))
    t.match(await answer(1), { error: { message: /answered 500: x/ } })
    const took = performance.now() - began
    t.ok(took > 4500 && took < 6500, `${took} ms`)
  })
  await Promise.all(all)
})

test('a refused GET whose body does not end is a refusal', async (t) => {
  const { closed } = await overSse(t, { onSse: endless(403, 70_000) })
  t.match(shown(await closed), { code: 'ERR_HTTP_STATUS', text: /answered 403: xxx/ })
})

test('a notification that is never acknowledged delays what follows by 5 s', beside, async (t) => {
  const script = {
    onPost: (message: Json, { byDefault }: ServerExchange) =>
      message.method !== 'note' && byDefault(),
    onMessage: (message: Json, { byDefault }: ServerExchange) =>
      message.method !== 'note' && byDefault()
  }
  const all = [await overHttp(t, script), await overSse(t, script)].map(async (connected) => {
    const { transport, initialize, answer } = connected
    await initialize()
    const began = performance.now()
    transport.write(notification('note'))
    transport.write(request(1, 'call'))
    t.match(await answer(1), { result: {} })
    const took = performance.now() - began
    t.ok(took > 4500 && took < 6500, `${took} ms`)
  })
  await Promise.all(all)
})

test('a POST that gets an event stream with `endpoint` leads to HTTP+SSE', async (t) => {
  const script: Script = {
    onPost: (_message, { sse }) => {
      sse().send('/messages?session_id=x', { event: 'endpoint' })
    },
    // The fixture has its event stream at another path.
    onGet: ({ sse }) => {
      const stream = sse()
      stream.send('/messages?session_id=y', { event: 'endpoint' })
      responses.push((text) => stream.send(text))
    },
    onMessage: (message: Json, { status }) => {
      status(202)
      for (const respond of responses) respond({ jsonrpc: '2.0', id: message.id, result: {} })
    }
  }
  const responses: ((value: Json) => void)[] = []
  const { transport, answer, frames, server } = await overUrl(t, script)
  transport.write(opening())
  t.match(await answer('init'), { result: {} })
  t.equal(sent(server, 'POST').length, 2)
  t.match(parsed(frames[0]), { id: 'init' })

  const { transport: other, closed } = await overHttp(t, script)
  other.write(opening())
  t.match(shown(await closed), { text: /answered with the event stream of HTTP\+SSE/ })
})

test('after the response, an event `endpoint` means nothing', async (t) => {
  const { initialize, ask } = await overHttp(t, {
    onPost: ({ id, method }: Json, { sse, byDefault }) => {
      if (method !== 'call') return byDefault()
      const stream = sse()
      stream.send('hello', { event: 'other' })
      stream.send({ jsonrpc: '2.0', id, result: {} })
      stream.send('/messages', { event: 'endpoint' })
      stream.end()
    }
  })
  await initialize()
  t.match(await ask('call'), { result: {} })
  t.match(await ask('call'), { result: {} })
})

test('over HTTP+SSE, a response to a POST may break', async (t) => {
  const breaks =
    (code: number) =>
    ({ res }: ServerExchange): void => {
      res.writeHead(code, { 'content-length': 100 })
      res.write('x')
      setTimeout(() => res.destroy(), 50)
    }
  const { initialize, write, log, transport, answer } = await overSse(t, {
    onMessage: (message: Json, exchange) => {
      if (message.method === 'accepted') breaks(202)(exchange)
      else if (message.method === 'refused') breaks(500)(exchange)
      else exchange.byDefault()
    }
  })
  await initialize()
  await write(notification('accepted'))
  await new Promise((resolve) => setTimeout(resolve, 150))
  t.strictSame([...log.lines], [])
  transport.write(request(1, 'refused'))
  t.match(await answer(1), { error: { message: /cannot reach/ } })
})

test('the end of an error body is reported once', async (t) => {
  let count = 0
  const body = new ErrorBody(() => count++)
  body.feed(Buffer.alloc(64 * 1024 - 1))
  t.equal(count, 0)
  body.feed(Buffer.alloc(1))
  body.feed(Buffer.alloc(1))
  t.equal(count, 1)
  t.equal(body.bytes.length, 64 * 1024)
})

test('a redirect whose body does not end is followed', beside, async (t) => {
  for (const bytes of [10, 70_000]) {
    let redirected = false
    const { initialize } = await overHttp(t, {
      onPost: (_message, { res, byDefault }) => {
        if (redirected) return byDefault()
        redirected = true
        res.writeHead(307, { location: '/mcp' })
        res.write('x'.repeat(bytes))
      }
    })
    t.match(await initialize(), { result: {} })
  }
})

test('a transport can be destroyed while it reads the body of an error', async (t) => {
  const { transport, closed, initialize, server } = await overSse(t, {
    onMessage: (message: Json, exchange) =>
      message.method === 'call' ? endless(500)(exchange) : exchange.byDefault()
  })
  await initialize()
  transport.write(request(1, 'call'))
  await server.received.until(({ message }) => message?.method === 'call')
  await new Promise((resolve) => setTimeout(resolve, 50))
  transport.destroy()
  t.equal(await closed, undefined)
})
