// The HTTP response to a POST: JSON, an event stream, or a stream that breaks and is resumed.

import tap, { test } from 'tap'
import type { Test } from 'tap'
import { answer } from '../../fixtures/servers/http.js'
import type { Json, Script, ServerExchange } from '../../fixtures/servers/http.js'
import type { HttpOptions } from '../../lib/http-client/http-options.ts'
import { SessionUnknownError } from '../../lib/http-client/session-unknown-error.ts'
import { notification, request, response } from '../helpers.ts'
import { byMethod, gate, overHttp, parsed, sent } from './helpers.ts'
import type { Connected } from './helpers.ts'

// The tests with these options only wait, for seconds, so they run beside others.
tap.jobs = 3
const beside = { buffered: true }

tap.setTimeout(120_000)

/** An open session. The server answers the method `call` as given. */
async function withCall(
  t: Test,
  call: (exchange: ServerExchange, message: Json) => unknown,
  script: Script = {},
  options: Partial<HttpOptions> = {}
): Promise<Connected> {
  const onGet: Script['onGet'] = ({ status }) => status(405)
  const session = await overHttp(t, { onGet, ...script, onPost: byMethod({ call }) }, options)
  await session.initialize()
  // The GET stream of the session does not matter here.
  await session.server.received.until(({ method }) => method === 'GET')
  session.server.received.length = 0
  return session
}

const progress = (n: number): object => ({
  jsonrpc: '2.0',
  method: 'notifications/progress',
  params: { progressToken: 'p', progress: n }
})

const text = (frames: { toString(): string }[]): string[] =>
  frames.map((frame) => String(frame).trim())

test('a JSON response keeps its bytes', async (t) => {
  const body = '\n{"jsonrpc":"2.0",\r\n "id":1,"result":{"n":12345678901234567890,"n":1e400}} '
  const { transport, answer: to, frames } = await withCall(t, ({ json }) => json(body))
  transport.write(request(1, 'call'))
  await to(1)
  t.equal(
    String(frames.at(-1)),
    body.replace(/[\r\n]/g, ' ').trim(),
    'without white space round it'
  )
})

test('a response on a stream comes after the messages before it', async (t) => {
  const events = [progress(1), { jsonrpc: '2.0', id: 'asked', method: 'roots/list' }, progress(2)]
  const {
    server,
    transport,
    answer: to,
    frames,
    write
  } = await withCall(t, ({ sse }, { id }) => {
    const stream = sse({ 'content-type': 'Text/Event-Stream; charset=utf-8' })
    stream.comment('keep-alive')
    for (const event of events) stream.send(event, { event: 'message' })
    // The last progress and the result in one write.
    const last = [progress(3), { jsonrpc: '2.0', id, result: {} }]
    stream.raw(last.map((message) => `data: ${JSON.stringify(message)}\n\n`).join(''))
    stream.end()
  })
  transport.write(request(1, 'call', { _meta: { progressToken: 'p' } }))
  t.match(await to(1), { result: {} })
  t.strictSame(frames.slice(1).map(parsed), [
    ...events,
    progress(3),
    { jsonrpc: '2.0', id: 1, result: {} }
  ])
  await write(response('asked', { roots: [] }))
  t.match(sent(server, 'POST')[1]?.message, { id: 'asked', result: { roots: [] } })
})

test('the same events give the same frames wherever they are cut', async (t) => {
  const message = '{"jsonrpc":"2.0","method":"n","params":{"s":"é😀"}}'
  const bytes = Buffer.from(`id: 1\r\ndata: ${message}\r\n\r\nevent: message\ndata: ${message}\n\n`)
  const {
    transport,
    answer: to,
    frames
  } = await withCall(t, async ({ sse }, { id, params }) => {
    const stream = sse()
    stream.raw(bytes.subarray(0, params.cut as number))
    await new Promise(setImmediate)
    stream.raw(bytes.subarray(params.cut as number))
    stream.send(answer({ id, method: 'call' }))
    stream.end()
  })
  for (let cut = 0; cut <= bytes.length; cut++) {
    frames.length = 0
    transport.write(request(cut, 'call', { cut }))
    await to(cut)
    t.strictSame(text(frames.slice(0, 2)), [message, message], `cut at ${cut}`)
  }
})

test('a batch in a response is split into its messages', async (t) => {
  const {
    transport,
    answer: to,
    frames
  } = await withCall(t, ({ json }) =>
    json('[{"jsonrpc":"2.0","method":"n"} , {"jsonrpc":"2.0","id":1,"result":{"n":1.0}}]')
  )
  transport.write(request(1, 'call'))
  await to(1)
  t.strictSame(text(frames.slice(1)), [
    '{"jsonrpc":"2.0","method":"n"}',
    '{"jsonrpc":"2.0","id":1,"result":{"n":1.0}}'
  ])
})

test('a JSON response gives the same frames with a content length and without', async (t) => {
  const note = '{"jsonrpc":"2.0","method":"n","params":{"é":"😀"}}'
  const result = '{"jsonrpc":"2.0","id":1,"result":{"n":12345678901234567890}}'
  const noMessage = 'sent an invalid message'
  const bodies: [body: string, said: string[], error?: string][] = [
    [result, [result]],
    [`\n${result} \n`, [result]],
    [`[${note},${result}]`, [note, result]],
    [`${note}\n${result}`, [note, result]],
    [`${note}[${note} , ${result}]${note}`, [note, note, result, note]],
    [`\ufeff${result}`, [result]],
    [`${result} and more`, [], noMessage],
    [`${note}${result}}`, [note], noMessage],
    [`${note}{}`, [note], noMessage],
    [note, [note], 'sent no response to the request'],
    ['{"jsonrpc":', [], noMessage],
    ['[]', [], noMessage],
    ['"\xff"', [], noMessage],
    ['', [], 'sent no response to the request']
  ]
  const {
    transport,
    answer: to,
    frames
  } = await withCall(t, ({ res }, { params }) => {
    const body = bodies[params.index as number]?.[0] ?? ''
    const length = params.hasLength === true ? { 'content-length': Buffer.byteLength(body) } : {}
    res.writeHead(200, { 'content-type': 'application/json', ...length })
    res.flushHeaders()
    res.end(body)
  })
  for (const [index, [body, said, error]] of bodies.entries()) {
    for (const hasLength of [true, false]) {
      frames.length = 0
      transport.write(request(1, 'call', { index, hasLength }))
      const last = await to(1)
      const all = error === undefined ? frames : frames.slice(0, -1)
      t.strictSame(text(all), said, `${body} (${hasLength ? 'with' : 'without'} length)`)
      if (error !== undefined) t.match(last, { error: { message: error } })
    }
  }
})

test('a JSON response that is cut off counts if its message is complete', async (t) => {
  const result = '{"jsonrpc":"2.0","id":1,"result":{}}'
  const {
    transport,
    answer: to,
    frames
  } = await withCall(t, ({ res }, { params }) => {
    const length = params.hasLength === true ? { 'content-length': 1000 } : {}
    res.writeHead(200, { 'content-type': 'application/json', ...length })
    res.write(result.slice(0, params.sent as number), () => setImmediate(() => res.destroy()))
  })
  for (const hasLength of [true, false]) {
    for (const sent of [result.length, result.length - 1, 1]) {
      frames.length = 0
      transport.write(request(1, 'call', { sent, hasLength }))
      const { error } = await to(1)
      const isWhole = sent === result.length
      t.equal(
        error === undefined,
        isWhole,
        `${sent} bytes (${hasLength ? 'with' : 'without'} length)`
      )
      if (!isWhole) t.match(error?.message, /cannot reach/)
    }
  }
})

test('a request without a valid response gets an error, and the session goes on', async (t) => {
  const answers: Record<
    string,
    [(exchange: ServerExchange, message: Json) => unknown, number, RegExp]
  > = {
    'no JSON': [
      ({ json }) => json('{"jsonrpc":'),
      -32000,
      /\/mcp sent an invalid message: the message is not JSON/
    ],
    'no UTF-8': [
      ({ res }) => {
        res.writeHead(200, { 'content-type': 'application/json' })
        res.end(Buffer.from('{"jsonrpc":"2.0","id":1,"result":"\xff"}', 'latin1'))
      },
      -32000,
      /\/mcp sent an invalid message: the message is not UTF-8$/
    ],
    'no message': [
      ({ json }) => json('{"id":1}'),
      -32000,
      /\/mcp sent an invalid message: the message is not a JSON-RPC 2.0/
    ],
    'an empty body': [({ json }) => json(''), -32000, /\/mcp sent no response to the request$/],
    'an empty batch': [
      ({ json }) => json('[]'),
      -32000,
      /\/mcp sent an invalid message: the batch is empty$/
    ],
    'the answer to another request': [
      ({ json }) => json({ jsonrpc: '2.0', id: 'x', result: {} }),
      -32000,
      /\/mcp sent no response to the request$/
    ],
    'a page': [
      ({ res }) => res.writeHead(200, { 'content-type': 'text/html' }).end('<html>'),
      -32000,
      /\/mcp answered 200: <html>$/
    ],
    'nothing at all': [({ status }) => status(204), -32000, /\/mcp answered 204$/],
    'a status': [({ status }) => status(502, 'Bad\tGateway'), -32000, /answered 502: Bad Gateway$/],
    'a broken connection': [
      ({ res }) => res.destroy(),
      -32000,
      /cannot reach .*: other side closed$/
    ],
    'a stream without it': [
      ({ sse }) => sse().end(),
      -32000,
      /\/mcp ended the stream before the response$/
    ],
    'a broken stream': [
      ({ sse }) => sse().destroy(),
      -32000,
      /\/mcp ended the stream before the response: cannot reach .*: other side closed$/
    ]
  }
  const { ask } = await withCall(t, (exchange, message) =>
    answers[message.params.name]?.[0](exchange, message)
  )
  for (const [name, [, code, message]] of Object.entries(answers)) {
    t.match((await ask('call', { name })).error, { code, message }, name)
  }
})

test('the server’s own error response passes under the id of the request', async (t) => {
  const {
    transport,
    answer: to,
    frames
  } = await withCall(t, async ({ res, status }, { id }) => {
    const error = { code: -32602, message: 'é😀', data: { n: [1] } }
    if (id === 1) return status(400, { jsonrpc: '2.0', error })
    if (id === 2) return status(401, { jsonrpc: '2.0', id: 'x', error })
    if (id === 3) return status(400, '{"jsonrpc":"2.0","id":3,"error":{"code":1e0,"message":"m"}}')
    if (id === 4) return status(400, { jsonrpc: '2.0', id, result: {} })
    // In two parts, with a character cut in two.
    const bytes = Buffer.from(JSON.stringify({ jsonrpc: '2.0', error }))
    const cut = bytes.indexOf(Buffer.from('é')) + 1
    res.writeHead(400).write(bytes.subarray(0, cut))
    await new Promise((resolve) => setTimeout(resolve, 20))
    res.end(bytes.subarray(cut))
  })
  const error = { code: -32602, message: 'é😀', data: { n: [1] } }
  for (const id of [1, 2, 'cut']) {
    transport.write(request(id, 'call'))
    t.strictSame(await to(id), { jsonrpc: '2.0', id, error })
  }
  transport.write(request(3, 'call'))
  await to(3)
  t.match(String(frames.at(-1)), '"code":1e0', 'its bytes are unchanged where the id is right')
  transport.write(request(4, 'call'))
  t.match(
    await to(4),
    { error: { message: /answered 400: / } },
    'a result with an error status does not pass'
  )
})

test('a message over the limit fails its request, and nothing else', async (t) => {
  const maxMessage = 10_000
  const of = (id: number, size: number): string => {
    const frame = (pad: string): string => JSON.stringify({ jsonrpc: '2.0', id, result: { pad } })
    return frame('x'.repeat(size - frame('').length))
  }
  const {
    transport,
    answer: to,
    frames
  } = await withCall(
    t,
    ({ json, sse }, { id, params }) => {
      const body = of(id as number, params.size as number)
      if (params.as === 'json') return json(body)
      const stream = sse()
      stream.send(body)
      stream.send(progress(id as number))
      stream.end()
    },
    {},
    { maxMessage }
  )
  let id = 0
  for (const as of ['json', 'sse']) {
    transport.write(request(++id, 'call', { as, size: maxMessage }))
    t.match(await to(id), { result: {} }, `${as}: the limit itself passes`)
    transport.write(request(++id, 'call', { as, size: maxMessage + 1 }))
    const { error } = await to(id)
    t.match(
      error,
      { code: -32600, message: /^a message of \d+ bytes is over the limit of 10000 / },
      as
    )
  }
  const after = await frames.until((frame) => parsed(frame)?.params?.progress === id)
  t.ok(after, 'what comes after it on the stream is read')
})

test('a result of 60 MiB passes, as JSON and on a stream', async (t) => {
  const pad = 'x'.repeat(60 * 1024 * 1024)
  const {
    transport,
    answer: to,
    frames
  } = await withCall(t, ({ json, sse }, { id }) => {
    const body = `{"jsonrpc":"2.0","id":${id},"result":{"pad":"${pad}"}}`
    if (id === 1) return json(body)
    const stream = sse()
    stream.send(body)
    stream.end()
  })
  for (const id of [1, 2]) {
    transport.write(request(id, 'call'))
    await to(id)
    t.ok((frames.at(-1)?.bytes.length ?? 0) > pad.length)
    frames.length = 0
  }
})

test('a request of 60 MiB passes', async (t) => {
  const {
    transport,
    server,
    answer: to
  } = await withCall(t, ({ json }, { id, params }) =>
    json({ jsonrpc: '2.0', id, result: { size: params.pad.length } })
  )
  const size = 60 * 1024 * 1024
  transport.write(request(1, 'call', { pad: 'x'.repeat(size) }))
  t.match(await to(1), { result: { size } })
  server.received.length = server.requests.length = 0
})

test('the response to a request that is only accepted comes on another stream', async (t) => {
  const {
    server,
    transport,
    initialize,
    answer: to,
    closed
  } = await overHttp(t, {
    onPost: byMethod({
      call: ({ status }, message) => {
        status(202, '', { 'content-type': 'application/json' })
        server.streams[0]?.send(answer(message))
      }
    })
  })
  await initialize()
  await server.received.until(({ method }) => method === 'GET')
  transport.end(request(1, 'call'))
  t.match(await to(1), { result: { method: 'call' } })
  t.equal(await closed, undefined)
})

test('an invalid message on a stream is logged and skipped', async (t) => {
  const {
    server,
    transport,
    answer: to,
    frames,
    log
  } = await withCall(t, ({ sse }, { id }) => {
    const stream = sse()
    stream.send('{')
    stream.send('{"id":"bad","method":5}')
    stream.send({ id: 'other', result: {} })
    stream.send(answer({ id, method: 'call' }))
    stream.end()
  })
  transport.write(request(1, 'call'))
  t.match(await to(1), { result: {} })
  t.match(
    log.lines.filter((line) => line.startsWith('warn')),
    [
      /sent an invalid message: the message is not JSON/,
      /sent an invalid message: the message is not a JSON-RPC/,
      /sent an invalid message: the message is not a JSON-RPC/
    ]
  )
  t.equal(frames.at(-2)?.id, 'init', 'nobody waits for the response with the id "other"')
  // An invalid request gets an error.
  const back = await server.received.until(({ message }) => message?.id === 'bad')
  t.match(back?.message, { id: 'bad', error: { code: -32600 } })
  t.ok(back?.headers['mcp-session-id'])
})

test('a request fails when its stream ends after an unreadable event', async (t) => {
  const { ask, server } = await withCall(t, ({ sse }) => {
    const stream = sse()
    stream.send(progress(1), { id: 1 })
    stream.raw(Buffer.from('data: {"jsonrpc":"2.0","result":"\xff"}\n\n', 'latin1'))
    stream.end()
  })
  const { error } = await ask('call')
  t.match(error?.message, /ended the stream before the response: the event is not UTF-8$/)
  t.strictSame(sent(server, 'GET'), [], 'resuming would bring the same event')
})

test('a call fails at once when the event with its response is unreadable', async (t) => {
  const results = ['{"n":NaN}', '"\xe9"', '{"cut":"off', '\x01"']
  const { ask, frames } = await withCall(t, ({ sse }, { id, params }) => {
    const text = `{"jsonrpc":"2.0","id":"${id}","result":${results[params.index as number]}}`
    // The stream stays open.
    sse().raw(Buffer.from(`data: ${text}\n\n`, 'latin1'))
  })
  for (const index of results.keys()) {
    t.match(await ask('call', { index }), {
      error: { code: -32000, message: /\/mcp sent an invalid message: the (message|event) is not/ }
    })
  }
  t.equal(frames.length, 1 + results.length)
})

test('a byte order mark at the start of a body is skipped', async (t) => {
  const { ask } = await withCall(t, ({ res, status, sse }, { id, params }) => {
    if (params.as === 'sse') return sse().raw(`\ufeffdata: ${JSON.stringify(result(id))}\n\n`)
    if (params.as === 'json') {
      res.writeHead(200, { 'content-type': 'application/json' })
      return res.end(`\ufeff${JSON.stringify(result(id))}`)
    }
    status(400, `\ufeff${JSON.stringify({ jsonrpc: '2.0', id, error: { code: 7, message: 'x' } })}`)
  })
  t.match(await ask('call', { as: 'sse' }), { result: 'done' })
  t.match(await ask('call', { as: 'json' }), { result: 'done' })
  t.match(await ask('call', { as: 'error' }), { error: { code: 7 } })
})

test('several values in a JSON response are logged once', async (t) => {
  const { ask, log } = await withCall(t, ({ json }, { id }) =>
    json(
      `${JSON.stringify(progress(1))}\n${JSON.stringify(progress(2))}\n${JSON.stringify(result(id))}`
    )
  )
  await ask('call')
  await ask('call')
  t.match(
    log.lines.filter((line) => line.startsWith('warn')),
    [/\/mcp sends several messages in one JSON response$/]
  )
})

/** A call whose response comes in parts: the first on the POST, the others on GETs that resume it. */
function inParts(...parts: ((exchange: ServerExchange, id: Json) => unknown)[]): {
  call: (exchange: ServerExchange, message: Json) => unknown
  script: Script
} {
  let id: Json
  const next = (exchange: ServerExchange): unknown => parts.shift()?.(exchange, id)
  return {
    call: (exchange, message) => {
      id = message.id
      return next(exchange)
    },
    script: {
      onGet: (exchange) =>
        exchange.req.headers['last-event-id'] === undefined ? exchange.status(405) : next(exchange)
    }
  }
}

const result = (id: Json): object => ({ jsonrpc: '2.0', id, result: 'done' })

test('a stream that ends or breaks is resumed after its last event', async (t) => {
  for (const how of ['end', 'destroy'] as const) {
    const { call, script } = inParts(
      ({ sse }) => {
        const stream = sse()
        stream.raw('id: a-0\nretry: 10\ndata:\n\n')
        stream.send(progress(1), { id: 'a-1' })
        // This event is not complete, so it counts for nothing.
        stream.raw('id: a-2\ndata: {"jsonrpc":"2.0","method":"half')
        setImmediate(() => stream[how]())
      },
      ({ sse }) => {
        const stream = sse()
        stream.send(progress(2), { id: 'a-2' })
        stream.end()
      },
      ({ sse }, id) => {
        const stream = sse()
        stream.send(progress(3))
        stream.send(result(id))
        stream.end()
      }
    )
    const { server, transport, answer: to, frames, log } = await withCall(t, call, script)
    transport.write(request(1, 'call'))
    t.match(await to(1), { result: 'done' }, how)
    t.strictSame(frames.slice(1).map(parsed), [...[1, 2, 3].map(progress), result(1)])
    const gets = sent(server, 'GET')
    t.strictSame(
      gets.map(({ headers }) => headers['last-event-id']),
      ['a-1', 'a-2']
    )
    for (const { headers } of gets) {
      t.equal(headers.accept, 'text/event-stream')
      t.ok(headers['mcp-session-id'])
      t.equal(headers['mcp-protocol-version'], '2025-11-25')
    }
    t.strictSame(
      log.lines.filter((line) => line.startsWith('warn')),
      []
    )
  }
})

test('a stream with only a priming event is resumed', async (t) => {
  const { call, script } = inParts(
    ({ sse }) => {
      const stream = sse()
      stream.raw('id: p\nretry: 5\ndata: \n\n')
      stream.end()
    },
    ({ sse }, id) => sse().send(result(id))
  )
  const { ask, log } = await withCall(t, call, script)
  t.match(await ask('call'), { result: 'done' })
  t.strictSame(
    log.lines.filter((line) => line.startsWith('warn')),
    []
  )
})

test('the server sets the pause before its stream is resumed', async (t) => {
  let ended = 0
  let came = 0
  const { call, script } = inParts(
    ({ sse }) => {
      const stream = sse()
      stream.raw('id: 1\nretry: 500\ndata:\n\n')
      stream.res.end(() => (ended = Date.now()))
    },
    ({ sse }, id) => {
      came = Date.now()
      sse().send(result(id))
    }
  )
  const { ask } = await withCall(t, call, script)
  t.match(await ask('call'), { result: 'done' })
  const waited = came - ended
  t.ok(waited >= 450 && waited < 900, `waited ${waited} ms`)
})

test('a stream is resumed as often as its event ids advance, without a flood', async (t) => {
  const { call, script } = inParts(
    ...Array.from({ length: 10 }, (_, n) => ({ sse }: ServerExchange) => {
      const stream = sse()
      stream.raw(`id: ${n}\nretry: 0\ndata:\n\n`)
      stream.end()
    }),
    ({ sse }, id) => sse().send(result(id))
  )
  const { ask } = await withCall(t, call, script)
  const began = performance.now()
  t.match(await ask('call'), { result: 'done' })
  const took = performance.now() - began
  t.ok(took > 950 && took < 2500, `10 pauses of 100 ms: ${took} ms`)
})

test('a call fails after five streams in a row that bring nothing new', beside, async (t) => {
  const empty: Record<string, (exchange: ServerExchange) => void> = {
    nothing: ({ sse }) => sse().end(),
    'a comment and `retry: 0`': ({ sse }) => {
      const stream = sse()
      stream.raw(': beat\n\nretry: 0\n\n')
      stream.end()
    },
    'the event before': primed(1)
  }
  const all = Object.entries(empty).map(async ([name, part]) => {
    const { call, script } = inParts(primed(1), ...Array<typeof part>(9).fill(part))
    const { ask, server } = await withCall(t, call, script)
    const began = performance.now()
    const { error } = await ask('call')
    const took = performance.now() - began
    t.match(error?.message, /ended the stream before the response/, name)
    t.equal(sent(server, 'GET').length, 5, name)
    t.ok(took > 3000 && took < 4500, `pauses of 100, 200, 400, 800 and 1600 ms: ${took} ms`)
  })
  await Promise.all(all)
})

const primed =
  (id: number) =>
  ({ sse }: ServerExchange): void => {
    const stream = sse()
    stream.raw(`id: ${id}\nretry: 1\ndata:\n\n`)
    stream.end()
  }

test('a request fails after five attempts in a row to resume its stream', beside, async (t) => {
  const failing = ({ status }: ServerExchange): void => status(503, 'busy')
  const breaking = ({ res }: ServerExchange): void => void res.destroy()
  const { call, script } = inParts(
    primed(1),
    failing,
    breaking,
    primed(2),
    ...[failing, breaking, failing, breaking, failing]
  )
  const { ask, server } = await withCall(t, call, script)
  const { error } = await ask('call')
  t.match(error?.message, /ended the stream before the response: http.*answered 503: busy$/)
  t.equal(sent(server, 'GET').length, 8)
})

test('a request fails at once when the server refuses to resume its stream', async (t) => {
  const refusals: Record<string, (exchange: ServerExchange) => unknown> = {
    'answered 405': ({ status }) => status(405),
    'answered 400: Unknown event': ({ status }) => status(400, 'Unknown event'),
    'answered 200: <html>': ({ res }) => res.writeHead(200).end('<html>')
  }
  for (const [message, refusal] of Object.entries(refusals)) {
    const { call, script } = inParts(primed(1), refusal)
    const { ask, server } = await withCall(t, call, script)
    t.equal((await ask('call')).error?.message, `${server.url} ${message}`)
    t.equal(sent(server, 'GET').length, 1)
    t.match(await ask('tools/list'), { result: {} })
  }
})

test('a request that the server had before it forgot the session is not sent again', async (t) => {
  const { call, script } = inParts(primed(1), ({ status }) => status(404))
  const { transport, closed } = await withCall(t, call, script)
  transport.write(request(1, 'call'))
  const error = await closed
  t.type(error, SessionUnknownError)
  t.strictSame((error as SessionUnknownError).undelivered, [], 'the server had it')
})

test('a stream is not resumed after the response or a cancellation', async (t) => {
  const answered = gate()
  const { call, script } = inParts(({ sse }, id) => {
    const stream = sse()
    stream.raw('id: 1\nretry: 1\ndata:\n\n')
    stream.send(result(id))
    stream.end()
    void stream.closed.then(answered.open)
  }, primed(1))
  const { ask, server, transport, write, closed } = await withCall(t, call, script)
  await ask('call')
  await answered.opened
  // The stream of this call is down when the call is cancelled.
  transport.write(request(2, 'call'))
  await server.received.until(({ message }) => message?.id === 2)
  await write(notification('notifications/cancelled', { requestId: 2 }))
  transport.end()
  t.equal(await closed, undefined)
  t.ok(sent(server, 'GET').length <= 1)
})

test('a response counts on the stream of another request, too', async (t) => {
  const held: ServerExchange[] = []
  const {
    transport,
    answer: to,
    closed
  } = await withCall(t, (exchange, { id }) => {
    if (held.push(exchange) < 2) return
    const [first] = held
    const stream = exchange.sse()
    stream.send(result(1))
    stream.send(result(id))
    stream.end()
    first?.sse().end()
  })
  transport.write(request(1, 'call'))
  transport.end(request(2, 'call'))
  t.match(await to(1), { result: 'done' })
  t.match(await to(2), { result: 'done' })
  t.equal(await closed, undefined)
})

test('an error response nested 20,000 levels deep passes under the id of the request', async (t) => {
  const data = '['.repeat(20_000) + ']'.repeat(20_000)
  const error = `{"code":-32602,"message":"deep","data":${data}}`
  const {
    transport,
    answer: to,
    frames
  } = await withCall(t, ({ status }) => status(400, `{"jsonrpc":"2.0","error":${error}}`))
  transport.write(request(1, 'call'))
  await to(1)
  t.ok(String(frames.at(-1)) === `{"jsonrpc":"2.0","id":1,"error":${error}}`)
})

test('an exception in the reader of the frames is logged, and the session goes on', async (t) => {
  const { transport, ask, log } = await withCall(t, ({ json, sse, status }, { id, params }) => {
    if (params.as === 'json') return json(result(id))
    if (params.as === 'status') return status(500)
    const stream = sse()
    stream.send(result(id))
    stream.end()
  })
  for (const as of ['json', 'sse', 'status']) {
    transport.once('data', () => {
      throw new Error(`the reader of ${as} broke`)
    })
    t.match(await ask('call', { as }), as === 'status' ? { error: {} } : { result: 'done' })
    const line = await log.lines.until((text) => text.includes(`the reader of ${as} broke`))
    t.match(line, /: cannot handle .* of http:.*\/mcp: /)
  }
  t.match(await ask('call', { as: 'json' }), { result: 'done' })
})
