// What a response to an HTTP request does by itself.

import { once } from 'node:events'
import t from 'tap'
import type { HttpResponse } from '../../../lib/http-server/request/http-response.ts'
import { receiveRequest } from '../helpers.ts'

t.test('the callbacks of a response come in their order, without a listener', async (t) => {
  const { response, socket } = await receiveRequest(t)
  const before = response.listenerCount('close')
  const calls: number[] = []
  for (const n of [1, 2, 3]) response.whenClosed(() => calls.push(n))
  t.equal(response.listenerCount('close'), before)
  const closed = once(response, 'close')
  socket.destroy()
  await closed
  t.strictSame(calls, [1, 2, 3])
})

t.test('an error ends nothing if nobody listens for it', async (t) => {
  const { response } = await receiveRequest(t)
  response.end()
  await new Promise((resolve) => response.write('late', resolve))
  const other = (await receiveRequest(t)).response
  other.end()
  const failed = once(other, 'error')
  other.write('late')
  t.match(await failed, [{ code: 'ERR_STREAM_WRITE_AFTER_END' }])
})

t.test('the end of a response ends the body before Node looks at it', async (t) => {
  const head = 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n'
  const { request, response, text } = await receiveRequest(t, `${head}body`)
  t.equal(String(request.read()), 'body')
  await new Promise((resolve) => setImmediate(resolve))
  t.strictSame([request.complete, request.readableEnded], [true, false])
  let endedAtFinish
  response.once('finish', () => (endedAtFinish = request.readableEnded))
  response.end('done')
  await text.until('done')
  t.equal(endedAtFinish, true)
})

const every = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))
const maxCopy = 64 * 1024

t.test('a body arrives with its headers, byte for byte', async (t) => {
  for (const size of [0, 256, maxCopy, maxCopy + 1]) {
    const { response, socket, text } = await receiveRequest(t)
    socket.setEncoding('latin1')
    // Node would call this to join several writes.
    if (size <= maxCopy) Object.assign(response.socket as object, { _writev: () => t.fail() })
    const body = Buffer.alloc(size, every)
    response.writeHead(200, { 'content-length': size })
    response.endWith(body)
    t.ok(response.writableEnded)
    const all = (await text.until(`\r\n\r\n${body.toString('latin1')}`)) as string
    t.equal(all.slice(all.indexOf('\r\n\r\n') + 4), body.toString('latin1'), `${size} bytes`)
  }
})

t.test('a response that waits for an earlier one keeps its place', async (t) => {
  const head = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'
  const { server, response, socket, text } = await receiveRequest(t, head)
  const second = once(server, 'request') as Promise<[unknown, HttpResponse]>
  socket.write(head)
  const [, later] = await second
  for (const [body, to] of [
    ['two', later],
    ['one', response]
  ] as const) {
    to.writeHead(200, { 'content-length': 3 })
    to.endWith(Buffer.from(body))
  }
  t.match(await text.until('two'), /^HTTP[^]*\r\n\r\noneHTTP[^]*\r\n\r\ntwo$/)
})

t.test('a body for a client that has left goes nowhere', async (t) => {
  const { response, socket } = await receiveRequest(t)
  response.once('error', (error) => t.fail(String(error)))
  socket.destroy()
  await once(response, 'close')
  response.writeHead(200, { 'content-length': 3 })
  response.endWith(Buffer.from('one'))
  await new Promise((resolve) => setImmediate(resolve))
  t.ok(response.writableEnded)
})
