// Short answers to HTTP requests.

import { test } from 'tap'
import { ProxyError } from '../../lib/errors.ts'
import { replyError, replyJson } from '../../lib/http-server/reply.ts'
import { EnvelopeError } from '../../lib/message/refusal.ts'
import { exchangeOver } from './helpers.ts'

test('a value goes out as JSON, and as a line', async (t) => {
  const { response, text } = await exchangeOver(t)
  replyJson(response, 503, { é: 1 })
  const all = await text.until('{"é":1}\n')
  t.match(all, /^HTTP\/1\.1 503 /)
  t.match(all, /content-type: application\/json\r\n/)
  t.match(all, /content-length: 9\r\n/)
})

test('an error is a status, and a JSON-RPC error with the id if one is known', async (t) => {
  const { response, text } = await exchangeOver(t)
  replyError(response, new ProxyError('ERR_SESSIONS_FULL', 'all full'), { 'retry-after': '10' })
  const all = await text.until('}}')
  t.match(all, /^HTTP\/1\.1 503 [^]*retry-after: 10\r\n/)
  t.match(all, '{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"all full"}}')

  const other = await exchangeOver(t)
  replyError(other.response, new EnvelopeError({ id: 'x', method: 1 }))
  t.match(await other.text.until('}}'), /^HTTP\/1\.1 400 [^]*"id":"x","error":\{"code":-32600/)

  const answer = await exchangeOver(t)
  replyError(answer.response, new EnvelopeError({ id: 'x', result: 1 }))
  t.match(await answer.text.until('}}'), '"id":null', 'that of an answer is not the client’s')
})

test('where an answer has begun, or nobody is left to get one, an error changes nothing', async (t) => {
  const { response, text } = await exchangeOver(t)
  response.flushHeaders()
  replyError(response, new ProxyError('ERR_REQUEST', 'no'))
  response.end('rest')
  t.match(await text.until('rest'), /^HTTP\/1\.1 200 /)

  const gone = await exchangeOver(t)
  gone.response.destroy()
  replyError(gone.response, new ProxyError('ERR_REQUEST', 'no'))
  await gone.text.ended
  t.equal(gone.text.all, '')
})
