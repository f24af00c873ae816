// The session with a server over Streamable HTTP: how it opens, which frame may follow which, and how it
// ends.

import { once } from 'node:events'
import net from 'node:net'
import type { AddressInfo } from 'node:net'
import tap, { test } from 'tap'
import { answer } from '../../fixtures/servers/http.js'
import type { Script, ServerExchange } from '../../fixtures/servers/http.js'
import { connectHttp } from '../../lib/http-client/connect-http.ts'
import { SessionUnknownError } from '../../lib/http-client/session-unknown-error.ts'
import { KeptLog, notification, request, response } from '../helpers.ts'
import {
  byMethod,
  gate,
  hold,
  initialized,
  opening,
  overHttp,
  parsed,
  sent,
  serve,
  shown
} from './helpers.ts'

tap.setTimeout(120_000)

test('every request after the first names the session and the revision', async (t) => {
  const { server, transport, initialize, ask, closed } = await overHttp(t)
  const { result } = await initialize('2025-06-18')
  t.match(result, { serverInfo: { name: 'http-fixture' } })
  await server.requests.until(({ method }) => method === 'GET')
  t.match(await ask('tools/list', { cursor: 'x' }), { result: { params: { cursor: 'x' } } })
  transport.end()
  t.equal(await closed, undefined)

  const [first, ...others] = server.requests
  t.equal(first?.headers['mcp-session-id'], undefined)
  t.equal(first?.headers['mcp-protocol-version'], undefined)
  const [session] = others.map(({ headers }) => headers['mcp-session-id'])
  t.type(session, 'string')
  for (const { method, headers } of others) {
    t.equal(headers['mcp-session-id'], session, method)
    t.equal(headers['mcp-protocol-version'], '2025-06-18', method)
  }
  const [post] = sent(server, 'POST')
  t.equal(post?.headers['content-type'], 'application/json')
  t.equal(post?.headers.accept, 'application/json, text/event-stream')
  t.equal(sent(server, 'GET')[0]?.headers.accept, 'text/event-stream')
  t.equal(sent(server, 'DELETE').length, 1, 'the session is ended')
})

test('a server without sessions gets no session header and no DELETE', async (t) => {
  const how = { server: { sessions: false } }
  const { server, transport, initialize, ask, closed } = await overHttp(t, {}, how)
  await initialize()
  await ask('tools/list')
  transport.end()
  t.equal(await closed, undefined)
  t.notOk(server.requests.some(({ headers }) => 'mcp-session-id' in headers))
  t.strictSame(sent(server, 'DELETE'), [])
})

test('a session id in a later response is ignored', async (t) => {
  const { server, ask, initialize } = await overHttp(t, {
    onPost: byMethod({
      'tools/list': ({ json }, message) => json(answer(message), { 'mcp-session-id': 'other' })
    })
  })
  await initialize()
  await ask('tools/list')
  await ask('tools/list')
  t.notOk(server.requests.some(({ headers }) => headers['mcp-session-id'] === 'other'))
})

test('an invalid response to initialize passes, with a warning', async (t) => {
  const { transport, answer, log, ask, server } = await overHttp(t, {
    onPost: byMethod({
      initialize: ({ json }, { id }) => json({ jsonrpc: '2.0', id, result: { a: 1 } }),
      ping: ({ json }, message) => json({ jsonrpc: '2.0', id: message.id, result: {} })
    })
  })
  transport.write(opening())
  t.match(await answer('init'), { result: { a: 1 } })
  t.match(
    await log.lines.until((line) => line.startsWith('warn')),
    /sent an invalid response to initialize/
  )
  await ask('ping')
  t.equal(server.requests.at(-1)?.headers['mcp-protocol-version'], undefined)
})

test('any request can be the first one', async (t) => {
  const { ask, transport, closed } = await overHttp(t, {}, { server: { sessions: false } })
  t.match(await ask('tools/list'), { result: { method: 'tools/list' } })
  transport.end()
  t.equal(await closed, undefined)
})

test('initialize gets an error when its response cannot be read', async (t) => {
  const log = new KeptLog()
  log.warn = (): void => {
    throw new Error('the disk is full')
  }
  const { transport, answer } = await overHttp(
    t,
    { onPost: ({ id }, { json }) => json({ jsonrpc: '2.0', id, result: { a: 1 } }) },
    { log }
  )
  transport.write(opening())
  t.match(await answer('init'), {
    error: { message: /^the response of http:.*\/mcp cannot be read: the disk is full$/ }
  })
})

test('a second initialize opens the session after the first was refused', async (t) => {
  const error = { code: -32602, message: 'Unsupported protocol version' }
  const {
    server,
    transport,
    answer: to,
    initialize,
    ask
  } = await overHttp(t, {
    onPost: byMethod({
      initialize: (exchange, { id, params }) =>
        params.protocolVersion === '2099-01-01'
          ? exchange.json({ jsonrpc: '2.0', id, error })
          : exchange.byDefault()
    })
  })
  transport.write(request(0, 'initialize', { protocolVersion: '2099-01-01' }))
  t.match(await to(0), { error })
  await initialize('2025-03-26')
  t.match(await ask('tools/list'), { result: { method: 'tools/list' } })
  const { headers } = server.requests.at(-1) ?? {}
  t.type(headers?.['mcp-session-id'], 'string')
  t.equal(headers?.['mcp-protocol-version'], '2025-03-26')
})

test('frames after the first request wait for its response', async (t) => {
  const asked = gate()
  const mayAnswer = gate()
  const {
    server,
    transport,
    answer: to
  } = await overHttp(t, {
    onPost: byMethod({
      initialize: async ({ byDefault }) => {
        asked.open()
        await mayAnswer.opened
        byDefault()
      }
    })
  })
  transport.write(opening())
  transport.write(initialized)
  transport.write(request(1, 'tools/list'))
  await asked.opened
  t.equal(server.requests.length, 1)
  t.equal(transport.writableLength, 3)
  mayAnswer.open()
  t.match(await to(1), { result: {} })
  t.strictSame(
    sent(server, 'POST').map(({ message }) => message.method),
    ['initialize', 'notifications/initialized', 'tools/list']
  )
})

test('a notification or response is acknowledged before the next frame goes out', async (t) => {
  const order: string[] = []
  const {
    transport,
    initialize,
    answer: to
  } = await overHttp(t, {
    onPost: async (message, { byDefault, status }) => {
      if (message.method === 'initialize') return byDefault()
      const name = message.method ?? `answer ${message.id}`
      order.push(`> ${name}`)
      if (message.method === 'last') return byDefault()
      await new Promise((resolve) => setTimeout(resolve, 30))
      order.push(`< ${name}`)
      status(202)
    }
  })
  await initialize()
  transport.write(notification('notifications/roots/list_changed'))
  transport.write(response('asked', {}))
  transport.write(request(1, 'last'))
  await to(1)
  t.strictSame(order, [
    '> notifications/initialized',
    '< notifications/initialized',
    '> notifications/roots/list_changed',
    '< notifications/roots/list_changed',
    '> answer asked',
    '< answer asked',
    '> last'
  ])
})

test('requests are under way together, and their responses come in any order', async (t) => {
  const held: (() => void)[] = []
  const {
    transport,
    initialize,
    frames,
    answer: to
  } = await overHttp(t, {
    onPost: byMethod({
      call: ({ byDefault }) => {
        held.push(byDefault)
        if (held.length === 3) for (const answerIt of held.reverse()) answerIt()
      }
    })
  })
  await initialize()
  for (const id of [1, 2, 3]) transport.write(request(id, 'call', { n: id }))
  for (const id of [1, 2, 3]) t.match(await to(id), { result: { params: { n: id } } })
  t.strictSame(new Set(frames.map(({ id }) => id)), new Set(['init', 1, 2, 3]))
})

test('a writer waits while the server acknowledges too little', async (t) => {
  const held: ServerExchange[] = []
  const full = gate()
  const {
    transport,
    initialize,
    write,
    answer: to
  } = await overHttp(
    t,
    {
      onPost: byMethod({
        call: (exchange) => {
          if (held.push(exchange) === 3) full.open()
        },
        small: ({ byDefault }) => byDefault()
      })
    },
    { maxMessage: 100_000 }
  )
  await initialize()
  const params = { text: 'x'.repeat(40_000) }
  t.equal(await write(request(1, 'call', params)), undefined)
  t.equal(await write(request(2, 'call', params)), undefined)
  const third = write(request(3, 'call', params))
  const fourth = write(request(4, 'small'))
  await full.opened
  t.equal(transport.writableLength, 2, 'the third is sent, and its writer waits')
  held[0]?.json({ jsonrpc: '2.0', id: 1, result: {} })
  await third
  await fourth
  t.match(await to(4), { result: {} })
})

test('notifications/cancelled closes the request that it cancels', async (t) => {
  const asked = gate()
  const gone = gate()
  const { transport, initialize, frames, closed } = await overHttp(t, {
    onPost: byMethod({
      call: ({ sse }) => {
        const stream = sse()
        void stream.closed.then(gone.open)
        asked.open()
      }
    })
  })
  await initialize()
  transport.write(request(1, 'call'))
  await asked.opened
  transport.write(notification('notifications/cancelled', { requestId: 99 }))
  transport.write(notification('notifications/cancelled', { requestId: 1 }))
  await gone.opened
  transport.end()
  t.equal(await closed, undefined, 'no response is to come')
  t.strictSame(
    frames.map(({ id }) => id),
    ['init']
  )
})

test('a frame that the server refuses is logged, and the session goes on', async (t) => {
  const { write, initialize, ask, log } = await overHttp(t, {
    onPost: byMethod({
      'notifications/x': ({ status }) => status(500, 'no\n  such thing'),
      'notifications/y': ({ status }) =>
        status(400, { jsonrpc: '2.0', id: null, error: { code: 1, message: 'no' } }),
      undefined: ({ status }) => status(400, { jsonrpc: '2.0', error: { code: 1, message: 'm' } }),
      call: ({ status }) => status(503, 'busy')
    })
  })
  await initialize()
  t.equal(await write(notification('notifications/x')), undefined)
  t.equal(await write(notification('notifications/y')), undefined)
  t.equal(await write(response(1)), undefined)
  const warnings = log.lines.filter((line) => line.startsWith('warn'))
  t.match(warnings[0], /cannot deliver a notification: http.* answered 500: no such thing$/)
  t.match(warnings[1], /cannot deliver a notification: .* answered 400: /)
  t.match(warnings[2], /cannot deliver a response: .* answered 400: /)
  const { error } = await ask('call')
  t.match(error, { code: -32000, message: /\/mcp answered 503: busy$/ })
  t.match(await ask('tools/list'), { result: {} })
})

test('an acknowledgement counts as soon as its headers come', async (t) => {
  const { write, initialize, ask, log, transport, closed } = await overHttp(t, {
    onPost: byMethod({
      // As the official Python SDK does.
      'notifications/a': ({ status }) => status(202, '', { 'content-type': 'application/json' }),
      // A stream that nothing comes on.
      'notifications/b': ({ sse }) => sse(),
      'notifications/c': ({ res }) => {
        res.writeHead(202)
        res.write('...')
        setImmediate(() => res.destroy())
      }
    })
  })
  await initialize()
  for (const name of ['a', 'b', 'c']) await write(notification(`notifications/${name}`))
  t.match(await ask('tools/list'), { result: {} })
  t.strictSame(
    log.lines.filter((line) => line.startsWith('warn')),
    []
  )
  transport.end()
  t.equal(await closed, undefined)
})

test('end waits for the responses to come, and not for streams that stay open', async (t) => {
  const asked = gate()
  const mayAnswer = gate()
  const { server, transport, initialize, frames, closed } = await overHttp(t, {
    onPost: byMethod({
      call: async ({ sse }, { id }) => {
        const stream = sse()
        asked.open()
        await mayAnswer.opened
        stream.send({ jsonrpc: '2.0', id, result: 'late' })
        // The stream stays open.
      }
    })
  })
  await initialize()
  transport.end(request(1, 'call'))
  await asked.opened
  t.strictSame(sent(server, 'DELETE'), [])
  mayAnswer.open()
  t.equal(await closed, undefined)
  t.match(parsed(frames.at(-1)), { id: 1, result: 'late' })
  t.equal(sent(server, 'DELETE').length, 1)
})

test('end waits until the server has the error for its own invalid request', async (t) => {
  const held = gate()
  const mayAnswer = gate()
  const { server, transport, initialize, closed } = await overHttp(t, {
    onGet: ({ sse }) => sse().send('{"id":"bad","method":"m"}'),
    onPost: byMethod({
      undefined: async ({ byDefault }) => {
        held.open()
        await mayAnswer.opened
        byDefault()
      }
    })
  })
  await initialize()
  await held.opened
  transport.end()
  await new Promise((resolve) => setTimeout(resolve, 50))
  t.strictSame(sent(server, 'DELETE'), [])
  mayAnswer.open()
  t.equal(await closed, undefined)
  t.equal(sent(server, 'DELETE').length, 1)
})

test('a server that sends invalid requests and takes no responses gets only some', async (t) => {
  const { server, initialize } = await overHttp(t, {
    onGet: ({ sse }) => {
      const stream = sse()
      for (let id = 0; id < 100; id++) stream.send(`{"id":${id},"method":"m"}`)
    },
    onPost: byMethod({ undefined: () => {} })
  })
  await initialize()
  await server.received.until(({ message }) => message?.id === 15)
  await new Promise((resolve) => setTimeout(resolve, 50))
  t.equal(sent(server, 'POST').filter(({ message }) => message?.error).length, 16)
})

test('frames that are piped in at once get their responses, and no GET stream opens', async (t) => {
  const { server, transport, frames, closed } = await overHttp(t)
  transport.write(opening())
  transport.write(initialized)
  transport.end(request(1, 'tools/list'))
  t.equal(await closed, undefined)
  t.strictSame(
    frames.map(({ id }) => id),
    ['init', 1]
  )
  t.strictSame(
    server.requests.map(({ method }) => method),
    ['POST', 'POST', 'POST', 'DELETE']
  )
})

test('the first of several session ids counts, and the log says so once', async (t) => {
  const headers: [value: string | string[], used: string, warns: boolean][] = [
    [['one', 'two'], 'one', true],
    ['one, two', 'one', true],
    [['one', 'one'], 'one', false],
    ['a,b', 'a,b', false],
    [['', 'one'], 'one', false]
  ]
  for (const [value, used, warns] of headers) {
    const { initialize, ask, server, log } = await overHttp(
      t,
      {
        onPost: (_message, { res, byDefault }) => {
          res.setHeader('mcp-session-id', value)
          byDefault()
        },
        onGet: ({ status }) => status(405),
        onDelete: ({ status }) => status(200)
      },
      { server: { sessions: false } }
    )
    await initialize()
    await ask('tools/list')
    for (const { headers } of sent(server, 'POST').slice(1)) {
      t.equal(headers['mcp-session-id'], used)
    }
    const warnings = log.lines.filter((line) => line.startsWith('warn'))
    t.equal(warnings.length, warns ? 1 : 0, JSON.stringify(value))
    if (warns) t.match(warnings[0], /sent several session ids in one response/)
  }
})

test('a session keeps its id when a later response has another, and the log says so once', async (t) => {
  let count = 0
  const { initialize, ask, server, log } = await overHttp(
    t,
    {
      onPost: (_message, { res, byDefault }) => {
        res.setHeader('mcp-session-id', `id-${++count}`)
        byDefault()
      },
      onGet: ({ status }) => status(405),
      onDelete: ({ status }) => status(200)
    },
    { server: { sessions: false } }
  )
  await initialize()
  await ask('tools/list')
  await ask('tools/list')
  for (const { headers } of sent(server, 'POST').slice(1)) {
    t.equal(headers['mcp-session-id'], 'id-1')
  }
  t.match(
    log.lines.filter((line) => line.startsWith('warn')),
    [/sent a new session id after the session began/]
  )
})

test('the server may refuse the end of the session', async (t) => {
  const answers: Record<string, (exchange: ServerExchange) => unknown> = {
    'a status': ({ status }) => status(405, 'not here'),
    'a broken connection': ({ res }) => res.destroy()
  }
  for (const [name, onDelete] of Object.entries(answers)) {
    const { transport, initialize, closed } = await overHttp(t, { onDelete })
    await initialize()
    transport.end()
    t.equal(await closed, undefined, name)
  }
})

test('a server that does not confirm the end delays it by closeTimeout at most', async (t) => {
  const { server, transport, initialize, closed } = await overHttp(
    t,
    { onDelete: () => {} },
    { closeTimeout: 50 }
  )
  await initialize()
  transport.end()
  t.equal(await closed, undefined)
  t.equal(sent(server, 'DELETE').length, 1)
})

test('destroy ends the session, and once', async (t) => {
  const { server, transport, initialize, closed } = await overHttp(t, {}, { closeTimeout: 0 })
  await initialize()
  transport.destroy()
  transport.destroy(new Error('again'))
  t.equal(await closed, undefined)
  t.equal(sent(server, 'DELETE').length, 1)
})

test('destroy during the end of the session waits for it', async (t) => {
  const asked = gate()
  const mayAnswer = gate()
  const { server, transport, initialize, closed } = await overHttp(t, {
    onDelete: async ({ byDefault }) => {
      asked.open()
      await mayAnswer.opened
      byDefault()
    }
  })
  await initialize()
  transport.end()
  await asked.opened
  transport.destroy()
  mayAnswer.open()
  t.equal(await closed, undefined)
  t.equal(sent(server, 'DELETE').length, 1)
  t.equal(server.sessions.size, 0)
})

test('a first request that fails destroys the transport with the reason in one line', async (t) => {
  const failures: Record<string, [NonNullable<Script['onPost']>, string, RegExp]> = {
    'a status': [
      (_message, { status }) => status(500, '<h1>Internal\n\nServer Error</h1>'),
      'ERR_HTTP_STATUS',
      /^http:\/\/127.0.0.1:\d+\/mcp answered 500: <h1>Internal Server Error<\/h1>$/
    ],
    'a status without a word': [
      (_message, { status }) => status(401),
      'ERR_HTTP_STATUS',
      /^http:\/\/127.0.0.1:\d+\/mcp answered 401$/
    ],
    'a long page': [
      (_message, { status }) => status(403, 'long '.repeat(20_000)),
      'ERR_HTTP_STATUS',
      /^http:\S+ answered 403: (long ){39}long\s?$/
    ],
    'a page with 404, even as JSON-RPC': [
      ({ id }, { status }) =>
        status(404, { jsonrpc: '2.0', id, error: { code: 1, message: 'no' } }),
      'ERR_HTTP_STATUS',
      /answered 404: \{"jsonrpc"/
    ],
    'a page instead of JSON': [
      (_message, { json }) => json('<html>', { 'content-type': 'text/html' }),
      'ERR_HTTP_STATUS',
      /answered 200: <html>$/
    ],
    'no JSON': [
      (_message, { json }) => json('{'),
      'ERR_HTTP_ANSWER',
      /^http:\S+ sent an invalid message: the message is not JSON \(.*\)$/
    ],
    'the wrong response': [
      (_message, { json }) => json({ jsonrpc: '2.0', id: 'other', result: {} }),
      'ERR_HTTP_ANSWER',
      /^http:\S+ sent no response to the request$/
    ],
    'a broken connection': [
      (_message, { res }) => res.destroy(),
      'ERR_CONNECTION',
      /^cannot reach http:\/\/127.0.0.1:\d+\/mcp: other side closed$/
    ],
    'a broken answer': [
      (_message, { res }) => {
        res.writeHead(200, { 'content-type': 'application/json', 'content-length': 100 })
        res.write('{"jsonrpc":')
        setImmediate(() => res.destroy())
      },
      'ERR_CONNECTION',
      /^cannot reach http:\S+: (other side closed|terminated)$/
    ],
    'a broken stream': [
      (_message, { sse }) => sse().end(),
      'ERR_CONNECTION',
      /^http:\S+ ended the stream before the response$/
    ]
  }
  for (const [name, [onPost, code, text]] of Object.entries(failures)) {
    const { transport, closed, write } = await overHttp(t, { onPost })
    const written = write(opening())
    const error = shown(await closed)
    t.equal(error.code, code, name)
    t.match(error.text, text, name)
    t.notMatch(error.text, '\n', name)
    t.ok(await written, 'the write fails')
    t.ok(transport.destroyed)
  }
})

test('an unreachable server destroys the transport', async (t) => {
  const listener = net.createServer().listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const { port } = listener.address() as AddressInfo
  await new Promise((resolve) => listener.close(resolve))
  const server = await serve(t)
  const url = `http://127.0.0.1:${port}/mcp?key=secret`
  const { transport, closed } = hold(t, connectHttp({ url }), server, new KeptLog())
  transport.write(opening())
  t.strictSame(shown(await closed), {
    code: 'ERR_CONNECTION',
    text: `cannot reach http://127.0.0.1:${port}/mcp: connect ECONNREFUSED 127.0.0.1:${port}`
  })
})

test('the transport fails when the first request gets no response in time', async (t) => {
  const { transport, closed } = await overHttp(t, { onPost: () => {} }, { connectTimeout: 100 })
  transport.write(opening())
  t.match(shown(await closed), {
    code: 'ERR_TIMEOUT',
    text: /\/mcp did not answer in time \(see --connect-timeout\)$/
  })
})

test('a later request has no time limit', async (t) => {
  const { initialize, ask } = await overHttp(
    t,
    { onPost: byMethod({ call: ({ byDefault }) => setTimeout(byDefault, 1500) }) },
    { connectTimeout: 500 }
  )
  await initialize()
  t.match(await ask('call'), { result: {} })
})

test('the server’s own error response to initialize passes', async (t) => {
  const error = { code: -32602, message: 'Unsupported', data: { supported: ['2024-11-05'] } }
  const {
    transport,
    answer: to,
    closed
  } = await overHttp(t, {
    onPost: (_message, { status }) => status(400, { jsonrpc: '2.0', id: null, error })
  })
  transport.write(opening())
  t.strictSame(await to('init'), { jsonrpc: '2.0', id: 'init', error })
  transport.end()
  t.equal(await closed, undefined)
})

test('a session that the server forgot destroys the transport, with the undelivered frame in the error', async (t) => {
  const { server, transport, initialize, ask, write, closed } = await overHttp(t)
  await initialize()
  await ask('tools/list')
  server.sessions.clear()
  const frame = request(1, 'call')
  transport.write(frame)
  const error = await closed
  t.match(shown(error), { code: 'ERR_SESSION_UNKNOWN', text: /\/mcp no longer knows the session$/ })
  t.ok(error instanceof SessionUnknownError && error.undelivered.includes(frame))
  t.strictSame(sent(server, 'DELETE'), [], 'there is no session to end')
  t.ok(await write(request(2, 'late')))
})

test('the error of a forgotten session has all frames that the server refused', async (t) => {
  const held: ServerExchange[] = []
  const { server, transport, initialize, frames, closed, write } = await overHttp(t, {
    onPost: byMethod({
      call: ({ sse }, { id }) => sse().send({ jsonrpc: '2.0', method: 'started', params: { id } }),
      refused: (exchange) => {
        if (held.push(exchange) < 3) return
        server.sessions.clear()
        for (const { byDefault } of held) byDefault()
      }
    })
  })
  await initialize()
  transport.write(request('taken', 'call'))
  await frames.until(({ method }) => method === 'started')
  const refused = [1, 2, 3].map((id) => request(id, 'refused'))
  for (const frame of refused) transport.write(frame)
  const error = await closed
  t.ok(error instanceof SessionUnknownError)
  const ids = (error as SessionUnknownError).undelivered.map(({ id }) => id)
  t.strictSame(new Set(ids), new Set([1, 2, 3]), 'but not the frame that the server had before')
  t.ok(await write(request(2, 'late')))
})

test('frames written while the server refuses others are undelivered as well', async (t) => {
  const {
    transport,
    initialize,
    closed,
    write,
    answer: to
  } = await overHttp(t, {
    onPost: byMethod({
      forgotten: ({ status }) => status(404),
      slow: () => {},
      wrong: ({ status }) => setTimeout(() => status(500), 50)
    })
  })
  await initialize()
  transport.write(request('slow', 'slow'))
  transport.write(request('wrong', 'wrong'))
  transport.write(request('forgotten', 'forgotten'))
  const wrong = await to('wrong')
  t.match(wrong, { error: { message: /answered 500/ } }, 'another failure is an error response')
  t.equal(await write(notification('notifications/x')), undefined)
  const error = (await closed) as SessionUnknownError
  t.strictSame(
    error.undelivered.map(({ id, method }) => id ?? method),
    ['forgotten', 'notifications/x']
  )
})

test('a refused notification is undelivered as well', async (t) => {
  const { server, initialize, closed, write } = await overHttp(t)
  await initialize()
  server.sessions.clear()
  const frame = notification('notifications/x')
  t.equal(await write(frame), undefined)
  t.strictSame(((await closed) as SessionUnknownError).undelivered, [frame])
})

test('a session forgotten before initialized opens no GET stream', async (t) => {
  const { server, transport, answer: to, closed } = await overHttp(t)
  transport.write(opening())
  await to('init')
  server.sessions.clear()
  transport.write(initialized)
  t.type(await closed, SessionUnknownError)
  t.strictSame(sent(server, 'GET'), [])
})

test('a session forgotten during end fails the transport', async (t) => {
  const { server, transport, initialize, closed, log } = await overHttp(t)
  await initialize()
  server.sessions.clear()
  transport.end(request(1, 'call'))
  t.type(await closed, SessionUnknownError)
  t.strictSame(sent(server, 'DELETE'), [])
  t.strictSame(
    log.lines.filter((line) => line.startsWith('warn')),
    []
  )
})

test('404 from a server without sessions fails only its request', async (t) => {
  const { initialize, ask } = await overHttp(
    t,
    { onPost: byMethod({ call: ({ status }) => status(404) }) },
    { server: { sessions: false } }
  )
  await initialize()
  t.match(await ask('call'), { error: { message: /answered 404$/ } })
  t.match(await ask('tools/list'), { result: {} })
})

test('a cancellation that names no request cancels nothing', async (t) => {
  const { initialize, write, ask } = await overHttp(t)
  await initialize()
  for (const params of [undefined, { requestId: { toString: 1 } }, { requestId: 'unknown' }]) {
    await write(notification('notifications/cancelled', params))
  }
  t.match(await ask('ping'), { result: {} })
})
