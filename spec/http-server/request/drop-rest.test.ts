// What happens to the rest of a body that the proxy does not want.

import { test } from 'tap'
import type { Test } from 'tap'
import { dropRest, hasBody } from '../../../lib/http-server/request/drop-rest.ts'
import { countTimers, receiveRequest } from '../helpers.ts'

const KiB = 1024

async function receiveSized(t: Test, length: number) {
  return receiveRequest(t, `POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${length}\r\n\r\n`)
}

test('a rest that comes soon is dropped, and the connection stays open', async (t) => {
  const { request, response, socket } = await receiveSized(t, 64 * KiB)
  const timers = countTimers()
  response.end()
  dropRest(request)
  socket.write(Buffer.alloc(64 * KiB))
  await new Promise((resolve) => request.once('close', resolve))
  t.ok(request.complete)
  t.notOk(request.socket.destroyed)
  t.equal(countTimers(), timers)
  dropRest(request)
  t.equal(countTimers(), timers, 'a complete request needs no timer')
})

test('not more than 64 KiB and 1 s are read, then the connection is closed', async (t) => {
  const { request, response, socket, text } = await receiveSized(t, 10 ** 9)
  socket.write(Buffer.alloc(32 * KiB * KiB))
  dropRest(request)
  let size = 0
  request.on('data', ({ length }: Buffer) => (size += length))
  const began = performance.now()
  response.end('refused')
  t.match(await text.until('refused'), /refused/)
  t.ok(performance.now() - began < 500, 'the client gets the response at once')
  await text.ended
  const time = performance.now() - began
  t.ok(time > 900 && time < 3000, `closed after ${time} ms`)
  t.ok(size > 64 * KiB && size <= 192 * KiB, `${size} bytes`)
})

test('a body that stalls is closed after 1 s', async (t) => {
  const { request, response, text } = await receiveSized(t, 1)
  response.end()
  dropRest(request)
  const began = performance.now()
  await text.ended
  t.ok(performance.now() - began < 3000)
})

test('a request has a body if a header announces one', async (t) => {
  t.ok(hasBody((await receiveSized(t, 1)).request))
  t.notOk(hasBody((await receiveRequest(t)).request))
})
