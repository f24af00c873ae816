// Reading the body of a request, over real sockets.

import { test } from 'tap'
import type { Test } from 'tap'
import { ClientTransport } from '../../lib/http-server/client-transport.ts'
import { readBody, readFrames, refuseBatch } from '../../lib/http-server/read-body.ts'
import { RequestContext } from '../../lib/http-server/request-context.ts'
import type { Frame } from '../../lib/message/frame.ts'
import { receiveRequest } from './helpers.ts'

const head = (...headers: string[]): string =>
  ['POST / HTTP/1.1', 'Host: x', ...headers, '', ''].join('\r\n')
const sized = (length: number): string => head(`Content-Length: ${length}`)
const chunked = head('Transfer-Encoding: chunked')
const chunk = (data: string): string => `${data.length.toString(16)}\r\n${data}\r\n`

/** Reads a body that comes in these pieces. */
async function read(t: Test, max: number, first: string, ...pieces: string[]): Promise<string> {
  const { request, socket } = await receiveRequest(t, first)
  const send = async (): Promise<void> => {
    for (const piece of pieces) {
      socket.write(piece)
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
  const [body] = await Promise.all([readBody(request, max), send()])
  return body.toString()
}

test('a body is read to its end, in any number of pieces', async (t) => {
  t.equal(await read(t, 10, sized(6), 'ab', 'c', 'def'), 'abcdef')
  t.equal(await read(t, 10, `${sized(6)}abcdef`), 'abcdef')
  t.equal(await read(t, 10, chunked, chunk('abc'), chunk('def'), '0\r\n\r\n'), 'abcdef')
  t.equal(await read(t, 10, sized(0)), '')
  t.equal(await read(t, 0, sized(6), 'abcdef'), 'abcdef', 'without a limit')
})

test('a body may be as large as the limit and no larger', async (t) => {
  t.equal(await read(t, 6, sized(6), 'abcdef'), 'abcdef')
  t.equal(await read(t, 6, chunked, chunk('abcdef'), '0\r\n\r\n'), 'abcdef')
  const tooLarge = { code: 'ERR_FRAME_TOO_LARGE', message: /7 bytes is over the limit of 6/ }
  await t.rejects(read(t, 6, sized(7), 'abcdefg'), tooLarge)
  await t.rejects(read(t, 6, chunked, chunk('abcdef'), chunk('g'), '0\r\n\r\n'), tooLarge)
})

test('a body over the limit is read to its end, and then refused', async (t) => {
  const { request, socket, response, text } = await receiveRequest(t, chunked)
  const body = readBody(request, 6)
  socket.write(chunk('{"id":'))
  socket.write(`${chunk('7,')}${chunk(`"method":"x","y":"${'h'.repeat(1024 * 1024)}"}`)}0\r\n\r\n`)
  await t.rejects(body, {
    code: 'ERR_FRAME_TOO_LARGE',
    envelope: { kind: 'request', id: 7, method: 'x' }
  })
  response.end('received')
  t.ok(await text.until('received'))
})

test('a client that disconnects in the middle of a body is an error', async (t) => {
  for (const first of [sized(6), chunked]) {
    const { request, socket } = await receiveRequest(t, first)
    const body = readBody(request, 10)
    socket.write(first === chunked ? chunk('abc') : 'abc')
    socket.end()
    await t.rejects(body, { code: 'ERR_CLOSED' })
  }
})

test('a client that disconnected before its body was read is an error', async (t) => {
  const { request, socket } = await receiveRequest(t, sized(6))
  socket.destroy()
  await new Promise((resolve) => request.once('error', resolve))
  await t.rejects(readBody(request, 10), { code: 'ERR_CLOSED' })
})

/** A transport that keeps the frames that it takes. */
class KeepingTransport extends ClientTransport {
  readonly frames: Frame[] = []

  override receive(frame: Frame): void {
    this.frames.push(frame)
  }

  override close(): void {}

  protected override send(): void {}
}

test('an error takes the place of a response that cannot be forwarded', async (t) => {
  const bodies = {
    'too large': '{"jsonrpc":"2.0","result":"xxxxxxxxxxxxxxxxxxxxxxxxx","id":7}',
    'no message': '{"result":1,"id":7}',
    'a request': '{"jsonrpc":"2.0","method":"xxxxxxxxxxxxxxxxxxxxxxxxx","id":7}'
  }
  for (const [what, body] of Object.entries(bodies)) {
    for (const first of [`${sized(body.length)}${body}`, chunked]) {
      const { request, response, socket } = await receiveRequest(t, first)
      const transport = new KeepingTransport('x')
      const reading = readFrames(new RequestContext(request, response), 30, transport)
      // One byte a chunk: the id may come before or after the limit.
      if (first === chunked) for (const byte of body) socket.write(chunk(byte))
      if (first === chunked) socket.write('0\r\n\r\n')
      await t.rejects(reading, { code: /^ERR_FRAME_/ }, what)
      t.equal(transport.frames.length, what === 'a request' ? 0 : 1, what)
      for (const frame of transport.frames) {
        t.match(frame.message(), { id: 7, error: { code: -32600 } })
      }
    }
  }
})

test('the context gets the request if it is the only message of the body', async (t) => {
  const request = '{"jsonrpc":"2.0","id":7,"method":"x"}'
  const notification = '{"jsonrpc":"2.0","method":"x"}'
  for (const body of [request, notification, `[${request}]`]) {
    const received = await receiveRequest(t, `${sized(body.length)}${body}`)
    const context = new RequestContext(received.request, received.response)
    const { frames } = await readFrames(context, 0, undefined, true)
    t.equal(context.rpcRequest, body === request ? frames[0] : undefined, body)
  }
})

test('a batch is refused where only single messages are taken', async (t) => {
  refuseBatch({ frames: [], batch: false })
  t.throws(() => refuseBatch({ frames: [], batch: true }), {
    code: 'ERR_REQUEST',
    message: /2025-03-26/
  })
})
