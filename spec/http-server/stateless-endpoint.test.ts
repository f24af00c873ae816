// POSTs that are a client each.

import t from 'tap'
import { ProxyError } from '../../lib/errors.ts'
import type { ClientContext } from '../../lib/http-server/client-context.ts'
import { listen } from '../../lib/http-server/listener.ts'
import { makeFrame } from '../../lib/message/frame.ts'
import { answerTo } from '../../lib/message/response-to.ts'
import type { MirroredParam } from '../../lib/protocol/mirrored-headers.ts'
import { ask, bodyOf, headersOf, parsed, post } from '../modern.ts'
import { FakeServer, initialize, json, rawConnection, serve } from './helpers.ts'

const subscriptionKey = 'io.modelcontextprotocol/subscriptionId'

/** Responds to every request with the request's params. */
const echo = (): FakeServer =>
  new FakeServer((message, server) => void server.respond(message, { params: message.params }))

t.test('each request gets a separate transport, with the kind modern', async (t) => {
  const { listener, contexts, ended } = await serve(t, {}, echo)
  const { mcp } = listener.urlsOf('')
  for (const n of [1, 2]) {
    const { status, messages } = await ask(mcp, '1', 'tools/call', { name: 'x', n })
    t.equal(status, 200)
    t.match(messages, [{ id: 1, result: { params: { n } } }])
  }
  t.match(contexts, [
    { server: '', kind: 'modern' },
    { server: '', kind: 'modern' }
  ])
  t.not(contexts[0]?.session, contexts[1]?.session)
  await ended.until(() => ended.length === 2)
})

t.test('a request that `serve` takes gets no transport', async (t) => {
  const taken: ClientContext[] = []
  const { listener, contexts, client } = await serve(t, {
    serve: (exchange, context) => {
      const { request } = exchange
      if (request.method === 'ping') return false
      taken.push(context)
      exchange.begin()
      exchange.send(answerTo(request, makeFrame({ jsonrpc: '2.0', id: 0, result: {} })), () =>
        exchange.destroy()
      )
      return true
    }
  })
  const { mcp } = listener.urlsOf('')
  t.match(await ask(mcp, '"a"', 'x'), { status: 200, messages: [{ id: 'a', result: {} }] })
  t.match(await ask(mcp, '"b"', 'ping'), { messages: [{ id: 'b', result: {} }] })
  const method = 'notifications/x'
  t.equal((await client().post(json({ method }), headersOf(method))).status, 202)
  t.match(taken, [{ kind: 'modern', session: 'post-1' }])
  t.match(
    contexts.map(({ session }) => session),
    ['post-2', 'post-3']
  )
})

t.test('the end of an exchange is the response, if there is none yet', async (t) => {
  const failures = [new ProxyError('ERR_SERVER_EXITED', 'it exited'), undefined]
  const closed: unknown[] = []
  const { listener } = await serve(t, {
    serve: (exchange) => {
      exchange.onClose = (error) => closed.push(error)
      exchange.destroy(failures.shift())
      exchange.destroy(new Error('a second end'))
      return true
    }
  })
  const { mcp } = listener.urlsOf('')
  t.match((await ask(mcp, '1', 'x')).messages, [{ error: { message: 'the server exited' } }])
  const message = 'the server ended without a response'
  t.match((await ask(mcp, '1', 'x')).messages, [{ error: { message } }])
  t.match(closed, [{ code: 'ERR_SERVER_EXITED' }, undefined])

  const large = { text: 'x'.repeat(100_000) }
  t.match((await ask(mcp, '1', 'x', large)).messages, [{ error: { message } }])
  t.equal(listener.bodyMemory, 0, 'a large body keeps no memory')
})

t.test('without sessions each legacy request gets a separate transport too', async (t) => {
  const { listener, contexts, servers, client } = await serve(t, { stateless: true }, echo)
  const answer = parsed(
    await client().post(json({ id: 'a', method: 'tools/list', params: { n: 1 } }))
  )
  t.match(answer, { status: 200, message: { id: 'a', result: { params: { n: 1 } } } })
  const named = { 'mcp-session-id': 'of another proxy', 'mcp-protocol-version': '2025-06-18' }
  t.equal((await client().post(json(initialize), named)).status, 200)
  t.strictSame(
    contexts.map(({ kind }) => kind),
    ['stateless', 'stateless']
  )

  const error = { code: -32601, message: 'no' }
  const refused = parsed(await client().post(json({ id: 1, error })))
  t.match(refused, { status: 400, message: { id: null, error: { code: -32600 } } })
  t.equal(servers.length, 2, 'a response goes to no server')
  t.equal((await client().post(`[${json({ id: 1, method: 'ping' })}]`)).status, 400)
  for (const method of ['GET', 'DELETE']) {
    const response = await client().open(method)
    t.equal(response.statusCode, 405)
    t.equal(response.headers.allow, 'POST')
    response.resume()
  }
  t.match((await ask(listener.urlsOf('').mcp, '1', 'x')).status, 200)
  t.equal(contexts.at(-1)?.kind, 'modern')
})

t.test('a notification goes to a server, and gets 202 when the server has taken it', async (t) => {
  for (const options of [{}, { stateless: true }]) {
    const { servers, client, contexts, ended } = await serve(t, options, () => {
      const server = new FakeServer()
      server.stop()
      return server
    })
    const method = 'notifications/custom'
    const body = json({ method, params: { n: 1 } })
    const posting = client().post(body, options.stateless ? {} : headersOf(method))
    const server = (await servers.until(() => true)) as FakeServer
    t.match(await server.got(method), { method, params: { n: 1 } })
    let isDone = false
    void posting.then(() => (isDone = true))
    await new Promise((resolve) => setTimeout(resolve, 20))
    t.notOk(isDone)
    server.goOn()
    t.match(await posting, { status: 202, text: '' })
    t.equal(contexts[0]?.kind, options.stateless ? 'stateless' : 'modern')
    await ended.until(() => true)
    t.ok(server.destroyed)
  }
})

t.test('a notification that no server takes gets an error', async (t) => {
  const failures: [answer: (server: FakeServer) => void, status: number, message: string][] = [
    [(server) => void server.say({ id: 1, result: {} }), 202, ''],
    [(server) => void server.notify('notifications/x'), 202, ''],
    [
      (server) => void server.say({ error: { code: -32600, message: 'no' } }),
      400,
      'the server has refused the notification'
    ],
    [(server) => server.destroy(new ProxyError('ERR_LEGACY_SERVER', 'not here')), 400, 'not here'],
    [(server) => server.destroy(), 503, 'the server ended before it took the notification']
  ]
  let answer: (server: FakeServer) => void
  const { client } = await serve(
    t,
    { stateless: true },
    () => new FakeServer((_, server) => answer(server))
  )
  for (const failure of failures) {
    const [, status, message] = failure
    answer = failure[0]
    const response = await client().post(json({ method: 'notifications/custom' }))
    t.equal(response.status, status)
    if (status === 202) t.equal(response.text, '')
    else t.match(parsed(response).message, { id: null, error: { message } })
  }
})

t.test('a modern server gets no cancellation and no `initialized` in a POST', async (t) => {
  const { servers, client } = await serve(t)
  const statuses = { 'notifications/cancelled': 400, 'notifications/initialized': 202 }
  for (const [method, status] of Object.entries(statuses)) {
    const body = json({ method, params: { requestId: 1 } })
    t.equal((await client().post(body, headersOf(method))).status, status)
  }
  t.equal(servers.length, 0)
})

t.test('a client that disconnects before the server takes its notification ends it', async (t) => {
  const { servers, client, listener } = await serve(t, { stateless: true }, () => {
    const server = new FakeServer()
    server.stop()
    return server
  })
  const one = client()
  one.post(json({ method: 'notifications/custom' })).catch(() => {})
  const server = (await servers.until(() => true)) as FakeServer
  await server.got('notifications/custom')
  const closed = new Promise((resolve) => server.once('close', resolve))
  one.close()
  await closed
  const late = client().post(json({ method: 'notifications/custom' }))
  await servers.until(() => servers.length === 2)
  void listener.close(20)
  t.match(await late, { status: 503 }, 'and so does the end of the proxy')
})

t.test('every response to a legacy request has the status 200', async (t) => {
  const refusing = (): FakeServer =>
    new FakeServer((message, server) => {
      void server.say({ id: message.id, error: { code: -32601, message: 'no' } })
    })
  const { client } = await serve(t, { stateless: true }, refusing)
  const answer = parsed(await client().post(json({ id: 1, method: 'x' })))
  t.match(answer, { status: 200, message: { error: { code: -32601 } } })
})

t.test('error responses of a server have the statuses of the revision', async (t) => {
  const refusing = (): FakeServer =>
    new FakeServer((message, server) => {
      void server.say({ id: message.id, error: { code: message.params.code, message: 'no' } })
    })
  const { listener } = await serve(t, {}, refusing)
  const { mcp } = listener.urlsOf('')
  const statuses = { '-32601': 404, '-32602': 400, '-32021': 400, '-32022': 400, '-32603': 200 }
  for (const [code, status] of Object.entries(statuses)) {
    const answer = await ask(mcp, '"i d"', 'x', { code: Number(code) })
    t.equal(answer.status, status)
    t.match(answer.messages, [{ id: 'i d', error: { code: Number(code) } }])
  }
})

t.test('a request is checked before it reaches a server, and the refusal has its id', async (t) => {
  const { servers, client, listener } = await serve(t, {}, echo)
  const http = client()
  const refusals: [string, Record<string, string | undefined>, number, number][] = [
    [bodyOf('7', 'x'), { 'mcp-method': undefined }, 400, -32020],
    [bodyOf('7', 'x'), { 'mcp-protocol-version': undefined }, 400, -32020],
    [bodyOf('7', 'x'), { 'mcp-protocol-version': '2031-01-01' }, 400, -32020],
    [bodyOf('7', 'x'), { 'mcp-method': 'X' }, 400, -32020],
    [bodyOf('7', 'tools/call', { name: 'n' }), { 'mcp-method': 'tools/call' }, 400, -32020],
    [json({ id: 7, method: 'x', params: {} }), { 'mcp-method': 'X' }, 400, -32602],
    [bodyOf('7', 'initialize'), { 'mcp-method': 'initialize' }, 404, -32601]
  ]
  for (const [body, headers, status, code] of refusals) {
    const answer = parsed(await http.post(body, { ...headersOf('x'), ...headers }))
    t.match(answer, { status, message: { id: 7, error: { code } } }, body)
  }
  t.equal(servers.length, 0)

  // White space around values and the case of names make no difference in HTTP.
  const { socket, text } = rawConnection(t, listener)
  const body = bodyOf('7', 'x')
  socket.write(
    [
      'POST /mcp HTTP/1.1',
      'Host: localhost',
      'CONTENT-TYPE: application/json',
      'mCp-MeThOd: \t x \t',
      'MCP-PROTOCOL-VERSION:2026-07-28   ',
      `Content-Length: ${body.length}`,
      '',
      body
    ].join('\r\n')
  )
  t.match(await text.until('"params"'), /^HTTP\/1\.1 200 OK/)
})

const region: MirroredParam = { header: 'mcp-param-region', path: ['region'], type: 'string' }

t.test('mirrored arguments are checked', async (t) => {
  const asked: [string, string][] = []
  const { listener } = await serve(
    t,
    {
      servers: ['a b'],
      mirroredParams: async (server, tool) => {
        asked.push([server, tool])
        return [region]
      }
    },
    echo
  )
  const call = { name: 'tool', arguments: { region: 'é' } }
  const { mcp } = listener.urlsOf('a b')
  const right = await ask(mcp, '1', 'tools/call', call, { 'Mcp-Param-Region': '=?base64?w6k=?=' })
  t.equal(right.status, 200)
  const wrong = await ask(mcp, '1', 'tools/call', call)
  t.match(wrong, { status: 400, messages: [{ id: 1, error: { code: -32020 } }] })
  t.strictSame(asked, [
    ['a b', 'tool'],
    ['a b', 'tool']
  ])
})

t.test('a request is refused if its check fails', async (t) => {
  const faults: [Error, number, number, number][] = [
    [new ProxyError('ERR_LEGACY_SERVER', 'not here'), 400, -32600, 1],
    [new ProxyError('ERR_TIMEOUT', 'too slow'), 504, -32000, 1],
    [new Error('a surprise'), 500, -32603, 1]
  ]
  let fault: Error
  const { listener, servers } = await serve(
    t,
    { mirroredParams: () => Promise.reject(fault) },
    echo
  )
  for (const [error, status, code, id] of faults) {
    fault = error
    const answer = await ask(listener.urlsOf('').mcp, '1', 'tools/call', { name: 'x' })
    t.match(answer, { status, messages: [{ id, error: { code } }] })
  }
  t.equal(servers.length, 0)
})

t.test('a client that disconnects during the check reaches no server', async (t) => {
  let find = (_params: MirroredParam[]): void => {}
  let ask = (): void => {}
  const asked = new Promise<void>((resolve) => (ask = resolve))
  const { servers, listener } = await serve(t, {
    mirroredParams: () => {
      ask()
      return new Promise((resolve) => (find = resolve))
    }
  })
  const { socket, text } = rawConnection(t, listener)
  const call = { name: 'tool' }
  const body = bodyOf('1', 'tools/call', call)
  const headers = {
    ...headersOf('tools/call', call),
    host: 'localhost',
    'content-length': body.length
  }
  const head = Object.entries(headers).map((header) => header.join(': '))
  socket.write(['POST /mcp HTTP/1.1', ...head, '', body].join('\r\n'))
  await asked
  socket.destroy()
  await text.ended
  await new Promise((resolve) => setTimeout(resolve, 50)) // until the listener has seen the end
  find([])
  await new Promise((resolve) => setImmediate(resolve))
  t.equal(servers.length, 0)
})

t.test('a ProxyError that onClient throws goes to the client with its status', async (t) => {
  const listener = await listen({}, () => {
    throw new ProxyError('ERR_LEGACY_SERVER', 'not here')
  })
  t.teardown(() => listener.close(0))
  const answer = await ask(listener.urlsOf('').mcp, '"x"', 'tools/list')
  t.match(answer, {
    status: 400,
    messages: [{ id: 'x', error: { code: -32600, message: 'not here' } }]
  })
})

t.test('a client that disconnects ends its server', async (t) => {
  const { listener, servers, ended } = await serve(
    t,
    { streamAfter: 1 },
    () => new FakeServer(() => {})
  )
  const { response } = await post(listener.urlsOf('').mcp, bodyOf('1', 'x'), headersOf('x'))
  const closed = new Promise((resolve) => servers[0]?.once('close', resolve))
  response.destroy()
  await closed
  t.ok(await ended.until(() => true))
})

t.test(
  'a subscription is acknowledged at once, and ends with a response when the proxy stops',
  async (t) => {
    const { listener, servers } = await serve(t, { keepAlive: 0 }, () => new FakeServer(() => {}))
    const { mcp } = listener.urlsOf('')
    const texts: string[] = []
    const calling = ask(mcp, '2', 'x')
    const other = (await servers.until(() => true)) as FakeServer
    const listen = 'subscriptions/listen'
    const listening = post(mcp, bodyOf('1.0', listen), headersOf(listen), (_, text) =>
      texts.push(text)
    )
    const server = (await servers.until((server) => server !== other)) as FakeServer
    await server.got(listen)
    await server.notify('notifications/subscriptions/acknowledged', {
      _meta: { [subscriptionKey]: 1 }
    })
    const { response, ended } = await listening
    t.match(response.headers, { 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' })

    const closed = listener.close(60_000)
    await ended
    t.match(JSON.parse(texts[0] as string), { method: 'notifications/subscriptions/acknowledged' })
    t.equal(
      texts[1],
      `{"jsonrpc":"2.0","id":1.0,"result":{"resultType":"complete","_meta":{"${subscriptionKey}":1.0}}}`
    )
    t.equal(texts.length, 2)
    await other.respond(other.received[0], { late: true })
    t.match(
      (await calling).messages,
      [{ result: { late: true } }],
      'calls may still get their response'
    )
    await closed
  }
)

t.test('a subscription that the server cancels ends with a response', async (t) => {
  const { listener } = await serve(
    t,
    {},
    () =>
      new FakeServer((message, server) => {
        const requestId = message.id
        void server.notify('notifications/subscriptions/acknowledged')
        void server.notify('notifications/cancelled', { requestId })
      })
  )
  const { messages } = await ask(listener.urlsOf('').mcp, '"s"', 'subscriptions/listen')
  t.match(messages.at(-1), {
    id: 's',
    result: { resultType: 'complete', _meta: { [subscriptionKey]: 's' } }
  })
  t.equal(messages.filter(({ method }) => method === undefined).length, 1)
})

t.test('calls without a response get an error when the proxy stops', async (t) => {
  const { listener, servers } = await serve(t, {}, () => new FakeServer(() => {}))
  const call = ask(listener.urlsOf('').mcp, '9007199254740993', 'x')
  await servers.until(() => true)
  await listener.close(20)
  const { texts } = await call
  t.equal(texts.length, 1)
  t.match(texts[0], /^\{"jsonrpc":"2.0","id":9007199254740993,"error":\{"code":-32000,/)
})

t.test('messages that do not belong to the request do not reach the client', async (t) => {
  const { listener, client } = await serve(
    t,
    { stateless: true },
    () =>
      new FakeServer((message, server) => {
        void server.say({ id: 'q', method: 'roots/list' })
        void server.say({ id: 'another', result: {} })
        void server.notify('notifications/progress', { progressToken: 1 })
        void server.respond(message, { own: true })
      })
  )
  const { messages } = await ask(listener.urlsOf('').mcp, '1', 'x')
  t.match(messages, [{ method: 'notifications/progress' }, { id: 1, result: { own: true } }])
  t.equal(messages.length, 2)
  const body = json({ id: 1, method: 'x' })
  const answer = parsed(await client().post(body, { accept: 'application/json' }))
  t.match(
    answer.message,
    { id: 1, result: { own: true } },
    'a client that takes only JSON gets the response alone'
  )
})

t.test('the client gets an error if the server ends without a response', async (t) => {
  const { listener } = await serve(t, {}, () => new FakeServer((_, server) => server.push(null)))
  t.match(await ask(listener.urlsOf('').mcp, '1', 'x'), {
    status: 200,
    messages: [{ id: 1, error: { code: -32000, message: 'the server ended without a response' } }]
  })
})

t.test('an incomplete `initialize` is refused with its id, without sessions too', async (t) => {
  const { servers, client } = await serve(t, { stateless: true }, echo)
  const answer = parsed(await client().post(json({ id: 'a', method: 'initialize', params: {} })))
  t.match(answer, { status: 400, message: { id: 'a', error: { code: -32602 } } })
  t.equal(servers.length, 0)
})
