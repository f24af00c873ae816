// One HTTP request, as the endpoints get it.

import { test } from 'tap'
import type { Test } from 'tap'
import { ProxyError } from '../../lib/errors.ts'
import { RequestContext } from '../../lib/http-server/request-context.ts'
import { findRoute, nowhere } from '../../lib/http-server/routes.ts'
import { parseFrame } from '../../lib/message/parse-frame.ts'
import { EnvelopeError } from '../../lib/message/refusal.ts'
import { receiveRequest } from './helpers.ts'
import type { Text } from './helpers.ts'

/** The context of a request with this first line, and with these headers. */
async function contextOf(
  t: Test,
  line = 'GET /',
  headers: Record<string, string> = {}
): Promise<{ context: RequestContext; text: Text }> {
  const lines = Object.entries({ host: 'x', ...headers }).map((header) => header.join(': '))
  const head = [`${line} HTTP/1.1`, ...lines, '', ''].join('\r\n')
  const { request, response, text } = await receiveRequest(t, head)
  const context = new RequestContext(request, response)
  context.route = findRoute(context.pathname, '')
  return { context, text }
}

test('a path comes from a relative URL or from a whole one', async (t) => {
  for (const [url, pathname] of [
    ['/a/b', '/a/b'],
    ['/a?/b', '/a'],
    ['http://x:80/a/b?c', '/a/b'],
    ['http://x?/a', ''],
    ['*', '*']
  ] as const) {
    t.equal((await contextOf(t, `GET ${url}`)).context.pathname, pathname, url)
  }
})

test('a new context leads nowhere and has no principal', async (t) => {
  const { request, response } = await receiveRequest(t)
  const context = new RequestContext(request, response)
  t.equal(context.route, nowhere)
  t.equal(context.server, '')
  t.equal(context.principal, undefined)
})

test('a session is named in the query of /messages, and else in a header', async (t) => {
  const headers = { 'mcp-session-id': 'header' }
  for (const [url, expected] of [
    ['/messages/?a=b&session_id=query', 'query'],
    ['/servers/one/messages?session_id=query', 'query'],
    ['/messages/?a=b', undefined],
    ['/messages/', undefined],
    ['/mcp?session_id=query', 'header'],
    ['/mcp', 'header']
  ] as const) {
    const { context } = await contextOf(t, `POST ${url}`, headers)
    t.equal(context.sessionId, expected, url)
  }
  const { context } = await contextOf(t, 'POST /servers/one/mcp?session_id=query')
  t.equal(context.sessionId, undefined)
  t.equal(context.server, 'one')
})

test('a method that is not allowed is refused, and the response names the allowed ones', async (t) => {
  const { context } = await contextOf(t, 'PUT /')
  context.allowMethods('PUT')
  t.equal(context.response.getHeader('allow'), undefined)
  t.throws(() => context.allowMethods('GET', 'POST'), {
    code: 'ERR_METHOD_NOT_ALLOWED',
    message: 'PUT is not allowed here: use GET, POST'
  })
  t.equal(context.response.getHeader('allow'), 'GET, POST')
})

test('only a body with the JSON content type is taken', async (t) => {
  const check = async (type: string): Promise<void> => {
    const { context } = await contextOf(t, 'POST /', type === '' ? {} : { 'content-type': type })
    context.requireJson()
  }
  for (const type of [
    'application/json',
    'Application/JSON;charset=utf-8',
    'application/json ; a=b'
  ]) {
    await check(type)
  }
  // A web page can send the first three to another origin without a preflight.
  for (const type of [
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'text/plain; application/json',
    'application/jsonp',
    'application/json, text/plain',
    ''
  ]) {
    await t.rejects(check(type), { code: 'ERR_MEDIA_TYPE' }, type)
  }
})

test('an error is a status, and a JSON-RPC error with the id if one is known', async (t) => {
  const { context, text } = await contextOf(t)
  context.sendError(new ProxyError('ERR_SESSIONS_FULL', 'all full'))
  const all = await text.until('}}')
  t.match(all, /^HTTP\/1\.1 503 [^]*retry-after: 10\r\n/)
  t.match(all, '{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"all full"}}')

  const other = await contextOf(t)
  other.context.sendError(new EnvelopeError({ id: 'x', method: 1 }))
  const refused = await other.text.until('}}')
  t.match(refused, /^HTTP\/1\.1 400 [^]*"id":"x","error":\{"code":-32600/)
  t.notMatch(refused, 'retry-after')

  const response = await contextOf(t)
  response.context.sendError(new EnvelopeError({ id: 'x', result: 1 }))
  t.match(await response.text.until('}}'), '"id":null', 'the id of a response is the server’s')
})

test('an error repeats the id of the request in the body as it is written there', async (t) => {
  const { context, text } = await contextOf(t)
  context.rpcRequest = parseFrame(
    Buffer.from('{"jsonrpc":"2.0","id":9007199254740993,"method":"x"}')
  )
  context.sendError(new ProxyError('ERR_REQUEST', 'no'))
  t.match(await text.until('}}'), '"id":9007199254740993,"error":{"code":-32600')
})

test('an error changes nothing if the response has begun or the client has disconnected', async (t) => {
  const { context, text } = await contextOf(t)
  context.response.flushHeaders()
  context.sendError(new ProxyError('ERR_REQUEST', 'no'))
  context.response.end('rest')
  t.match(await text.until('rest'), /^HTTP\/1\.1 200 /)

  const gone = await contextOf(t)
  gone.context.response.destroy()
  gone.context.sendError(new ProxyError('ERR_REQUEST', 'no'))
  await gone.text.ended
  t.equal(gone.text.all, '')
})
