// What the endpoints have in common.

import { test } from 'tap'
import { allowMethods, noBatches, requireJson } from '../../lib/http-server/endpoint.ts'
import { exchangeOver } from './helpers.ts'

test('a method that is not allowed is answered with those that are', async (t) => {
  const { request, response } = await exchangeOver(t, 'PUT / HTTP/1.1\r\nHost: x\r\n\r\n')
  allowMethods(request, response, 'PUT')
  t.equal(response.getHeader('allow'), undefined)
  t.throws(() => allowMethods(request, response, 'GET', 'POST'), {
    code: 'ERR_METHOD_NOT_ALLOWED',
    message: 'PUT is not allowed here: use GET, POST'
  })
  t.equal(response.getHeader('allow'), 'GET, POST')
})

test('JSON is what says that it is', async (t) => {
  const of = async (type: string): Promise<void> => {
    const header = type === '' ? '' : `Content-Type: ${type}\r\n`
    const { request } = await exchangeOver(t, `POST / HTTP/1.1\r\nHost: x\r\n${header}\r\n`)
    requireJson(request)
  }
  for (const type of [
    'application/json',
    'Application/JSON;charset=utf-8',
    'application/json ; a=b'
  ]) {
    await of(type)
  }
  // The first three are what a web page can send anywhere without being asked.
  for (const type of [
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'text/plain; application/json',
    'application/jsonp',
    'application/json, text/plain',
    ''
  ]) {
    await t.rejects(of(type), { code: 'ERR_MEDIA_TYPE' }, type)
  }
})

test('a batch where there are none is the fault of the request', async (t) => {
  t.match(noBatches(), { code: 'ERR_REQUEST', message: /2025-03-26/ })
})
