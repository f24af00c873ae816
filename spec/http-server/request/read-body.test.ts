// Reading the body of a request, over real sockets.

import { once } from 'node:events'
import { createServer } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import type { AddressInfo } from 'node:net'
import { test } from 'tap'
import type { Test } from 'tap'
import { ClientTransport } from '../../../lib/http-server/client-transport.ts'
import { BodyReader, refuseBatch } from '../../../lib/http-server/request/read-body.ts'
import { HttpResponse } from '../../../lib/http-server/request/http-response.ts'
import { RequestContext } from '../../../lib/http-server/request-context.ts'
import type { Frame } from '../../../lib/message/frame.ts'
import { readText, receiveRequest } from '../helpers.ts'

const head = (...headers: string[]): string =>
  ['POST / HTTP/1.1', 'Host: x', ...headers, '', ''].join('\r\n')
const sized = (length: number): string => head(`Content-Length: ${length}`)
const expectContinue = 'Expect: 100-continue'
const chunked = head('Transfer-Encoding: chunked')
const chunk = (data: string): string => `${data.length.toString(16)}\r\n${data}\r\n`

const readerOf = (maxMessage: number): BodyReader => new BodyReader({ maxMessage })

async function receiveContext(t: Test, first: string) {
  const received = await receiveRequest(t, first)
  return { ...received, context: new RequestContext(received.request, received.response) }
}

/** Reads a body that comes in these pieces. */
async function read(t: Test, max: number, first: string, ...pieces: string[]): Promise<string> {
  const { context, socket } = await receiveContext(t, first)
  const send = async (): Promise<void> => {
    for (const piece of pieces) {
      socket.write(piece)
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
  const [body] = await Promise.all([readerOf(max).read(context, String), send()])
  return body
}

test('a body is read to its end, in any number of pieces', async (t) => {
  t.equal(await read(t, 10, sized(6), 'ab', 'c', 'def'), 'abcdef')
  t.equal(await read(t, 10, `${sized(6)}abcdef`), 'abcdef')
  t.equal(await read(t, 10, chunked, chunk('abc'), chunk('def'), '0\r\n\r\n'), 'abcdef')
  t.equal(await read(t, 10, sized(0)), '')
  t.equal(await read(t, 0, sized(6), 'abcdef'), 'abcdef', 'without a limit')
})

test('a body that comes in one packet with its headers is read without listeners', async (t) => {
  const reader = readerOf(10)
  const server = createServer({ ServerResponse: HttpResponse })
  t.teardown(() => server.close())
  const ended = new Promise<boolean>((resolve) => {
    server.on('request', (request: IncomingMessage, response: HttpResponse) => {
      const reading = reader.read(new RequestContext(request, response), String)
      reading.then(
        (body) => {
          t.equal(body, 'abcdef')
          t.same(request.listenerCount('data') + request.listenerCount('end'), 0)
          setImmediate(() => request.on('end', () => resolve(request.complete)).read(0))
        },
        (error: unknown) => t.fail(String(error))
      )
    })
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  t.teardown(() => socket.destroy())
  socket.write(`${sized(6)}abcdef`)
  t.equal(await ended, true)
})

test('a body may be as large as the limit and no larger', async (t) => {
  t.equal(await read(t, 6, sized(6), 'abcdef'), 'abcdef')
  t.equal(await read(t, 6, chunked, chunk('abcdef'), '0\r\n\r\n'), 'abcdef')
  const tooLarge = { code: 'ERR_FRAME_TOO_LARGE', message: /7 bytes is over the limit of 6/ }
  await t.rejects(read(t, 6, sized(7), 'abcdefg'), tooLarge)
  await t.rejects(read(t, 6, chunked, chunk('abcdef'), chunk('g'), '0\r\n\r\n'), tooLarge)
})

test('a chunked body is refused as soon as it is over the limit', async (t) => {
  const { context, socket } = await receiveContext(t, chunked)
  const body = readerOf(30).read(context, String)
  socket.write(chunk('{"id":7,"method":"x","y":"'))
  socket.write(chunk('h'.repeat(1024)))
  await t.rejects(body, {
    code: 'ERR_FRAME_TOO_LARGE',
    envelope: { kind: 'request', id: 7, method: 'x' }
  })
})

test('a body whose declared size is over the limit is refused unread', async (t) => {
  const { context, text } = await receiveContext(t, head('Content-Length: 7', expectContinue))
  await t.rejects(readerOf(6).read(context, String), {
    code: 'ERR_FRAME_TOO_LARGE',
    envelope: undefined
  })
  t.notMatch(text.all, '100 Continue')
})

test('a client that disconnects in the middle of a body is an error', async (t) => {
  for (const first of [sized(6), chunked]) {
    const { context, socket } = await receiveContext(t, first)
    const body = readerOf(10).read(context, String)
    socket.write(first === chunked ? chunk('abc') : 'abc')
    socket.end()
    await t.rejects(body, { code: 'ERR_CLOSED' })
  }
})

test('a client that disconnected before its body was read is an error', async (t) => {
  const { request, context, socket } = await receiveContext(t, sized(6))
  socket.destroy()
  await new Promise((resolve) => request.once('error', resolve))
  await t.rejects(readerOf(10).read(context, String), { code: 'ERR_CLOSED' })
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
      const { context, request, response, socket } = await receiveContext(t, first)
      const transport = new KeepingTransport('x')
      const reading = readerOf(30).readFrames(context, transport)
      // One byte a chunk: the id may come before or after the limit.
      if (first === chunked) for (const byte of body) socket.write(chunk(byte))
      if (first === chunked) socket.write('0\r\n\r\n')
      await t.rejects(reading, { code: /^ERR_FRAME_/ }, what)
      // The listener reads the rest of the body.
      if (!request.destroyed) await once(request.resume(), 'close')
      response.end()
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
    const { context } = await receiveContext(t, `${sized(body.length)}${body}`)
    const { frames } = await readerOf(0).readFrames(context, undefined, true)
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

const KiB = 1024
const free = 64 * KiB
const nextTurn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 20))

test('a body waits until the memory for all bodies has room, and its socket is not read', async (t) => {
  const reader = new BodyReader({ maxMessage: 32 * KiB * KiB, maxBodyMemory: 200 * KiB })
  const size = 150 * KiB
  const first = await receiveContext(t, sized(size))
  const one = reader.read(first.context, String)
  await nextTurn()
  t.equal(reader.reserved, size, 'the declared size is reserved before the body comes')
  const second = await receiveContext(t, sized(16 * KiB * KiB))
  second.socket.write(Buffer.alloc(16 * KiB * KiB))
  let done = false
  const two = reader.read(second.context, String).then(({ length }) => {
    done = true
    return length
  })
  first.socket.write(Buffer.alloc(size))
  t.equal((await one).length, size)
  await nextTurn()
  t.notOk(done)
  t.ok(second.request.socket.bytesRead < 512 * KiB, `${second.request.socket.bytesRead} bytes`)
  first.context.releaseBody()
  t.equal(await two, 16 * KiB * KiB)
  second.context.releaseBody()
  t.equal(reader.reserved, 0)
})

test('a chunked body reserves the largest size as soon as it is over 64 KiB', async (t) => {
  const reader = new BodyReader({ maxMessage: 512 * KiB, maxBodyMemory: 512 * KiB })
  const holder = await receiveContext(t, sized(free + 1))
  const held = reader.read(holder.context, String)
  const { context, socket, request } = await receiveContext(t, chunked)
  const reading = reader.read(context, String)
  socket.write(chunk('x'.repeat(free)))
  await nextTurn()
  t.equal(reader.reserved, free + 1, 'up to 64 KiB is free')
  t.not(request.isPaused(), true)
  socket.write(chunk('x'))
  await nextTurn()
  t.ok(request.isPaused(), 'one byte more waits')
  socket.write(`${chunk('y')}0\r\n\r\n`)
  holder.socket.write('x'.repeat(free + 1))
  await held
  holder.context.releaseBody()
  t.equal((await reading).length, free + 2)
  t.equal(reader.reserved, 512 * KiB)
  context.releaseBody()
  t.equal(reader.reserved, 0)
})

test('a body up to 64 KiB does not wait behind large bodies', async (t) => {
  const reader = new BodyReader({ maxBodyMemory: 100 * KiB })
  const large = await receiveContext(t, sized(100 * KiB))
  void reader.read(large.context, String).catch(() => {})
  const { context, socket } = await receiveContext(t, sized(free))
  socket.write('x'.repeat(free))
  t.equal((await reader.read(context, String)).length, free)
})

test('a body that waits too long for memory is refused', async (t) => {
  const timeout = 50
  const reader = new BodyReader({ maxBodyMemory: 100 * KiB, idleTimeout: timeout })
  const large = await receiveContext(t, sized(100 * KiB))
  void reader.read(large.context, String).catch(() => {})
  const { context } = await receiveContext(t, sized(free + 1))
  await t.rejects(reader.read(context, String), {
    code: 'ERR_BODIES_FULL',
    status: 503,
    message: /--max-body-memory/
  })
  context.releaseBody()
  large.context.releaseBody()
  t.equal(reader.reserved, 0)
})

test('without an idle timeout a body waits for memory as long as its client', async (t) => {
  const reader = new BodyReader({ maxBodyMemory: 100 * KiB, idleTimeout: 0 })
  const large = await receiveContext(t, sized(100 * KiB))
  void reader.read(large.context, String).catch(() => {})
  const { context, request } = await receiveContext(t, sized(free + 1))
  const reading = reader.read(context, String)
  await nextTurn()
  request.socket.destroy()
  await t.rejects(reading, { code: 'ERR_CLOSED' })
})

test('the status 100 is sent when the body gets its memory', async (t) => {
  const reader = new BodyReader({ maxBodyMemory: 100 * KiB })
  const large = await receiveContext(t, sized(100 * KiB))
  void reader.read(large.context, String).catch(() => {})
  const server = createServer({ ServerResponse: HttpResponse })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  t.teardown(() => socket.destroy())
  const text = readText(socket)
  socket.write(head(`Content-Length: ${free + 1}`, expectContinue))
  const [request, response] = (await once(server, 'checkContinue')) as [
    IncomingMessage,
    HttpResponse
  ]
  const reading = reader.read(new RequestContext(request, response), String)
  await nextTurn()
  t.equal(text.all, '')
  large.context.releaseBody()
  await text.until('100 Continue')
  socket.write('x'.repeat(free + 1))
  t.equal((await reading).length, free + 1)
})

test('a long body over the limit is searched for its id only at its start', async (t) => {
  for (const [start, kind] of [
    ['{"id":7,"result":"', 'response'],
    ['{"result":"', 'unknown']
  ] as const) {
    const { context, socket, request } = await receiveContext(t, sized(100 * KiB))
    const transport = new KeepingTransport('x')
    const reading = readerOf(90 * KiB).readFrames(context, transport)
    await t.rejects(reading, { code: 'ERR_FRAME_TOO_LARGE' })
    socket.write(`${start}${'x'.repeat(100 * KiB - start.length - 9)}","id":7}`.slice(0, 100 * KiB))
    request.resume()
    await once(request, 'close')
    t.equal(transport.frames.length, kind === 'response' ? 1 : 0, kind)

    const second = await receiveContext(t, chunked)
    const third = new KeepingTransport('x')
    const refused = readerOf(90 * KiB).readFrames(second.context, third)
    second.socket.write(chunk(`${start}${'x'.repeat(100 * KiB)}`))
    await t.rejects(refused, { code: 'ERR_FRAME_TOO_LARGE' })
    t.equal(third.frames.length, kind === 'response' ? 1 : 0, `chunked: ${kind}`)
  }
})

/** A transport whose room the test sets. */
class FullTransport extends KeepingTransport {
  room = true
  readonly #waiting: (() => void)[] = []

  override get hasRoom(): boolean {
    return this.room
  }

  override whenRoom(callback: () => void): void {
    if (this.room) callback()
    else this.#waiting.push(callback)
  }

  makeRoom(): void {
    this.room = true
    for (const callback of this.#waiting.splice(0)) callback()
  }
}

test('a body whose session has no more room gives its memory to the other sessions', async (t) => {
  const reader = new BodyReader({ maxBodyMemory: 100 * KiB })
  const holder = await receiveContext(t, sized(100 * KiB))
  void reader.read(holder.context, String).catch(() => {})
  const transport = new FullTransport('x')
  const full = await receiveContext(t, sized(100 * KiB))
  const reading = reader.read(full.context, String, transport)
  const gone = await receiveContext(t, sized(100 * KiB))
  const leaving = reader.read(gone.context, String, transport)
  const other = await receiveContext(t, sized(100 * KiB))
  const third = reader.read(other.context, String)
  transport.room = false
  holder.context.releaseBody()
  await nextTurn()
  other.socket.write(' '.repeat(100 * KiB))
  t.equal((await third).length, 100 * KiB, 'the body of another session is read')
  other.context.releaseBody()
  await nextTurn()
  t.equal(reader.reserved, 0)
  t.ok(full.request.isPaused())
  gone.request.socket.destroy()
  await t.rejects(leaving, { code: 'ERR_CLOSED' })
  transport.makeRoom()
  full.socket.write(' '.repeat(100 * KiB))
  t.equal((await reading).length, 100 * KiB)
  full.context.releaseBody()
  t.equal(reader.reserved, 0, 'a client that left has no memory')
})

test('small bodies wait for room in the session, also if their size is not known', async (t) => {
  const reader = new BodyReader({})
  const transport = new FullTransport('x')
  transport.room = false
  const body = '{"jsonrpc":"2.0","method":"m"}'
  const known = await receiveContext(t, sized(body.length))
  const chunks = await receiveContext(t, chunked)
  const reading = [known, chunks].map(({ context }) => reader.readFrames(context, transport))
  known.socket.write(body)
  chunks.socket.write(`${chunk(body)}0\r\n\r\n`)
  await nextTurn()
  transport.makeRoom()
  for (const { frames } of await Promise.all(reading)) t.equal(frames[0]?.method, 'm')
})
