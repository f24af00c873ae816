// HTTP requests: headers, redirects, tokens, and responses that can be paused.

import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import tap, { test } from 'tap'
import type { Test } from 'tap'
import type { Json, ServerExchange } from '../../fixtures/servers/http.js'
import { ProxyError } from '../../lib/errors.ts'
import type { Credentials } from '../../lib/http-client/auth/credentials.ts'
import { HttpClient } from '../../lib/http-client/http-client.ts'
import type { ResponseHandler } from '../../lib/http-client/http-exchange.ts'
import { version } from '../../lib/version.ts'
import { request } from '../helpers.ts'
import type { notification } from '../helpers.ts'
import { byMethod, gate, opening, overHttp, overSse, sent, shown } from './helpers.ts'

tap.setTimeout(120_000)

test('every request has the configured headers, except those that the protocol sets', async (t) => {
  const headers = {
    'X-Api-Key': 'k',
    Accept: 'nothing',
    'CONTENT-TYPE': 'text/plain',
    'Mcp-Session-Id': 'mine'
  }
  const { server, initialize, transport, closed } = await overHttp(t, {}, { headers })
  await initialize()
  await server.received.until(({ method }) => method === 'GET')
  transport.end()
  t.equal(await closed, undefined)
  const methods = server.received.map(({ method }) => method)
  t.strictSame(methods, ['POST', 'POST', 'GET', 'DELETE'])
  for (const { headers } of server.received) t.equal(headers['x-api-key'], 'k')
  const [post, second] = server.received
  t.equal(post?.headers.accept, 'application/json, text/event-stream')
  t.equal(post?.headers['content-type'], 'application/json')
  t.equal(post?.headers['mcp-session-id'], 'mine')
  t.match(second?.headers['mcp-session-id'], /^[\da-f-]{36}$/)
})

test('every request names the proxy in User-Agent, unless the caller does', async (t) => {
  const plain = await overHttp(t)
  await plain.initialize()
  const old = await overSse(t)
  await old.initialize()
  for (const { headers } of [...plain.server.received, ...old.server.received]) {
    t.equal(headers['user-agent'], `mcp-duplex/${version}`)
  }

  const own = await overHttp(t, {}, { headers: { 'User-Agent': 'mine' } })
  await own.initialize()
  for (const { headers } of own.server.received) t.equal(headers['user-agent'], 'mine')
})

test('informational responses are skipped', async (t) => {
  const { initialize, ask } = await overHttp(t, {
    onPost: (_message, { res, byDefault }) => {
      res.writeProcessing()
      res.writeEarlyHints({ link: '</style.css>; rel=preload' }, byDefault)
    }
  })
  await initialize()
  t.match(await ask('tools/list'), { result: {} })
})

/** Gives token-1, and after each refusal the next. */
class Tokens implements Credentials {
  readonly refusals: (string | undefined)[] = []

  authorize(): Promise<string> {
    return Promise.resolve(`Bearer token-${this.refusals.length + 1}`)
  }

  refused(authorization: string | undefined): boolean {
    this.refusals.push(authorization)
    return true
  }
}

test('after 401 the request is repeated with a new token', async (t) => {
  const credentials = new Tokens()
  const headers = { Authorization: 'Basic of-the-caller' }
  const { server, initialize, ask } = await overHttp(t, {}, { credentials, headers })
  await initialize()
  server.script.onPost = (_message, { req, status, byDefault }) =>
    req.headers.authorization === 'Bearer token-1' ? status(401, 'expired') : byDefault()
  t.match(await ask('tools/list'), { result: {} })
  t.match(await ask('tools/list'), { result: {} })
  t.strictSame(credentials.refusals, ['Bearer token-1'])
  t.strictSame(
    sent(server, 'POST').map(({ headers }) => headers.authorization),
    [1, 1, 1, 2, 2].map((n) => `Bearer token-${n}`)
  )
})

test('a second 401 fails the request', async (t) => {
  const credentials = new Tokens()
  const { server, initialize, ask } = await overHttp(t, {}, { credentials })
  await initialize()
  server.script.onPost = (_message, { status }) => status(403)
  t.match(await ask('tools/list'), { error: {} }, 'a 403 is not repeated')
  server.script.onPost = (_message, { status }) => status(401, 'who are you?')
  const { error } = await ask('tools/list')
  t.equal(error?.message, `${server.url} answered 401: who are you?`)
  t.strictSame(credentials.refusals, ['Bearer token-1'])
})

test('without a session, a 401 asks for credentials, whatever its body says', async (t) => {
  const credentials = new Tokens()
  const { initialize } = await overHttp(
    t,
    {
      onPost: (_message, { req, status, byDefault }) =>
        req.headers.authorization === 'Bearer token-1'
          ? status(401, 'Session not found')
          : byDefault()
    },
    { credentials }
  )
  t.match(await initialize(), { result: {} })
  t.strictSame(credentials.refusals, ['Bearer token-1'])
})

test('a 401 that reports a lost session asks for no credentials', async (t) => {
  const error = { code: -32001, message: 'unknown' }
  const body = JSON.stringify({ jsonrpc: '2.0', id: null, error })
  for (const reason of ['Session not found', body]) {
    const credentials = new Tokens()
    const { server, initialize, ask, closed } = await overHttp(t, {}, { credentials })
    await initialize()
    server.script.onPost = (_message, { res }) =>
      res.writeHead(401, { 'content-type': 'application/json' }).end(reason)
    ask('tools/list').catch(() => {})
    t.match(await closed, { code: 'ERR_SESSION_UNKNOWN' })
    t.strictSame(credentials.refusals, [])
  }
})

test('a 401 with WWW-Authenticate asks for credentials, whatever its body says', async (t) => {
  const credentials = new Tokens()
  const { server, initialize, ask } = await overHttp(t, {}, { credentials })
  await initialize()
  server.script.onPost = (_message, { req, res, byDefault }) => {
    if (req.headers.authorization !== 'Bearer token-1') return byDefault()
    return res.writeHead(401, { 'www-authenticate': 'Bearer' }).end('Session not found')
  }
  t.match(await ask('tools/list'), { result: {} })
  t.strictSame(credentials.refusals, ['Bearer token-1'])
})

test('credentials may be a text, a promise of any kind, or missing', async (t) => {
  const thenable: PromiseLike<string> = {
    then: (onText, onError) => Promise.resolve('Bearer b').then(onText, onError)
  }
  for (const [given, expected] of [
    ['Bearer a', 'Bearer a'],
    [thenable, 'Bearer b'],
    [undefined, undefined]
  ] as const) {
    const authorize = (): Promise<string> => given as Promise<string>
    const credentials = { authorize, refused: () => false }
    const { server, initialize } = await overHttp(t, {}, { credentials })
    await initialize()
    t.equal(server.received[0]?.headers.authorization, expected)
  }
})

test('after 403 the request is repeated as often as the credentials want, twice at most', async (t) => {
  let count = 0
  let mayRepeat = true
  const credentials = {
    authorize: () => Promise.resolve('Bearer a'),
    refused: () => false,
    insufficient: () => ++count > 0 && mayRepeat
  }
  const { server, initialize, ask } = await overHttp(t, {}, { credentials })
  await initialize()
  server.script.onPost = (_message, { status, byDefault }) =>
    count < 2 ? status(403) : byDefault()
  t.match(await ask('tools/list'), { result: {} })
  t.equal(count, 2)
  count = 0
  server.script.onPost = (_message, { status }) => status(403, 'no')
  t.equal((await ask('tools/list')).error?.message, `${server.url} answered 403: no`)
  t.equal(count, 2)
  mayRepeat = false
  await ask('tools/list')
  t.equal(count, 3)
})

test('the time for the first response begins after the sign-in', async (t) => {
  for (const connect of [overHttp, overSse]) {
    let waits = true
    const credentials = {
      authorize: async () => {
        if (waits) await sleep(700)
        waits = false
        return 'Bearer a'
      },
      refused: () => false
    }
    const patient = await connect(t, {}, { credentials, connectTimeout: 300 })
    t.match(await patient.initialize(), { result: {} })
    if (connect === overSse) {
      // The POST of the first message waits, and not the GET.
      let requests = 0
      const later = {
        ...credentials,
        authorize: () => sleep(requests++ === 1 ? 700 : 0, 'Bearer a')
      }
      const slow = await connect(t, {}, { credentials: later, connectTimeout: 300 })
      t.match(await slow.initialize(), { result: {} })
    }
    waits = true
    const silent = { onPost: () => {}, onSse: () => {} }
    const late = await connect(t, silent, { credentials, connectTimeout: 300 })
    await t.rejects(late.initialize(), { code: 'ERR_TIMEOUT' })
  }
})

test('without credentials 401 fails the request', async (t) => {
  const headers = { Authorization: 'Bearer secret' }
  const { server, transport, closed } = await overHttp(
    t,
    { onPost: (_message, { status }) => status(401) },
    { headers }
  )
  transport.write(opening())
  const error = shown(await closed)
  t.equal(error.text, `${server.url} answered 401`)
  t.equal(server.requests.length, 1)
})

test('a request fails with the reason when there is no token', async (t) => {
  const reason = new ProxyError('ERR_TOKEN', 'no token for you')
  const credentials = { authorize: () => Promise.reject(reason), refused: () => false }
  const { server, transport, closed } = await overHttp(t, {}, { credentials })
  transport.write(opening())
  t.equal(await closed, reason)
  t.strictSame([...server.requests], [])
})

test('destroy ends the wait for a token', async (t) => {
  const asked = gate()
  const credentials: Credentials = {
    authorize: (_request, signal) =>
      new Promise((_resolve, reject) => {
        signal?.addEventListener('abort', () => reject(signal.reason as Error))
        asked.open()
      }),
    refused: () => false
  }
  const { server, transport, closed } = await overHttp(t, {}, { credentials })
  transport.write(opening())
  await asked.opened
  transport.destroy()
  t.equal(await closed, undefined)
  t.strictSame([...server.requests], [])
})

test('a request fails with the reason when its connection cannot be set up', async (t) => {
  const { transport, closed } = await overHttp(
    t,
    {},
    { url: 'https://127.0.0.1/mcp', ca: '/nowhere/ca.pem' }
  )
  transport.write(opening())
  t.match(shown(await closed), {
    code: 'ERR_CONFIG',
    text: /^--ca \/nowhere\/ca.pem cannot be read: /
  })
})

test('an invalid header fails the request, and the error does not show its value', async (t) => {
  const headers = { 'x-api-key': 'secret\n' }
  const { transport, closed, server } = await overHttp(t, {}, { headers })
  transport.write(opening())
  const { code, text } = shown(await closed)
  t.equal(code, 'ERR_CONNECTION')
  t.equal(text, `cannot reach ${server.url}: invalid x-api-key header`)
})

test('a revision that is no valid header fails the requests after it', async (t) => {
  const {
    transport,
    ask,
    answer: to
  } = await overHttp(t, {
    onPost: byMethod({
      initialize: ({ json }, { id }) =>
        json({ jsonrpc: '2.0', id, result: { protocolVersion: 'draft…' } })
    })
  })
  transport.write(opening())
  await to('init')
  const { error } = await ask('tools/list')
  t.match(error?.message, /invalid mcp-protocol-version header$/)
})

test('no error shows a secret of the URL, the headers or the token', async (t) => {
  const secret = 'xyzzy'
  const answers: ((exchange: ServerExchange) => unknown)[] = [
    ({ status }) => status(500, 'no'),
    ({ status }) => status(401, 'no'),
    ({ status }) => status(307, '', { location: `http://127.0.0.1:1/?${secret}` }),
    ({ res }) => res.destroy(),
    ({ json }) => json('{'),
    ({ sse }) => sse().end(),
    () => {}
  ]
  for (const connect of [overHttp, overSse]) {
    for (const [index, answer] of answers.entries()) {
      const session = await connect(t)
      const path = connect === overHttp ? '/mcp' : '/sse'
      const url = new URL(`http://127.0.0.1:${session.server.port}${path}?key=${secret}`)
      Object.assign(session.server.script, { onPost: atAll(answer), onSse: answer })
      const tried = await connect(
        t,
        {},
        {
          url,
          headers: { 'x-api-key': secret },
          credentials: {
            authorize: () => Promise.resolve(`Bearer ${secret}`),
            refused: () => true
          },
          connectTimeout: 200
        }
      )
      tried.transport.write(opening())
      const { text } = shown(await tried.closed)
      t.notMatch(text, secret, `${path} ${index}: ${text}`)
      t.match(text, `127.0.0.1:${session.server.port}${path}`)
      t.notMatch(tried.log.lines.join('\n'), secret)
    }
  }
})

const atAll =
  (answer: (exchange: ServerExchange) => unknown) =>
  (_message: Json, exchange: ServerExchange): unknown =>
    answer(exchange)

/** A server that streams as fast as the client reads, and counts the bytes it has written. */
async function flood(t: Test): Promise<{ url: URL; state: { written: number } }> {
  const state = { written: 0 }
  const chunk = Buffer.alloc(64 * 1024, 'x')
  const server = createServer((incoming, outgoing) => {
    incoming.resume()
    outgoing.writeHead(200)
    let left = total
    const pour = (): void => {
      while (!outgoing.destroyed && left > 0) {
        left -= chunk.length
        state.written += chunk.length
        if (!outgoing.write(chunk)) {
          outgoing.once('drain', pour)
          return
        }
      }
      outgoing.end()
    }
    pour()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  return { url: new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`), state }
}
const total = 64 * 1024 * 1024

test('a paused client reads no response, not even one that begins later', async (t) => {
  const { url, state } = await flood(t)
  const client = new HttpClient({ url }, () => {})
  t.teardown(() => client.destroy())
  const ended = gate()
  let size = 0
  let replied = 0
  const handler: ResponseHandler = {
    onHeaders: () => replied++,
    onData: (chunk) => {
      size += chunk.length
      // In the middle of the response.
      if (size === chunk.length) client.pause()
    },
    onEnd: () => ended.open(),
    onError: (error) => t.fail(error.message)
  }
  client.resume()
  client.send({ method: 'GET', headers: {} }, handler)
  const stands = async (): Promise<number> => {
    for (let before = -1; before !== state.written;) {
      before = state.written
      await new Promise((resolve) => setTimeout(resolve, 200))
    }
    return state.written
  }
  const held = await stands()
  t.ok(client.paused)
  const seen = size
  t.ok(seen > 0)
  t.ok(held < total / 2, `the server stopped at ${held} bytes`)
  client.send({ method: 'GET', headers: {} }, { ...handler, onEnd() {} })
  await stands()
  t.equal(replied, 2, 'both responses have begun')
  t.equal(size, seen, 'and neither brings data')
  client.resume()
  await ended.opened
  t.ok(size >= total)
})

test('a slow reader stops the server, and then gets all of a large stream', async (t) => {
  const count = 300
  const pad = 'x'.repeat(256 * 1024)
  let written = 0
  const { transport, initialize, write } = await overHttp(t, {
    onPost: byMethod({
      call: async ({ sse }, { id }) => {
        const stream = sse()
        for (; written < count; written++) {
          const params = { n: written, pad }
          if (stream.send({ jsonrpc: '2.0', method: 'n', params })) continue
          await new Promise((resolve) => stream.res.once('drain', resolve))
        }
        stream.send({ jsonrpc: '2.0', id, result: {} })
        stream.end()
      }
    })
  })
  await initialize()
  transport.removeAllListeners('data').pause()
  await write(request(1, 'call'))
  for (let before = -1; before !== written;) {
    before = written
    await new Promise((resolve) => setTimeout(resolve, 300))
  }
  t.ok(written > 0 && written < count / 2, `the server stopped after ${written} events`)
  t.ok(transport.readableLength < 64, `${transport.readableLength} frames are held`)
  let n = 0
  for await (const frame of transport.iterator({ destroyOnReturn: false })) {
    const message = (frame as ReturnType<typeof notification>).message()
    if (message.id === 1) break
    if (message.params?.n !== n++) t.fail('out of order')
  }
  t.equal(n, count)
})

test('an exchange can be aborted at each stage', async (t) => {
  const { url } = await flood(t)
  const client = new HttpClient({ url }, () => {})
  t.teardown(() => client.destroy())
  const silent: ResponseHandler = {
    onHeaders: () => t.fail('a reply'),
    onData: () => t.fail('data'),
    onEnd: () => t.fail('an end'),
    onError: () => t.fail('an error')
  }
  client.send({ method: 'GET', headers: {} }, silent).abort()
  const early = client.send({ method: 'GET', headers: {} }, silent)
  // It is dispatched, and waits for a connection.
  await new Promise(setImmediate)
  early.abort()
  early.fail(new Error('too late'))
  const replied = gate()
  const late = client.send(
    { method: 'GET', headers: {} },
    { ...silent, onHeaders: replied.open, onData() {} }
  )
  await replied.opened
  late.abort()
  late.abort()
  t.ok(early.ended && late.ended)
})

test('a client without requests can be destroyed', async () => {
  await new HttpClient({ url: new URL('http://127.0.0.1:1') }, () => {}).destroy()
})
