// What a response to an HTTP request does by itself.

import { once } from 'node:events'
import t from 'tap'
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
