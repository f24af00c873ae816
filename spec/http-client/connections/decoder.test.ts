// Responses with a Content-Encoding.

import zlib from 'node:zlib'
import tap, { test } from 'tap'
import type { Test } from 'tap'
import { answer } from '../../../fixtures/servers/http.js'
import type { Json, ServerExchange } from '../../../fixtures/servers/http.js'
import { HttpClient } from '../../../lib/http-client/http-client.ts'
import { request } from '../../helpers.ts'
import {
  byMethod,
  gate,
  opening,
  overHttp,
  overSse,
  overUrl,
  sent,
  serve,
  shown
} from '../helpers.ts'
import type { Connected } from '../helpers.ts'

tap.setTimeout(60_000)

type Encode = (body: Buffer) => Buffer

/** `@types/node` of Node 20 does not have zstd. */
const { zstdCompressSync } = zlib as unknown as { zstdCompressSync: Encode | undefined }

const encodings: Record<string, Encode> = {
  gzip: (body) => zlib.gzipSync(body),
  'X-GZip': (body) => zlib.gzipSync(body),
  deflate: (body) => zlib.deflateSync(body),
  'deflate, identity': (body) => zlib.deflateRawSync(body),
  br: (body) => zlib.brotliCompressSync(body),
  identity: (body) => body,
  'gzip, br': (body) => zlib.brotliCompressSync(zlib.gzipSync(body)),
  'br,deflate , gzip': (body) => zlib.gzipSync(zlib.deflateSync(zlib.brotliCompressSync(body))),
  ...(zstdCompressSync && { zstd: zstdCompressSync })
}

async function withCall(
  t: Test,
  call: (exchange: ServerExchange, message: Json) => unknown,
  options = {}
): Promise<Connected> {
  const session = await overHttp(t, { onPost: byMethod({ call }) }, options)
  await session.initialize()
  return session
}

function respond(
  { res }: ServerExchange,
  encoding: string | string[],
  body: Buffer,
  status = 200
): void {
  res.setHeader('content-encoding', encoding)
  res.writeHead(status, { 'content-type': 'application/json' })
  res.end(body)
}

test('requests ask for a body without an encoding', async (t) => {
  const { initialize, server } = await overHttp(t)
  await initialize()
  for (const { headers } of server.received) t.equal(headers['accept-encoding'], 'identity')
})

test('a JSON response is decoded, whatever its encoding', async (t) => {
  const { ask } = await withCall(t, (exchange, message) => {
    const { encoding } = message.params
    respond(
      exchange,
      encoding === 'gzip, br' ? ['gzip', 'br'] : encoding,
      encodings[encoding]?.(Buffer.from(JSON.stringify(answer(message)))) as Buffer
    )
  })
  for (const encoding of Object.keys(encodings)) {
    const params = { encoding, pad: 'é'.repeat(100_000) }
    t.strictSame((await ask('call', params)).result, { method: 'call', params }, encoding)
  }
})

test('an event arrives when the server flushes it', async (t) => {
  const encoders = {
    gzip: () => zlib.createGzip(),
    br: () => zlib.createBrotliCompress(),
    deflate: () => zlib.createDeflate()
  }
  const next: (() => void)[] = []
  const {
    transport,
    frames,
    answer: to
  } = await withCall(t, ({ res }, { id, params }) => {
    const encoding = params.encoding as keyof typeof encoders
    res.writeHead(200, { 'content-type': 'text/event-stream', 'content-encoding': encoding })
    const encoder = encoders[encoding]()
    encoder.pipe(res)
    const send = (message: Json): void => {
      encoder.write(`data: ${JSON.stringify(message)}\n\n`)
      encoder.flush()
    }
    send({ jsonrpc: '2.0', method: 'first' })
    next.push(() => {
      send({ jsonrpc: '2.0', id, result: {} })
      encoder.end()
    })
  })
  for (const [index, encoding] of Object.keys(encoders).entries()) {
    frames.length = 0
    transport.write(request(index, 'call', { encoding }))
    await frames.until(({ method }) => method === 'first')
    next.pop()?.()
    t.match(await to(index), { result: {} }, encoding)
  }
})

test('an event stream of HTTP+SSE may be encoded', async (t) => {
  const { ask, initialize } = await overSse(t, {
    onSse: ({ res }) => {
      res.writeHead(200, { 'content-type': 'text/event-stream', 'content-encoding': 'gzip' })
      encoder.pipe(res)
      encoder.write('event: endpoint\ndata: /messages\n\n')
      encoder.flush()
    },
    onMessage: (message, { status }) => {
      status(202)
      if (message.id === undefined) return
      encoder.write(`data: ${JSON.stringify(answer(message))}\n\n`)
      encoder.flush()
    }
  })
  const encoder = zlib.createGzip()
  await initialize()
  t.match(await ask('call'), { result: { method: 'call' } })
})

test('an encoded stream that breaks is resumed after its last event', async (t) => {
  let call: Json
  const events = (text: string): Buffer => zlib.gzipSync(text)
  const session = await withCall(t, ({ res }, message) => {
    call = message
    res.writeHead(200, { 'content-type': 'text/event-stream', 'content-encoding': 'gzip' })
    // Without the last bytes the encoding is incomplete.
    const whole = events('id: 7\ndata: {"jsonrpc":"2.0","method":"n"}\n\n')
    if (message.params.breaks === true) res.write(whole, () => setImmediate(() => res.destroy()))
    else res.end(whole.subarray(0, -8))
  })
  session.server.script.onGet = ({ req, res, status }) => {
    if (req.headers['last-event-id'] !== '7') return status(405)
    res.writeHead(200, { 'content-type': 'text/event-stream', 'content-encoding': 'gzip' })
    res.end(events(`id: 8\ndata: ${JSON.stringify(answer(call))}\n\n`))
  }
  for (const breaks of [true, false]) {
    session.frames.length = 0
    t.match(await session.ask('call', { breaks }), { result: {} })
    t.strictSame(session.frames[0]?.method, 'n')
  }
})

test('the body of an error is decoded', async (t) => {
  const error = { code: -32602, message: 'no such tool' }
  const { ask } = await withCall(t, (exchange, { params }) => {
    respond(exchange, 'gzip', zlib.gzipSync(params.body), params.status)
  })
  const body = JSON.stringify({ jsonrpc: '2.0', error })
  t.match((await ask('call', { status: 400, body })).error, error)
  t.match((await ask('call', { status: 500, body: 'broken' })).error, {
    message: /answered 500: broken$/
  })
})

test('a body that cannot be decoded fails its call, and no other', async (t) => {
  const whole = zlib.gzipSync(JSON.stringify({ jsonrpc: '2.0', id: 1, result: {} }))
  const corrupt = Buffer.from(whole)
  corrupt.fill(0xff, 12, 20)
  const json = Buffer.from('{}')
  const zstd = zstdCompressSync === undefined ? 'zstd' : 'compress'
  const bodies: [name: string, encoding: string, body: Buffer, message: RegExp][] = [
    [
      'cut off',
      'gzip',
      whole.subarray(0, -20),
      /cannot decode the response: unexpected end of file$/
    ],
    ['corrupt', 'gzip', corrupt, /\/mcp: cannot decode the response: /],
    ['not encoded', 'br', json, /\/mcp: cannot decode the response: /],
    ['not encoded', 'deflate', json, /\/mcp: cannot decode the response: /],
    [
      'unknown',
      zstd,
      json,
      /\/mcp: the proxy cannot decode the Content-Encoding "(zstd|compress)"$/
    ],
    ['unknown, then known', 'compress, gzip', json, /decode the Content-Encoding "compress"$/],
    ['too many', 'gzip, gzip, gzip, gzip, gzip', json, /decode the Content-Encoding "gzip"$/],
    ['empty', 'compress', Buffer.alloc(0), /sent no response to the request$/]
  ]
  const { ask } = await withCall(t, (exchange, { params }) => {
    const { index, status } = params as { index: number; status: number }
    const [, encoding = '', body = json] = bodies[index] ?? []
    respond(exchange, encoding, body, status)
  })
  for (const [index, [name, encoding, , message]] of bodies.entries()) {
    const { error } = await ask('call', { index, status: 200 })
    t.match(error, { code: -32000, message }, `${name}: ${encoding}`)
    const refused = await ask('call', { index, status: 403 })
    t.match(refused.error?.message, /answered 403/, `${name}: the status counts`)
  }
  t.match(await ask('ping'), { result: {} })
})

test('the error of a first request names the encoding, and 405 still leads to HTTP+SSE', async (t) => {
  const compress = { 'content-encoding': 'compress' }
  const first = await overUrl(t, {
    onPost: (_message, { json }) => json('x', compress)
  })
  first.transport.write(opening())
  t.match(shown(await first.closed).text, /cannot decode the Content-Encoding "compress"$/)

  const old = await overUrl(t, {
    onPost: (_message, { status }) => status(405, 'x', compress),
    onGet: ({ status }) => status(405, 'x', compress)
  })
  old.transport.write(opening())
  t.match(shown(await old.closed).text, /answered 405: \(.*"compress"\)\), and not over HTTP\+SSE/)
  t.equal(sent(old.server, 'GET').length, 1)
})

test('an encoded body is an error when it decodes to more than the limit', async (t) => {
  const maxMessage = 100_000
  const bomb = zlib.gzipSync(Buffer.alloc(100 * 1024 * 1024, ' '))
  const event = zlib.gzipSync(
    `data: {"jsonrpc":"2.0","id":"watched-2","result":"${' '.repeat(1_000_000)}"}\n\n`
  )
  const { ask } = await withCall(
    t,
    ({ res }, { params }) => {
      const type = params?.sse === true ? 'text/event-stream' : 'application/json'
      res.writeHead(200, { 'content-type': type, 'content-encoding': 'gzip' })
      res.end(params?.sse === true ? event : bomb)
    },
    { maxMessage }
  )
  const before = process.memoryUsage().arrayBuffers
  const tooLarge = { error: { code: -32600, message: /over the limit of 100000/ } }
  t.match(await ask('call'), tooLarge)
  t.ok(process.memoryUsage().arrayBuffers - before < 20 * 1024 * 1024)
  t.match(await ask('call', { sse: true }), tooLarge)
  t.match(await ask('ping'), { result: {} })
})

test('a slow reader stops an encoded stream, and gets all of it in the end', async (t) => {
  const count = 300
  const pad = 'x'.repeat(10_000)
  let text = ''
  for (let n = 0; n < count; n++) {
    text += `data: ${JSON.stringify({ jsonrpc: '2.0', method: 'n', params: { n, pad } })}\n\n`
  }
  const {
    transport,
    frames,
    answer: to
  } = await withCall(t, ({ res, entry }, message) => {
    res.writeHead(200, {
      'content-type': 'text/event-stream',
      'content-encoding': message.params.encoding
    })
    const whole = `${text}data: ${JSON.stringify(answer(entry.message))}\n\n`
    res.end(encodings[message.params.encoding]?.(Buffer.from(whole)))
  })
  for (const [index, encoding] of ['gzip', 'br', 'gzip, br'].entries()) {
    frames.length = 0
    transport.pause()
    transport.write(request(index, 'call', { encoding, pad: '' }))
    await new Promise((resolve) => setTimeout(resolve, 200))
    t.equal(frames.length, 0)
    t.ok(transport.readableLength < count, `${transport.readableLength} frames wait`)
    transport.resume()
    await to(index)
    t.strictSame(
      frames.slice(0, count).map((frame) => frame.message().params?.n),
      Array.from({ length: count }, (_, n) => n),
      encoding
    )
  }
})

test('a client that is paused after the headers gets no decoded part', async (t) => {
  const headers = gate()
  const ended = gate()
  const server = await serve(t, {
    onGet: async ({ res }) => {
      res.writeHead(200, { 'content-encoding': 'gzip' }).flushHeaders()
      await headers.opened
      res.end(zlib.gzipSync('x'.repeat(100_000)))
    }
  })
  const client = new HttpClient({ url: new URL(server.url) }, () => {})
  t.teardown(() => client.destroy())
  let size = 0
  client.send(
    { method: 'GET', headers: {} },
    {
      onHeaders: () => {
        setImmediate(() => {
          client.pause()
          headers.open()
        })
      },
      onData: (chunk) => (size += chunk.length),
      onEnd: ended.open,
      onError: (error) => t.fail(error.message)
    }
  )
  await headers.opened
  await new Promise((resolve) => setTimeout(resolve, 100))
  t.equal(size, 0)
  client.resume()
  await ended.opened
  t.equal(size, 100_000)
})

test('an exception of the handler fails the exchange, and nothing else', async (t) => {
  const server = await serve(t, {
    onGet: (exchange) => respond(exchange, 'gzip', zlib.gzipSync('x')),
    onDelete: (exchange) => respond(exchange, 'compress', Buffer.from('x'), 500)
  })
  const client = new HttpClient({ url: new URL(server.url) }, () => {})
  t.teardown(() => client.destroy())
  for (const method of ['GET', 'DELETE', 'GET'] as const) {
    const failed = new Promise<Error>((resolve) => {
      const handler = {
        onHeaders() {},
        onData: () => {
          throw new Error('the handler broke')
        },
        onEnd: () => t.fail('an end'),
        onError: resolve
      }
      client.send({ method, headers: {} }, handler)
    })
    t.match(shown(await failed), {
      code: 'ERR_HTTP_ANSWER',
      text: /^cannot handle the response of .*: the handler broke$/
    })
  }
})

test('a transport can be destroyed while a body is decoded', async (t) => {
  const { transport, closed } = await withCall(t, ({ res }) => {
    res.writeHead(200, { 'content-type': 'text/event-stream', 'content-encoding': 'gzip' })
    res.write(zlib.gzipSync(`:${'x'.repeat(1_000_000)}\n\n`), () => transport.destroy())
  })
  transport.write(request(1, 'call'))
  t.equal(await closed, undefined)
})
