// The event stream that a GET asks for: it brings the unsolicited messages of the server.

import { test } from 'tap'
import type { Test } from 'tap'
import type { Script, ServerExchange } from '../../fixtures/servers/http.js'
import type { HttpOptions } from '../../lib/http-client/http-options.ts'
import { SessionUnknownError } from '../../lib/http-client/session-unknown-error.ts'
import { response } from '../helpers.ts'
import { byMethod, gate, overHttp, parsed, sent } from './helpers.ts'
import type { Connected } from './helpers.ts'

/** An open session. The server answers each GET with the next of `answers`, and repeats the last. */
async function withGets(
  t: Test,
  answers: ((exchange: ServerExchange) => unknown)[],
  options: Partial<HttpOptions> & { server?: { sessions: boolean } } = {}
): Promise<Connected> {
  let count = 0
  const last = answers.length - 1
  const script: Script = { onGet: (exchange) => answers[Math.min(count++, last)]?.(exchange) }
  const session = await overHttp(t, script, options)
  await session.initialize()
  return session
}

const notice = (n: number): object => ({ jsonrpc: '2.0', method: 'notifications/x', params: { n } })

test('unsolicited messages come on the GET stream, and responses to them go out in a POST', async (t) => {
  const question = { jsonrpc: '2.0', id: 'q', method: 'roots/list' }
  const { server, frames, write } = await withGets(t, [
    ({ sse }) => {
      const stream = sse()
      stream.comment()
      stream.send(notice(1))
      stream.send(question)
    }
  ])
  await frames.until(({ kind }) => kind === 'request')
  t.strictSame(frames.slice(1).map(parsed), [notice(1), question])
  await write(response('q', { roots: [] }))
  t.match(sent(server, 'POST').at(-1)?.message, { id: 'q', result: { roots: [] } })
})

test('a server without a GET stream is asked once, and the log has no warning', async (t) => {
  const refusals: Record<string, (exchange: ServerExchange) => unknown> = {
    'answered 405': ({ status }) => status(405, '', { allow: 'POST' }),
    'answered 404: Cannot GET /mcp': ({ status }) => status(404, 'Cannot GET /mcp'),
    'answered 200: <html>': ({ res }) =>
      res.writeHead(200, { 'content-type': 'text/html' }).end('<html>')
  }
  for (const [message, refusal] of Object.entries(refusals)) {
    const { server, log, ask, transport, closed } = await withGets(t, [refusal])
    const line = await log.lines.until((text) => text.includes('no stream'))
    t.equal(line, `debug: no stream on GET: ${server.url} ${message}`)
    t.match(await ask('tools/list'), { result: {} })
    transport.end()
    t.equal(await closed, undefined)
    t.equal(sent(server, 'GET').length, 1)
    t.strictSame([...log.lines], [line])
  }
})

test('a request that gets 202 fails if the server has no GET stream', async (t) => {
  for (const getFirst of [true, false]) {
    const [get, post] = [gate(), gate()]
    const { ask, log, initialize } = await overHttp(t, {
      onGet: ({ status }) => get.opened.then(() => status(405)),
      onPost: byMethod({ late: ({ status }) => post.opened.then(() => status(202)) })
    })
    await initialize()
    const late = ask('late')
    const [first, second] = getFirst ? [get, post] : [post, get]
    first.open()
    if (getFirst) await log.lines.until((text) => text.includes('no stream'))
    else t.match(await ask('tools/list'), { result: {} })
    second.open()
    t.match(await late, { error: { message: /accepted the request and has no stream/ } })
    t.match(await ask('tools/list'), { result: {} })
  }
})

test('a stream that ends or breaks is resumed after its last event', async (t) => {
  const { server, frames } = await withGets(t, [
    ({ sse }) => {
      const stream = sse()
      stream.retry(10)
      stream.end()
    },
    ({ sse }) => {
      const stream = sse()
      stream.send(notice(1), { id: 'é😀' })
      stream.raw('id: 2\ndata: {"half')
      setImmediate(stream.destroy)
    },
    ({ sse }) => {
      const stream = sse()
      stream.send(notice(2), { id: 2 })
      stream.raw('id:\ndata:\n\n')
      stream.end()
    },
    ({ sse }) => sse().send(notice(3))
  ])
  await frames.until((frame) => parsed(frame)?.params?.n === 3)
  t.strictSame(frames.slice(1).map(parsed), [1, 2, 3].map(notice))
  const ids = sent(server, 'GET').map(({ headers }) => headers['last-event-id'])
  const utf8 = Buffer.from('é😀').toString('latin1')
  t.strictSame(ids, [undefined, undefined, utf8, undefined], 'an empty id cancels the last one')
  for (const { headers } of sent(server, 'GET')) {
    t.equal(headers.accept, 'text/event-stream')
    t.ok(headers['mcp-session-id'])
    t.equal(headers['mcp-protocol-version'], '2025-11-25')
  }
})

test('the server sets the pause before the stream is resumed', async (t) => {
  let ended = 0
  const came = gate()
  await withGets(t, [
    ({ sse }) => {
      const stream = sse()
      stream.retry(500)
      stream.res.end(() => (ended = Date.now()))
    },
    () => came.open()
  ])
  await came.opened
  const waited = Date.now() - ended
  t.ok(waited >= 450 && waited < 900, `waited ${waited} ms`)
})

test('the pauses grow while the server gives no stream', async (t) => {
  const times: number[] = []
  const failing = ({ status }: ServerExchange): void => {
    times.push(Date.now())
    status(times.length % 2 === 0 ? 429 : 503)
  }
  const { frames, log } = await withGets(t, [
    ({ sse }) => {
      const stream = sse()
      stream.retry(20)
      stream.end()
    },
    failing,
    failing,
    ({ res }) => {
      times.push(Date.now())
      res.destroy()
    },
    ({ sse }) => {
      times.push(Date.now())
      sse().send(notice(1))
    }
  ])
  await frames.until(({ kind }) => kind === 'notification')
  const [a = 0, b = 0, c = 0, d = 0] = times
  t.ok(b - a >= 198, '100 ms, doubled')
  t.ok(c - b >= 398)
  t.ok(d - c >= 798)
  t.match([...log.lines], [/debug: .*503/, /debug: .*429/, /debug: cannot reach/])
})

test('a stream that stays open for long may bring nothing', async (t) => {
  const times: number[] = []
  const { server } = await withGets(t, [({ sse }) => sse().end()])
  const count = (): number => sent(server, 'GET').length
  while (count() < 3) await new Promise((resolve) => setTimeout(resolve, 10))
  const now = performance.now.bind(performance)
  const asked = new Promise<void>((resolve) => {
    server.script.onGet = ({ sse }) => {
      const stream = sse()
      setTimeout(() => {
        if (times.push(now()) === 2) return resolve()
        t.intercept(performance, 'now', { value: () => now() + 31_000 })
        stream.end()
      }, 50)
    }
  })
  await asked
  const [a = 0, b = 0] = times
  t.ok(b - a < 300, 'the pauses begin with 100 ms again')
})

test('a pause longer than a timer can wait is cut to that', async (t) => {
  const ended = gate()
  const { server, transport, closed, ask } = await withGets(t, [
    ({ sse }) => {
      const stream = sse()
      stream.raw(`retry: ${'9'.repeat(20)}\n\n`)
      stream.end()
      void stream.closed.then(ended.open)
    }
  ])
  await ended.opened
  await ask('tools/list')
  await new Promise((resolve) => setTimeout(resolve, 50))
  t.equal(sent(server, 'GET').length, 1, 'a timer that is set too far would fire at once')
  transport.destroy()
  t.equal(await closed, undefined)
})

test('an invalid message on the stream is logged, and a request among them gets an error', async (t) => {
  const { server, frames, log } = await withGets(t, [
    ({ sse }) => {
      const stream = sse()
      stream.send('{')
      stream.send('{"id":"bad","method":"m"}')
      stream.send(notice(1))
    }
  ])
  await frames.until(({ kind }) => kind === 'notification')
  const back = await server.received.until(({ message }) => message?.id === 'bad')
  t.match(back?.message, { error: { code: -32600 } })
  t.equal(log.lines.filter((line) => /^warn: .* sent an invalid message/.test(line)).length, 2)
})

test('a message over the limit does not affect the others on the stream', async (t) => {
  const { frames } = await withGets(
    t,
    [
      ({ sse }) => {
        const stream = sse()
        stream.send({ jsonrpc: '2.0', method: 'n', params: { pad: 'x'.repeat(100_000) } })
        stream.send(notice(1))
      }
    ],
    { maxMessage: 50_000 }
  )
  await frames.until(({ kind }) => kind === 'notification')
  t.strictSame(frames.slice(1).map(parsed), [notice(1)])
})

test('404 for a stream that the server gave before means that it does not know the session', async (t) => {
  const { closed, server } = await withGets(t, [
    ({ sse }) => {
      const stream = sse()
      stream.retry(1)
      stream.end()
    },
    ({ status }) => status(404)
  ])
  const error = await closed
  t.type(error, SessionUnknownError)
  t.strictSame((error as SessionUnknownError).undelivered, [])
  t.strictSame(sent(server, 'DELETE'), [])
})

test('404 for the stream of a server without sessions changes nothing', async (t) => {
  const { log, ask } = await withGets(
    t,
    [
      ({ sse }) => {
        const stream = sse()
        stream.retry(1)
        stream.end()
      },
      ({ status }) => status(404)
    ],
    { server: { sessions: false } }
  )
  await log.lines.until((line) => line.includes('answered 404'))
  t.match(await ask('tools/list'), { result: {} })
})

test('the stream opens once, and closes when the session ends', async (t) => {
  const asked = gate()
  const gone = gate()
  const { server, initialize, transport, closed } = await overHttp(t, {
    onGet: ({ sse }) => {
      void sse().closed.then(gone.open)
      asked.open()
    }
  })
  await initialize()
  await initialize()
  await asked.opened
  transport.end()
  await gone.opened
  t.equal(await closed, undefined)
  t.equal(sent(server, 'GET').length, 1)
})
